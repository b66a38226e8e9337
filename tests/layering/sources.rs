//! The source files of the library as syntax trees, without what is for tests alone.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item};

/// One source file.
pub(crate) struct Source {
    /// Relative to the package, such as `src/pool/handle.rs`.
    pub(crate) path: String,
    /// Its module, without the crate: `["pool", "handle"]`; empty for `lib.rs`.
    pub(crate) module: Vec<String>,
    /// All that it holds.
    pub(crate) items: Vec<Item>,
}

/// The folder of the package.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that `src/lib.rs` reaches by `mod` declarations, but those for tests alone: these may name what they like.
pub(crate) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    read(&package().join("src/lib.rs"), &package().join("src"), &[], &mut found);
    assert!(found.len() > 30, "the sources were not found");
    found
}

/// Reads one file and those that it declares. `folder` is where its child modules lie.
fn read(file: &Path, folder: &Path, module: &[String], found: &mut Vec<Source>) {
    let path = file.strip_prefix(package()).unwrap().to_string_lossy().into_owned();
    if found.iter().any(|source| source.path == path) {
        return; // declared twice, public with one feature and private without
    }
    let syntax = syn::parse_file(&fs::read_to_string(file).unwrap());
    let items = syntax.unwrap_or_else(|why| panic!("{path}: {why}")).items;
    let children: Vec<String> = items.iter().filter_map(declared_module).collect();
    found.push(Source { path, module: module.to_vec(), items });
    for name in children {
        let child = [module, std::slice::from_ref(&name)].concat();
        let (alone, below) = (folder.join(&name).with_extension("rs"), folder.join(&name));
        let file = if alone.is_file() { alone } else { below.join("mod.rs") };
        read(&file, &below, &child, found);
    }
}

fn declared_module(item: &Item) -> Option<String> {
    match item {
        Item::Mod(module) if module.content.is_none() && !is_for_tests(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    }
}

/// Whether an item is under `#[cfg(test)]`.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"));
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg") && is_test(attribute))
}

/// All Rust files below a folder, test files included, each with its number of lines.
pub(crate) fn rust_files(folder: &Path) -> Vec<(PathBuf, usize)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            found.push((path, lines));
        }
    }
    found.sort();
    found
}
