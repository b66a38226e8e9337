//! What `docs/architecture.md` names is there.

use std::collections::BTreeSet;
use std::fs;

use syn::{Item, UseTree};

use crate::sources::{Source, package, sources};

const DOCUMENT: &str = "docs/architecture.md";

#[test]
fn every_module_type_and_file_that_the_architecture_names_exists() {
    let (text, sources) = (document(), sources());
    let names = quoted(&text);
    let paths: Vec<_> = names.iter().filter(|name| name.contains("::")).collect();
    assert!(paths.len() > 20, "the names were not found in {DOCUMENT}");
    let missing_paths = paths.into_iter().filter(|path| !is_declared(path, &sources));
    let files = names.iter().filter(|name| ["src/", "tests/", "docs/"].iter().any(|root| name.starts_with(root)));
    let missing_files = files.filter(|file| !package().join(file).exists());
    let missing: Vec<_> = missing_paths.chain(missing_files).collect();
    assert!(missing.is_empty(), "{DOCUMENT} names what is not there: {missing:?}");
}

#[test]
fn the_architecture_shows_the_folders_of_the_sources() {
    let text = document();
    let tree = text.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut shown = BTreeSet::new();
    let mut room = String::new();
    for line in tree.lines() {
        let name = line.split_whitespace().next().and_then(|name| name.strip_suffix('/')).unwrap();
        if line.starts_with(' ') {
            shown.insert(format!("{room}/{name}"));
        } else {
            name.clone_into(&mut room);
            shown.insert(room.clone());
        }
    }
    let rooms = folders();
    let absent: Vec<_> = shown.iter().filter(|folder| !package().join("src").join(folder).is_dir()).collect();
    let untold: Vec<_> = rooms.difference(&shown).collect();
    assert!(
        absent.is_empty() && untold.is_empty(),
        "{DOCUMENT} shows folders that are not in src: {absent:?}, and lacks: {untold:?}"
    );
}

#[test]
fn paths_are_checked_to_their_last_segment() {
    let file = |module: &str, text: &str| Source {
        path: module.to_owned(),
        module: module.split("::").map(str::to_owned).collect(),
        items: syn::parse_file(text).unwrap().items,
    };
    let sources = [
        file("a", "mod one; pub use one::{One, other as renamed};"),
        file("a::one", "pub enum One { Kept } impl One { fn make() {} } pub trait Two { fn go(); } pub struct Deep;"),
    ];
    for path in ["a::one", "a::One", "a::Deep", "a::renamed", "a::one::One::Kept", "One::make", "Two::go"] {
        assert!(is_declared(path, &sources), "{path}");
    }
    for path in ["b::One", "a::two", "a::Three", "One::Lost", "Three::go", "a::one::lost::One", "a::one::One::Lost"] {
        assert!(!is_declared(path, &sources), "{path}");
    }
    assert_eq!(quoted("a `b::c` d `src/e.rs`\n```text\n`f`\n```\n`g`"), ["b::c", "src/e.rs", "g"]);
}

fn document() -> String {
    fs::read_to_string(package().join(DOCUMENT)).unwrap()
}

/// What stands between single backticks, outside of blocks.
fn quoted(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// The rooms: the folders right below `src`.
fn folders() -> BTreeSet<String> {
    let entries = fs::read_dir(package().join("src")).unwrap().map(Result::unwrap);
    entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Whether a path leads to a module, or to a name that a module or one below it declares or passes on. A path may begin
/// with a type, and end with one's variant or function.
pub(crate) fn is_declared(path: &str, sources: &[Source]) -> bool {
    let path: Vec<String> = path.split("::").map(str::to_owned).collect();
    let is_module = |length: &usize| sources.iter().any(|source| source.module == path[..*length]);
    let module = (1..=path.len()).rev().find(is_module).unwrap_or_default();
    let starts_with_type = path[0].starts_with(char::is_uppercase);
    let inside = || sources.iter().filter(|source| source.module.starts_with(&path[..module]));
    match &path[module..] {
        _ if module == 0 && !starts_with_type => false,
        [] => true,
        [name] => inside().any(|source| source.items.iter().any(|item| declared(item).contains(name))),
        [owner, member] => inside().any(|source| source.items.iter().any(|item| has_member(item, owner, member))),
        _ => false,
    }
}

fn declared(item: &Item) -> Vec<String> {
    match item {
        Item::Const(item) => vec![item.ident.to_string()],
        Item::Enum(item) => vec![item.ident.to_string()],
        Item::Fn(item) => vec![item.sig.ident.to_string()],
        Item::Struct(item) => vec![item.ident.to_string()],
        Item::Trait(item) => vec![item.ident.to_string()],
        Item::Type(item) => vec![item.ident.to_string()],
        Item::Use(item) if !matches!(item.vis, syn::Visibility::Inherited) => {
            let mut names = Vec::new();
            passed_on(&item.tree, &mut names);
            names
        }
        _ => Vec::new(),
    }
}

fn passed_on(tree: &UseTree, names: &mut Vec<String>) {
    match tree {
        UseTree::Path(part) => passed_on(&part.tree, names),
        UseTree::Name(name) => names.push(name.ident.to_string()),
        UseTree::Rename(renamed) => names.push(renamed.rename.to_string()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| passed_on(tree, names)),
        UseTree::Glob(_) => {}
    }
}

fn has_member(item: &Item, owner: &str, member: &str) -> bool {
    match item {
        Item::Enum(item) if item.ident == owner => item.variants.iter().any(|variant| variant.ident == member),
        Item::Trait(item) if item.ident == owner => item.items.iter().any(|item| match item {
            syn::TraitItem::Fn(function) => function.sig.ident == member,
            _ => false,
        }),
        Item::Impl(item) => {
            let is_owner = match item.self_ty.as_ref() {
                syn::Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == owner),
                _ => false,
            };
            is_owner
                && item.items.iter().any(|item| match item {
                    syn::ImplItem::Fn(function) => function.sig.ident == member,
                    _ => false,
                })
        }
        _ => false,
    }
}
