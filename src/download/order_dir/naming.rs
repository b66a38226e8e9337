//! Names that a portal made up, made safe for Windows, macOS and Linux alike: an output folder may be copied from one to
//! the other, so the rules of all three hold everywhere.

use unicode_normalization::UnicodeNormalization;
use url::Url;

/// Longest name in bytes. Encrypted folders (eCryptfs) allow 143, others 255; the rest is kept for a number behind the name, for
/// decomposed letters on macOS, and for Windows' 260 characters of whole path.
const MAX_BYTES: usize = 136;

/// Longest ending that counts as an extension.
const MAX_EXTENSION: usize = 10;

/// A file name that stays in its folder and is legal on every system. The same name comes out the same again.
#[must_use]
pub fn safe_name(raw: &str) -> String {
    safe(raw, "attachment")
}

/// The same for a folder, such as a supplier's.
#[must_use]
pub fn safe_folder(raw: &str) -> String {
    safe(raw, "Unknown supplier")
}

fn safe(raw: &str, when_empty: &str) -> String {
    // parts of a path are joined, not dropped: "Invoice 05/12.pdf" is a name that a person typed
    let joined =
        raw.split(['/', '\\']).filter(|part| !matches!(part.trim(), "" | "." | "..")).collect::<Vec<_>>().join("_");
    // characters go before normalisation: one that is dropped may have kept two others from composing
    let kept: String = joined.chars().filter_map(safe_char).nfc().collect();
    let mut name = kept.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let is_edge = |c: char| c == '.' || c == ' ';
    name = name.trim_matches(is_edge).to_owned();
    if name.is_empty() {
        return when_empty.to_owned();
    }
    if is_reserved(&name) {
        name.insert(0, '_');
    }
    shorten(&name)
}

/// What becomes of one character; `None` drops it.
fn safe_char(c: char) -> Option<char> {
    match c {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => Some('_'),
        c if c.is_whitespace() => Some(' '),
        c if c.is_control() => None,
        // marks that turn the direction of the text ("gpj.exe" shown as "exe.jpg"), or that cannot be seen at all
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' => None,
        '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' => None,
        '\u{e0000}'..='\u{e0fff}' => None,
        c => Some(c),
    }
}

/// Whether Windows takes the name for a device. What follows the first dot does not help.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        _ => ["COM", "LPT"].iter().any(|device| {
            stem.strip_prefix(device).is_some_and(|port| {
                let mut port = port.chars();
                matches!((port.next(), port.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
            })
        }),
    }
}

fn shorten(name: &str) -> String {
    if name.len() <= MAX_BYTES {
        return name.to_owned();
    }
    let (stem, ending) = split_ending(name);
    let mut end = MAX_BYTES - ending.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", stem[..end].trim_end_matches(['.', ' ']))
}

/// The name without its ending, and the ending with its dot (or nothing).
pub(crate) fn split_ending(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => {
            let ending = &name[dot + 1..];
            let fits = (1..=MAX_EXTENSION).contains(&ending.len()) && ending.chars().all(|c| c.is_ascii_alphanumeric());
            if fits { name.split_at(dot) } else { (name, "") }
        }
        _ => (name, ""),
    }
}

/// The extension of a name in lower case, if it has one. `Offer v1.2` has none: an extension has a letter.
#[must_use]
pub fn extension(name: &str) -> Option<String> {
    let name = safe_name(name);
    let ending = split_ending(&name).1.trim_start_matches('.');
    let fits = (1..=5).contains(&ending.len()) && ending.chars().any(|c| c.is_ascii_alphabetic());
    fits.then(|| ending.to_ascii_lowercase())
}

/// The names that a file may get, best first; never empty. They are as the portal gave them: [`safe_name`] makes one
/// safe.
///
/// A page's label, the browser's suggestion (from `Content-Disposition`) and the address may disagree. The first one
/// with an extension is best, in this order: people look for the name that the page shows. A label without one loses to
/// a suggestion with one, since a file without an extension opens in nothing. The later ones count when the bytes
/// contradict the earlier ones.
#[must_use]
pub fn candidate_names(label: &str, suggested: &str, address: &str) -> Vec<String> {
    let from_address = Url::parse(address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .and_then(|url| url.path_segments()?.next_back().map(percent_decoded))
        .unwrap_or_default();
    let suggested = if is_made_up(suggested.trim(), &from_address) { "" } else { suggested };
    let known: Vec<String> = [label, suggested, &from_address]
        .iter()
        .map(|name| name.trim())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let (mut names, rest): (Vec<_>, Vec<_>) = known.into_iter().partition(|name| extension(name).is_some());
    names.extend(rest);
    if names.is_empty() {
        names.push("attachment".to_owned());
    }
    names
}

/// Whether a browser has called a file a web page by itself, because of the answer's type: the portal gave it no name, and
/// an error message is of that type as well.
fn is_made_up(suggested: &str, from_address: &str) -> bool {
    let is_page = |name| matches!(extension(name).as_deref(), Some("html" | "htm"));
    let stem = split_ending(suggested).0;
    is_page(suggested)
        && !is_page(from_address)
        && (stem == "download" || stem == from_address || stem == split_ending(from_address).0)
}

/// Undoes `%20` and the like; what is no UTF-8 is left as it was.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'%')
            .then(|| tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()))
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_names_of_the_portal_notes_become_harmless() {
        for (raw, safe) in [
            ("CON.pdf", "_CON.pdf"),
            ("com1", "_com1"),
            ("LPT².txt", "_LPT².txt"),
            ("a:b*c?.pdf", "a_b_c_.pdf"),
            ("../../x.txt", "x.txt"),
            ("..\\..\\x.txt", "x.txt"),
            ("C:\\Windows\\x.txt", "C__Windows_x.txt"),
            ("report.pdf...", "report.pdf"),
            ("  spaced \t name .pdf ", "spaced name .pdf"),
            (".htaccess", "htaccess"),
            ("", "attachment"),
            ("...", "attachment"),
            ("Rechnung fu\u{308}r Mai.pdf", "Rechnung für Mai.pdf"),
            ("発注書.pdf", "発注書.pdf"),
            ("\u{202e}fdp.exe", "fdp.exe"),
            ("a\u{0}b\n.pdf", "ab .pdf"),
            ("say \"hi\".pdf", "say _hi_.pdf"),
        ] {
            assert_eq!(safe_name(raw), safe, "{raw:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = safe_name(&format!("{}.pdf", "ü".repeat(200)));
        assert!(name.len() <= MAX_BYTES && name.ends_with("ü.pdf"), "{name}");
    }

    #[test]
    fn a_supplier_without_a_usable_name_is_unknown() {
        assert_eq!(safe_folder(" / "), "Unknown supplier");
        assert_eq!(safe_folder("ACME / Sons, Inc."), "ACME _ Sons, Inc");
    }

    #[test]
    fn the_first_name_with_an_extension_is_best() {
        let best = |label, suggested, address| candidate_names(label, suggested, address)[0].clone();
        let address = "https://acme.test/attachment_file/7/Offer%20A.docx?token=1";
        assert_eq!(best("Offer.pdf", "x.msg", address), "Offer.pdf");
        assert_eq!(best("Offer v1.2", "x.msg", address), "x.msg");
        assert_eq!(best("Offer", "download", address), "Offer A.docx");
        assert_eq!(best("Offer", "download", "https://acme.test/7"), "Offer");
        assert_eq!(best("", "", "blob:https://acme.test/7"), "attachment");
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<String>(),
            "[ ./\\\\:*?<>|\"a]{0,8}",
            prop::sample::select(vec![
                "CON", "nul", "COM1", "LPT¹", "..", "/", "\\", "\u{202e}", "u\u{308}", "<\u{338}", ".pdf", "ü"
            ])
            .prop_map(str::to_owned),
            prop::sample::select(vec!["é", "x", " ", ".", "漢"]).prop_map(|text| text.repeat(120)),
        ];
        prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_safe_name_is_one_plain_part_of_a_path(raw in hostile()) {
            let name = safe_name(&raw);
            let parts: Vec<_> = std::path::Path::new(&name).components().collect();
            prop_assert!(matches!(parts.as_slice(), [std::path::Component::Normal(part)] if *part == name.as_str()));
        }

        #[test]
        fn a_safe_name_is_legal_on_windows(raw in hostile()) {
            let name = safe_name(&raw);
            prop_assert!(!name.is_empty() && name.len() <= MAX_BYTES);
            prop_assert!(!name.contains(['<', '>', ':', '"', '/', '\\', '|', '?', '*']));
            prop_assert!(!name.chars().any(char::is_control));
            prop_assert!(!name.ends_with(['.', ' ']) && !name.starts_with(['.', ' ']));
            prop_assert!(!is_reserved(&name), "{name:?}");
        }

        #[test]
        fn a_safe_name_stays_as_it_is(raw in hostile()) {
            let name = safe_name(&raw);
            prop_assert_eq!(safe_name(&name), name);
        }

        #[test]
        fn choosing_finds_the_name_with_an_ending_wherever_it_stands(at in 0..3usize, ending in "(pdf|msg|xlsx)", bare in "[A-Za-z ]{0,12}") {
            let good = format!("Offer.{ending}");
            let mut given = [bare.clone(), bare.clone(), bare];
            given[at].clone_from(&good);
            let [label, suggested, last] = given;
            let names = candidate_names(&label, &suggested, &format!("https://acme.test/f/{last}?name=a.zip"));
            prop_assert_eq!(names.first(), Some(&good));
        }

        #[test]
        fn choosing_keeps_to_what_was_given_and_puts_names_with_an_ending_first(label in hostile(), suggested in hostile()) {
            let names = candidate_names(&label, &suggested, "https://acme.test/");
            let given = [label.trim(), suggested.trim(), "attachment"];
            prop_assert!(!names.is_empty() && names.iter().all(|name| given.contains(&name.as_str())));
            prop_assert!(names.is_sorted_by_key(|name| extension(name).is_none()), "{:?}", names);
        }
    }
}
