//! What each source file imports, and the cycles among files.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Item, ItemMacro, ItemMod, ItemUse, Macro, UseTree, Visibility};

use crate::sources::{Source, is_for_tests};

/// The paths that one file names.
#[derive(Default)]
pub(crate) struct Imports {
    /// Paths into this crate, from its root: `["pool", "handle", "PersistentWorkerPool"]`.
    pub(crate) inner: BTreeSet<Vec<String>>,
    /// The first segments of all other paths: outside crates, and what is in scope by a name.
    pub(crate) outer: BTreeSet<String>,
    /// What the file passes on under a name of its own, such as `pub use handle::PersistentWorkerPool`.
    reexports: BTreeMap<Vec<String>, Vec<String>>,
    /// The modules that stand inside the file.
    inline: BTreeSet<Vec<String>>,
}

/// Reads the imports of each source, in their order.
pub(crate) fn imports(sources: &[Source]) -> Vec<Imports> {
    let modules: BTreeSet<Vec<String>> = sources.iter().map(|source| source.module.clone()).collect();
    sources
        .iter()
        .map(|source| {
            let mut reader = Reader { modules: &modules, module: source.module.clone(), imports: Imports::default() };
            source.items.iter().for_each(|item| reader.visit_item(item));
            reader.imports
        })
        .collect()
}

/// Groups of files of which each imports, perhaps through others, every other one of its group. A name that a module
/// only passes on counts for the file that defines it.
pub(crate) fn cycles(sources: &[Source], imports: &[Imports]) -> Vec<Vec<String>> {
    let mut owners: BTreeMap<&[String], usize> = BTreeMap::new();
    for (file, (source, imports)) in sources.iter().zip(imports).enumerate() {
        owners.insert(&source.module, file);
        owners.extend(imports.inline.iter().map(|module| (module.as_slice(), file)));
    }
    let reexports: BTreeMap<_, _> = imports.iter().flat_map(|imports| &imports.reexports).collect();
    let edges: Vec<BTreeSet<usize>> = imports
        .iter()
        .enumerate()
        .map(|(file, imports)| {
            let targets = imports.inner.iter().filter_map(|path| definition(path, &owners, &reexports));
            targets.filter(|target| *target != file && !sources[*target].module.is_empty()).collect()
        })
        .collect();
    let reached: Vec<BTreeSet<usize>> = (0..edges.len()).map(|file| reachable(file, &edges)).collect();
    let mut groups = BTreeSet::new();
    for (file, from_here) in reached.iter().enumerate() {
        if from_here.contains(&file) {
            let group = from_here.iter().filter(|other| reached[**other].contains(&file));
            groups.insert(group.map(|member| sources[*member].module.join("::")).collect::<Vec<_>>());
        }
    }
    groups.into_iter().collect()
}

/// The file that defines what a path names.
fn definition(
    path: &[String],
    owners: &BTreeMap<&[String], usize>,
    reexports: &BTreeMap<&Vec<String>, &Vec<String>>,
) -> Option<usize> {
    let mut path = path.to_vec();
    for _ in 0..8 {
        let known = (0..=path.len()).rev().find(|length| owners.contains_key(&path[..*length]))?;
        let named = path[..path.len().min(known + 1)].to_vec();
        match reexports.get(&named) {
            Some(target) => path = [target.as_slice(), &path[named.len()..]].concat(),
            None => return owners.get(&path[..known]).copied(),
        }
    }
    None
}

fn reachable(from: usize, edges: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut next: Vec<usize> = edges[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if found.insert(file) {
            next.extend(&edges[file]);
        }
    }
    found
}

struct Reader<'a> {
    modules: &'a BTreeSet<Vec<String>>,
    /// The module at hand: the file's own, or one inside it.
    module: Vec<String>,
    imports: Imports,
}

impl Reader<'_> {
    /// The path from the root of the crate; none for one that leads out of it.
    fn resolve(&self, path: &[String]) -> Option<Vec<String>> {
        let mut base = self.module.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => return Some(rest[1..].to_vec()),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    base.pop()?;
                    rest = &rest[1..];
                }
            }
            first => {
                base.push(first.to_owned());
                if !self.modules.contains(&base) && !self.imports.inline.contains(&base) {
                    return None;
                }
                rest = &rest[1..];
            }
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    fn note(&mut self, path: &[String]) {
        match self.resolve(path) {
            Some(inner) => _ = self.imports.inner.insert(inner),
            None => self.imports.outer.extend(path.first().cloned()),
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if let Some((_, items)) = &module.content {
            self.module.push(module.ident.to_string());
            self.imports.inline.insert(self.module.clone());
            items.iter().for_each(|item| self.visit_item(item));
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut leaves = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut leaves);
        for (path, name) in leaves {
            let is_passed_on = !matches!(item.vis, Visibility::Inherited);
            match self.resolve(&path) {
                Some(target) if is_passed_on => {
                    let name = [self.module.as_slice(), &[name]].concat();
                    _ = self.imports.reexports.insert(name, target);
                }
                _ => self.note(&path),
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.note(&segments);
        }
        visit::visit_path(self, path); // generic arguments
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        for path in paths_in(&call.tokens.to_string()) {
            self.note(&path);
        }
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        self.visit_macro(&item.mac);
    }
}

fn attributes(item: &Item) -> &[syn::Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Each leaf of a `use`: the whole path, and the name that it gives.
fn flatten(tree: &UseTree, path: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, String)>) {
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.to_string());
            flatten(&part.tree, path, leaves);
            path.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            leaves.push((path.clone(), path.last().cloned().unwrap_or_default()));
        }
        UseTree::Name(name) => leaves.push((with(path, &name.ident), name.ident.to_string())),
        UseTree::Rename(renamed) => leaves.push((with(path, &renamed.ident), renamed.rename.to_string())),
        UseTree::Glob(_) => leaves.push((path.clone(), "*".to_owned())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, path, leaves)),
    }
}

fn with(path: &[String], last: &syn::Ident) -> Vec<String> {
    [path, &[last.to_string()]].concat()
}

/// The paths in the tokens of a macro call, which has no syntax that is known.
fn paths_in(tokens: &str) -> Vec<Vec<String>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let joined = tokens.replace(" :: ", "::");
    let words = joined.split(|c| !is_part(c)).filter(|word| word.contains("::"));
    words
        .map(|word| word.split("::").map(str::to_owned).collect())
        .filter(|path: &Vec<String>| !path[0].is_empty())
        .collect()
}

#[test]
fn imports_are_found_in_groups_bodies_and_macros_and_names_lead_to_the_file_that_defines_them() {
    let source = |module: &str, text: &str| Source {
        path: module.to_owned(),
        module: module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        items: syn::parse_file(text).unwrap().items,
    };
    let sources = [
        source("", "mod a; mod b;"),
        source("a", "mod one; mod two; pub use one::One; #[cfg(test)] mod tests { use crate::b::B; }"),
        source("a::one", "use std::fmt; use crate::{b::{B, C as D}, a::two}; pub struct One;"),
        source("a::two", "fn two() { info!(kind = super::One::NAME, other = serde_json::json!(1)); }"),
        source("b", "pub struct B; fn make(_: Vec<crate::c::C>) -> regex::Regex {}"),
    ];
    let imports = imports(&sources);
    let inner = |file: usize| imports[file].inner.iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(inner(1), [""; 0]);
    assert_eq!(inner(2), ["a::two", "b::B", "b::C"]);
    assert_eq!(inner(3), ["a::One::NAME"]);
    assert_eq!(inner(4), ["c::C"]);
    assert!(imports[4].outer.contains("regex") && imports[3].outer.contains("serde_json"));
    assert_eq!(cycles(&sources, &imports), [["a::one", "a::two"]]);
}
