//! Keeps the structure of `docs/architecture.md`: imports lead down, each outside crate has its owners, no file imports
//! itself through others, files and folders keep a size that one reads, and names are the field's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod documents;
mod guides;
mod imports;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::Item;

use imports::{cycles, imports};
use sources::{package, rust_files, sources};

/// The rooms by floor, the lowest first. Each may import what is on the floors below it.
const FLOORS: &[&[&str]] = &[
    &["text"],
    &["model"],
    &["config", "policy"],
    &["backend", "fs", "net", "process"],
    &[
        "browser",
        "credentials",
        "demo",
        "download",
        "executor",
        "host",
        "input",
        "journal",
        "notify",
        "pool",
        "report",
        "site",
    ],
    &["assembly"],
    &["batch"],
    &["cli"],
];

/// Imports between rooms of one floor, importer first.
const SIDEWAYS: &[(&str, &str)] = &[("notify", "report"), ("policy", "config"), ("site", "download")];

/// Rooms that may import less than their floor allows: the seams must be usable without any setting.
const NARROW: &[(&str, &[&str])] = &[("backend", &["model", "text"])];

/// Outside crates that belong to some rooms, each with its owners.
const OWNERS: &[(&str, &[&str])] = &[
    ("apple_native_keyring_store", &["credentials"]),
    ("async_channel", &["pool"]),
    ("axum", &["demo"]),
    ("base64", &["browser", "download"]),
    ("calamine", &["input"]),
    ("cfb", &["input"]),
    ("clap", &["cli"]),
    ("cookie", &["net"]),
    ("csv", &["report"]),
    ("directories", &["credentials"]),
    ("encoding_rs", &["input"]),
    ("fantoccini", &["browser"]),
    ("flate2", &["demo", "download"]),
    ("getrandom", &["credentials"]),
    ("http", &["browser", "process"]),
    ("hyper_util", &["browser", "net", "process"]),
    ("indicatif", &["cli"]),
    ("infer", &["download"]),
    ("keyring_core", &["credentials"]),
    ("log", &["cli"]),
    ("pbkdf2", &["credentials"]),
    ("process_wrap", &["process"]),
    ("quick_xml", &["input"]),
    ("regex", &["site"]),
    ("reqwest", &["net"]),
    ("rpassword", &["cli"]),
    ("rusqlite", &["journal"]),
    ("rustix", &["process", "browser"]),
    ("rustls", &["net"]),
    ("rustls_platform_verifier", &["net"]),
    ("scopeguard", &["executor"]),
    ("sha2", &["demo", "download"]),
    ("structured_logger", &["cli"]),
    ("sysinfo", &["host", "process"]),
    ("tempfile", &["download", "fs"]),
    ("tokio_rustls", &["net"]),
    ("tracing_subscriber", &["cli"]),
    ("unicode_normalization", &["download"]),
    ("which", &["browser", "process"]),
    ("wildmatch", &["config"]),
    ("windows_native_keyring_store", &["credentials"]),
    ("zbus_secret_service_keyring_store", &["credentials"]),
    ("zip", &["demo", "input"]),
];

/// Outside crates that any room may name.
const SHARED: &[&str] = &[
    "bytesize",
    "futures_util",
    "humantime",
    "jiff",
    "secrecy",
    "serde",
    "serde_json",
    "thiserror",
    "tokio",
    "tokio_util",
    "toml",
    "tracing",
    "url",
];

const LINES_OF_A_FILE: usize = 400;

const FILES_OF_A_FOLDER: usize = 10;
/// Folders with more files, which are to be split: this list only gets shorter.
const FULL_FOLDERS: &[&str] = &[];

/// Words that the project used where the field has a term of its own.
const RETIRED: &[&str] = &[
    "desk", "door", "doorway", "doubt", "fate", "fleet", "ground", "heard", "heart", "heir", "post", "posts", "scene",
    "seat", "sight", "squeeze", "staff", "tally", "trap", "trouble", "upkeep", "visitor", "walls", "ward", "weather",
];

#[test]
fn every_import_leads_down() {
    let sources = sources();
    let mut wrong = BTreeSet::new();
    for (source, imports) in sources.iter().zip(imports(&sources)) {
        let Some(room) = source.module.first() else { continue };
        let floor = floor_of(room);
        for path in &imports.inner {
            let Some(named) = path.first().filter(|named| *named != room) else { continue };
            let pair = (room.as_str(), named.as_str());
            let is_below = FLOORS.iter().position(|rooms| rooms.contains(&pair.1)).is_some_and(|below| below < floor);
            let is_narrow_enough = NARROW.iter().all(|(narrow, allowed)| narrow != room || allowed.contains(&pair.1));
            if !(is_below && is_narrow_enough || SIDEWAYS.contains(&pair)) {
                wrong.insert(format!("{} names {}", source.path, path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that lead up or sideways:\n{}", lines(&wrong));
    let rooms: BTreeSet<_> = sources.iter().filter_map(|source| source.module.first()).map(String::as_str).collect();
    let placed: BTreeSet<_> = FLOORS.iter().flat_map(|rooms| rooms.iter().copied()).collect();
    assert_eq!(rooms, placed, "every room has its floor");
}

#[test]
fn every_outside_crate_has_its_owners() {
    let sources = sources();
    let owners: BTreeMap<_, _> = OWNERS.iter().copied().collect();
    let mut wrong = BTreeSet::new();
    let mut used = BTreeSet::new();
    for (source, imports) in sources.iter().zip(imports(&sources)) {
        let Some(room) = source.module.first() else { continue };
        for name in &imports.outer {
            if let Some(allowed) = owners.get(name.as_str()) {
                used.insert((name.clone(), room.clone()));
                if !allowed.contains(&room.as_str()) {
                    wrong.insert(format!("{} names {name}, which belongs to {}", source.path, allowed.join(", ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "outside crates away from their owners:\n{}", lines(&wrong));
    let idle =
        OWNERS.iter().flat_map(|(name, rooms)| rooms.iter().map(|room| ((*name).to_owned(), (*room).to_owned())));
    let idle: BTreeSet<_> = idle.filter(|pair| !used.contains(pair)).collect();
    assert!(idle.is_empty(), "owners that do not name their crate: {idle:?}");

    let named: BTreeSet<_> = OWNERS.iter().map(|(name, _)| *name).chain(SHARED.iter().copied()).collect();
    let declared = dependencies();
    assert_eq!(declared.iter().map(String::as_str).collect::<BTreeSet<_>>(), named, "every dependency has its owners");
}

#[test]
fn no_file_imports_itself_through_others() {
    let sources = sources();
    let found: BTreeSet<String> = cycles(&sources, &imports(&sources)).iter().map(|cycle| cycle.join(" ")).collect();
    assert!(found.is_empty(), "cycles among files:\n{}", lines(&found));
}

#[test]
fn files_and_folders_keep_a_size_that_one_reads() {
    let mut long = BTreeSet::new();
    let mut folders: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for root in ["src", "tests", "benches"] {
        for (path, line_count) in rust_files(&package().join(root)) {
            let path = path.strip_prefix(package()).unwrap();
            if line_count > LINES_OF_A_FILE {
                long.insert(path.display().to_string());
            }
            if path.file_name().is_some_and(|name| name != "mod.rs" && name != "main.rs") {
                *folders.entry(path.parent().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    let full = folders.iter().filter(|(_, count)| **count > FILES_OF_A_FOLDER);
    let full: BTreeSet<_> = full.map(|(folder, _)| folder.display().to_string()).collect();
    assert!(long.is_empty(), "files of more than {LINES_OF_A_FILE} lines:\n{}", lines(&long));
    assert_only_known(&format!("folders of more than {FILES_OF_A_FOLDER} files"), &full, FULL_FOLDERS);
}

#[test]
fn modules_and_types_bear_the_terms_of_the_field() {
    let mut found = BTreeSet::new();
    for root in ["src", "tests", "benches"] {
        for (path, _) in rust_files(&package().join(root)) {
            let path = path.strip_prefix(package()).unwrap().with_extension("");
            let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
            found.extend(parts.iter().any(|part| is_retired(part)).then(|| parts.join("/")));
        }
    }
    for source in sources() {
        let names = source.items.iter().filter_map(type_name).filter(|name| is_retired(name));
        found.extend(names.map(|name| format!("{}: {name}", source.path)));
    }
    assert!(found.is_empty(), "names with a word that the field has a term for:\n{}", lines(&found));
}

#[test]
fn retired_words_are_found_in_names_of_several_words() {
    assert!(is_retired("network_walls") && is_retired("PostBox") && is_retired("Heart") && is_retired("heir"));
    assert!(!is_retired("Poster") && !is_retired("forward") && !is_retired("background") && !is_retired("HTTPSeats"));
}

fn floor_of(room: &str) -> usize {
    let floor = FLOORS.iter().position(|rooms| rooms.contains(&room));
    floor.unwrap_or_else(|| panic!("{room} is on no floor: give it one in tests/layering"))
}

/// The dependencies of a build, not those of tests alone, by the names that code has for them.
fn dependencies() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let names = |table: &toml::Value| {
        let dependencies = table.get("dependencies").and_then(toml::Value::as_table);
        dependencies.into_iter().flat_map(|table| table.keys().cloned()).collect::<Vec<_>>()
    };
    let targets = manifest["target"].as_table().unwrap().values().flat_map(names).collect::<Vec<_>>();
    let all = names(&toml::Value::Table(manifest.clone())).into_iter().chain(targets);
    all.map(|name| name.replace('-', "_")).collect()
}

fn type_name(item: &Item) -> Option<String> {
    match item {
        Item::Struct(item) => Some(item.ident.to_string()),
        Item::Enum(item) => Some(item.ident.to_string()),
        Item::Trait(item) => Some(item.ident.to_string()),
        Item::Type(item) => Some(item.ident.to_string()),
        _ => None,
    }
}

/// Whether one of the words of a name, in snake or camel case, is retired.
fn is_retired(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && was_lower {
            words.push(String::new());
        }
        words.last_mut().unwrap().extend(c.is_alphanumeric().then(|| c.to_ascii_lowercase()));
        was_lower = c.is_lowercase();
    }
    words.iter().any(|word| RETIRED.contains(&word.as_str()))
}

/// What was found is what is known to be there still: no more, and no less.
#[track_caller]
fn assert_only_known(what: &str, found: &BTreeSet<String>, known: &[&str]) {
    let known: BTreeSet<String> = known.iter().map(|name| (*name).to_owned()).collect();
    let new: BTreeSet<_> = found.difference(&known).cloned().collect();
    let gone: BTreeSet<_> = known.difference(found).cloned().collect();
    assert!(new.is_empty(), "{what}:\n{}", lines(&new));
    assert!(gone.is_empty(), "{what} that are gone: take them off the list in tests/layering:\n{}", lines(&gone));
}

fn lines(names: &BTreeSet<String>) -> String {
    names.iter().map(|name| format!("  {name}")).collect::<Vec<_>>().join("\n")
}
