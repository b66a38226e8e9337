//! Keeps the floors of `docs/architecture.md`: reads every `crate::` path of the library and refuses those that lead
//! up or sideways.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom: a module's name, and the modules that its files may name.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["model"]),
    ("policy", &["model", "config"]),
    ("backend", &["model"]),
    ("fs", &["model", "config", "policy"]),
    ("net", &["model", "config", "policy"]),
    ("process", &["model", "config", "policy"]),
    ("pool", &["model", "config", "policy", "backend", "fs", "net", "process"]),
    ("browser", &["model", "config", "policy", "backend", "fs", "net", "process"]),
    ("download", &["model", "config", "policy", "backend", "fs", "net", "process"]),
    ("site", &["model", "config", "policy", "backend", "fs", "net", "process", "download"]),
    ("credentials", &["model", "config", "policy", "backend", "fs", "net", "process"]),
    ("journal", &["model", "config", "policy", "backend", "fs", "net", "process"]),
    ("host", &["model", "config", "policy", "backend", "fs", "net", "process"]),
    ("input", &["model", "config", "policy", "backend", "fs", "net", "process"]),
    ("report", &["model", "config", "policy", "backend", "fs", "net", "process"]),
    ("notify", &["model", "config", "policy", "backend", "fs", "net", "process", "report"]),
    ("demo", &["model", "config", "policy", "backend", "fs", "net", "process"]),
    ("assembly", LIBRARY),
    ("batch", LIBRARY),
    ("cli", ALL),
];

/// All below the composition root, and it.
const LIBRARY: &[&str] = &[
    "model",
    "config",
    "policy",
    "backend",
    "fs",
    "net",
    "process",
    "pool",
    "browser",
    "download",
    "site",
    "credentials",
    "journal",
    "host",
    "input",
    "report",
    "notify",
    "demo",
    "assembly",
];
const ALL: &[&str] = &[
    "model",
    "config",
    "policy",
    "backend",
    "fs",
    "net",
    "process",
    "pool",
    "browser",
    "download",
    "site",
    "credentials",
    "journal",
    "host",
    "input",
    "report",
    "notify",
    "demo",
    "assembly",
    "batch",
    "cli",
];

/// One outside crate, one owner: the crate, and the modules (or files) that may name it.
const OWNERS: &[(&str, &[&str])] = &[
    ("fantoccini", &["browser"]),
    ("hyper_util", &["browser", "process", "demo"]),
    ("process_wrap", &["process"]),
    ("rustix", &["process", "browser"]),
    ("which", &["browser"]),
    ("tempfile", &["browser", "process", "download", "fs", "report", "site", "credentials"]),
    ("directories", &["credentials"]),
    ("keyring_core", &["credentials"]),
    ("pbkdf2", &["credentials"]),
    ("getrandom", &["credentials"]),
    ("reqwest", &["net", "notify"]),
    ("rustls", &["net", "notify"]),
    ("zbus_secret_service_keyring_store", &["credentials"]),
    ("apple_native_keyring_store", &["credentials"]),
    ("windows_native_keyring_store", &["credentials"]),
    ("base64", &["browser"]),
    ("regex", &["site"]),
    ("sysinfo", &["host", "process"]),
    ("rusqlite", &["journal"]),
    ("async_channel", &["pool"]),
    ("axum", &["demo"]),
    ("wildmatch", &["config"]),
    ("flate2", &["demo"]),
    ("calamine", &["input"]),
    ("encoding_rs", &["input"]),
    ("csv", &["input", "report"]),
    ("infer", &["download"]),
    ("unicode_normalization", &["download"]),
    ("clap", &["cli"]),
    ("rpassword", &["cli"]),
    ("indicatif", &["cli"]),
    ("structured_logger", &["cli"]),
    ("tracing_subscriber", &["cli"]),
];

#[test]
fn every_import_leads_down() {
    let mut wrong = Vec::new();
    let mut seen = BTreeMap::new();
    for (module, file) in files() {
        let text = code(&file);
        *seen.entry(module.clone()).or_insert(0) += 1;
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            panic!("{} is on no floor: give it one in tests/layering.rs", file.display());
        };
        for name in crate_paths(&text) {
            let is_module = MAY_IMPORT.iter().any(|(module, _)| *module == name);
            if is_module && name != module && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{} names crate::{name}", file.display()));
            }
            if !is_module {
                wrong.push(format!("{} names crate::{name}, which is no module: use its own path", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that lead up or sideways:\n{}", wrong.join("\n"));
    for (module, _) in MAY_IMPORT {
        assert!(seen.contains_key(*module), "{module} has a floor and no file");
    }
}

#[test]
fn every_outside_crate_has_one_owner() {
    let mut wrong = Vec::new();
    for (module, file) in files() {
        let text = code(&file);
        for (name, owners) in OWNERS {
            if text.contains(&format!("{name}::")) && !owners.contains(&module.as_str()) {
                wrong.push(format!("{} names {name}, which {owners:?} own", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "outside crates away from their owners:\n{}", wrong.join("\n"));
}

/// Every source file of the library but its root, with the module that it belongs to.
fn files() -> Vec<(String, PathBuf)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path != src.join("lib.rs")
                && path != src.join("main.rs")
            {
                let first = path.strip_prefix(&src).unwrap().components().next().unwrap();
                let module = Path::new(first.as_os_str()).with_extension("").to_string_lossy().into_owned();
                found.push((module, path));
            }
        }
    }
    assert!(found.len() > 30, "the sources were not found");
    let tests: Vec<PathBuf> = found.iter().flat_map(|(_, file)| test_modules(file)).collect();
    found.retain(|(_, file)| !tests.contains(file));
    found
}

/// The files that `file` declares as modules for tests alone: they may name what they like.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]").filter_map(|pair| {
        let name = pair[1].strip_prefix("pub(crate) ").unwrap_or(pair[1]).strip_prefix("mod ")?.strip_suffix(';')?;
        let folder = match file.file_name()?.to_str()? {
            "mod.rs" => file.parent()?.to_owned(),
            _ => file.with_extension(""),
        };
        let (alone, folder) = (folder.join(name).with_extension("rs"), folder.join(name));
        if alone.is_file() { Some(vec![alone]) } else { Some(sources_in(&folder)) }
    });
    declared.flatten().collect()
}

/// The source files below a folder.
fn sources_in(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { sources_in(&path) } else { vec![path] }).collect()
}

/// The file without comments and unit tests: prose and tests may name what they like.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first segments of all paths that begin with `crate::`, also those inside a group.
fn crate_paths(text: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (start, _) in text.match_indices("crate::") {
        let rest = &text[start + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut begins = true;
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => begins = true,
                    _ if begins && c.is_alphabetic() => {
                        names.push(word(&group[at..]));
                        begins = false;
                    }
                    _ => {}
                }
            }
        } else {
            names.push(word(rest));
        }
    }
    names
}

#[test]
fn crate_paths_are_found_in_groups_too() {
    let text = "use crate::{model::{A, B}, pool::C};\nlet x = crate::ports::Fut;";
    assert_eq!(crate_paths(text), ["model", "pool", "ports"]);
}
