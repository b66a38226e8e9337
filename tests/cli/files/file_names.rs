//! Names as portals send them, and as nobody should: `Content-Disposition` from a seed that is printed.

use std::collections::BTreeSet;
use std::fs;

use coupa_batch::demo::{FaultRule, PortalFault, RequestTarget};
use coupa_batch::download::safe_name;
use sha2::{Digest, Sha256};

use crate::harness::command::{TestEnv, portal, report_in};
use crate::needs_browser;
use crate::rng::{Rng, number};

/// Headers in one session, at least, unless `DISPOSITION_COUNT` says otherwise.
const MIN_COUNT: u64 = 20;

/// What a name is put together of. No ending claims a type: what the bytes are is another test's affair.
const PIECES: [&str; 30] = [
    "Invoice",
    "..",
    "/",
    "\\",
    "../../",
    "..\\..\\",
    "C:",
    "CON",
    "nul.",
    "COM1",
    "LPT9.dat",
    "a:b*c?",
    "<x>|",
    "\u{202e}gpj",
    "\u{200b}",
    "\u{feff}",
    "u\u{308}",
    "\u{7f3a}",
    "\u{1f4ce}",
    " ",
    "   ",
    ".",
    "...",
    "%2e%2e%2f",
    "%00",
    ";",
    "=",
    "\"",
    "'",
    "~$",
];

/// Names that are known to do harm somewhere, whole.
const KNOWN: [&str; 16] = [
    "same.dat",
    "same.dat",
    "SAME.dat",
    "CON.dat",
    "nul",
    "COM1.dwg",
    "LPT9 .dat",
    "../../x.dat",
    "..\\..\\y.dat",
    "/etc/z.dat",
    "C:\\w.dat",
    "a:b*c?.dat",
    "invoice \u{202e}tad.exe",
    " .hidden.dat. ",
    "say \"hi\".dat",
    "\u{767a}\u{6ce8}\u{66f8}.dwg",
];

fn pick<'a>(dice: &mut Rng, list: &[&'a str]) -> &'a str {
    list[usize::try_from(dice.below(list.len() as u64)).unwrap()]
}

fn name(dice: &mut Rng) -> String {
    if dice.below(2) == 0 {
        return pick(dice, &KNOWN).to_owned();
    }
    let mut name: String = (0..dice.below(5)).map(|_| pick(dice, &PIECES)).collect();
    if dice.below(6) == 0 {
        name = format!("{name}{}", pick(dice, &["long ", "\u{fc}", "\u{6f22}"]).repeat(300));
    }
    name + pick(dice, &["", "", ".dat", ".dwg", ".dat.", " .dat", "."])
}

/// In quotes, with each character quoted that must be, each, or none.
fn quoted(dice: &mut Rng, name: &str) -> Vec<u8> {
    let rule = dice.below(8); // most are as they should be
    let mut value = vec![b'"'];
    for c in name.chars() {
        if rule != 1 && rule != 3 && matches!(c, '"' | '\\') || rule == 1 && c.is_ascii_graphic() {
            value.push(b'\\');
        }
        let mut buffer = [0; 4];
        match u8::try_from(c) {
            // as old servers do
            Ok(latin) if rule == 2 => value.push(latin),
            _ => value.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    if dice.below(8) > 0 {
        value.push(b'"'); // or it never ends
    }
    value
}

/// By RFC 8187, or nearly so.
fn extended(dice: &mut Rng, name: &str) -> Vec<u8> {
    let charset = pick(dice, &["UTF-8''", "UTF-8''", "utf-8'en'", "ISO-8859-1''", "UTF-7''", ""]);
    let mut value = charset.as_bytes().to_vec();
    for byte in name.bytes() {
        match dice.below(60) {
            0 => value.extend_from_slice(b"%"),
            1 => value.extend_from_slice(b"%G1"),
            2 => value.extend_from_slice(
                pick(dice, &["%00", "%0D%0A", "%1B%5B31m", "%7F", "%2F", "%5C", "%FF%FE"]).as_bytes(),
            ),
            _ if byte.is_ascii_alphanumeric() => value.push(byte),
            _ => value.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    value
}

/// Never `inline`: a picture behind a button is shown then, and no download begins.
fn disposition(dice: &mut Rng) -> Vec<u8> {
    let mut header =
        pick(dice, &["attachment", "attachment", "ATTACHMENT", "form-data", "x-unheard-of"]).as_bytes().to_vec();
    let forms = dice.below(5);
    let mut put = |key: &str, value: Vec<u8>| {
        header.extend_from_slice(format!("; {key}").as_bytes());
        header.extend(value);
    };
    if forms != 1 {
        let name = name(dice);
        let value = if forms == 3 { name.into_bytes() } else { quoted(dice, &name) };
        put(pick(dice, &["filename=", "filename=", "FileName=", "filename =\t", "name="]), value);
    }
    if forms != 2 {
        let name = name(dice);
        let value = extended(dice, &name);
        put(pick(dice, &["filename*=", "filename*=", "filename*=", "filename*0*=", "filename*= "]), value);
    }
    // what no server can send: a header has no other control characters than the tab
    header.retain(|byte| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f);
    header
}

/// A name that Windows, macOS and Linux take, and that shows itself as what it is.
#[track_caller]
fn assert_fits_everywhere(name: &str) {
    assert!((1..=255).contains(&name.len()) && !name.starts_with('.') && !name.ends_with(['.', ' ']), "{name:?}");
    let is_wrong = |c: char| {
        c.is_control()
            || "<>:\"/\\|?*".contains(c)
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}')
    };
    assert!(!name.contains(is_wrong), "{name:?}");
    let stem = name.split('.').next().unwrap().trim_end().to_uppercase();
    assert!(!["CON", "NUL", "COM1", "LPT9"].contains(&stem.as_str()), "{name:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_portal_calls_its_files_each_lands_in_its_orders_folder_and_none_is_lost() {
    needs_browser!();
    let seed = number("DISPOSITION_SEED", 11);
    let min_count = usize::try_from(number("DISPOSITION_COUNT", MIN_COUNT)).unwrap();
    println!("DISPOSITION_SEED={seed} DISPOSITION_COUNT={min_count}");
    let mut dice = Rng(seed);
    let portal = portal(60).await;
    let env = TestEnv::new();
    // the portal's pages name their files; of these, nothing is read, so that the header counts
    let own = "extends = \"coupa\"\nname = \"nameless\"\n[[attachments.links]]\n\
               css = \"div.commentAttachments a[href*='attachment_file']\"\nname = [\"download\"]\n\
               [settle]\nafter_load = \"100ms\"\nunchanged_for = \"100ms\"\nat_most = \"15s\"\n";
    env.write("nameless.toml", own);
    let mut pos = Vec::new();
    let mut file_count = 0;
    for po in portal.orders() {
        let expected = portal.expected(&po).unwrap();
        let is_page = |name: &str| name.ends_with(".html"); // is one under its own name alone
        let named = expected.files.iter().all(|file| !is_page(&file.name));
        if file_count < min_count + 8 && expected.files.len() > 1 && named {
            file_count += expected.files.len();
            pos.push(po);
        }
    }
    // the first order is all links: two of its files have one name
    let twice = b"attachment; filename=\"same.dat\"".to_vec();
    let random = (0..file_count * 2).map(|_| disposition(&mut dice));
    let headers: Vec<_> = [twice.clone(), twice].into_iter().chain(random).collect();
    for header in &headers {
        portal.faults().add(FaultRule::new(PortalFault::Disposition(header.clone()), RequestTarget::File).times(1));
    }
    let ended = env.run(&portal, pos.iter().map(ToString::to_string)).args(["--recipe", "nameless.toml"]).end().await;
    ended.assert(0, &[]);
    let sent = usize::try_from(portal.counts().faults_struck).unwrap();
    assert!(sent >= min_count, "{sent} headers were sent");

    let out = env.out();
    let report = report_in(&out);
    let mut names = BTreeSet::new();
    for order in report["orders"].as_array().unwrap() {
        let po = order["po_number"].as_str().unwrap().parse().unwrap();
        assert_eq!(order["status"], "COMPLETED", "{order:#}");
        let folder = order["folder"].as_str().unwrap();
        let manifest = fs::read_to_string(out.join(folder).join("_manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let mut on_disk: BTreeSet<_> = fs::read_dir(out.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(on_disk.remove("_manifest.json"));
        let mut digests = Vec::new();
        for file in order["files"].as_array().unwrap() {
            let (path, original) = (file["path"].as_str().unwrap(), file["name"].as_str().unwrap());
            let placed =
                path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).unwrap_or_else(|| panic!("{path}"));
            assert_fits_everywhere(placed);
            assert!(!placed.contains('/') && on_disk.remove(placed), "{placed} is there once");
            let stem = safe_name(original);
            let stem = stem.rsplit_once('.').map_or(stem.as_str(), |(stem, _)| stem);
            let shared: String = stem.chars().take(8).collect();
            assert!(placed.starts_with(&shared), "{placed} is {original}");
            let listed = manifest["files"].as_array().unwrap().iter().filter(|file| file["name"] == original);
            assert!(listed.count() >= 1, "{original} in {manifest:#}");
            let digest = Sha256::digest(fs::read(out.join(path)).unwrap());
            digests.push(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
            names.insert(original.to_owned());
        }
        assert_eq!(on_disk, BTreeSet::new(), "nothing else lies in {folder}");
        let mut wanted: Vec<_> = portal.expected(&po).unwrap().files.into_iter().map(|file| file.sha256).collect();
        digests.sort();
        wanted.sort();
        assert_eq!(digests, wanted, "{po}");
    }
    // without a header that is understood, browsers take the last part of the address, a number
    let is_from_address = |name: &&String| name.split('.').next().unwrap().bytes().all(|byte| byte.is_ascii_digit());
    names.retain(|name| !is_from_address(&name));
    println!("{sent} headers, {} different names: {names:?}", names.len());
    assert!(names.len() >= sent / 4, "most headers were taken for names");
    assert!(report.to_string().contains("/same (2).dat\""), "{report:#}");
    env.assert_nothing_left().await;
    portal.stop().await;
}
