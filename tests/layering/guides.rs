//! What `docs/from-the-guides.md` says is there, is there: items, settings, commands, documents and tests.

use std::collections::BTreeSet;
use std::fs;

use syn::visit::{self, Visit};

use crate::documents::is_declared;
use crate::sources::{package, rust_files, sources};

const DOCUMENT: &str = "docs/from-the-guides.md";
const GUIDES: usize = 5;

#[test]
fn every_row_of_the_guides_names_an_item_and_a_test_or_says_that_it_is_not_built() {
    let text = fs::read_to_string(package().join(DOCUMENT)).unwrap();
    let settings = fs::read_to_string(package().join("docs/configuration.md")).unwrap();
    let commands = fs::read_to_string(package().join("src/cli/args/mod.rs")).unwrap();
    let (sources, tests) = (sources(), tests());
    let exists = |name: &str| match name.strip_prefix("coupa-batch ") {
        Some(command) => commands.contains(&format!("{}{}", command[..1].to_uppercase(), &command[1..])),
        None if name.contains('/') => package().join(name).exists(),
        None if name.contains("::") || name.starts_with(char::is_uppercase) => is_declared(name, &sources),
        None => settings.contains(&format!("| `{name}` |")),
    };
    let rows = rows(&text);
    assert_eq!(
        rows.iter().map(|row| row.guide.as_str()).collect::<BTreeSet<_>>().len(),
        GUIDES,
        "a table for each guide"
    );
    let mut wrong = BTreeSet::new();
    for Row { guide, point, item, test } in &rows {
        let mut blame = |what: &str| wrong.insert(format!("  {guide}, {point}: {what}"));
        quoted(item).iter().filter(|name| !exists(name)).for_each(|name| _ = blame(&format!("there is no {name}")));
        quoted(test)
            .iter()
            .filter(|name| !tests.contains(*name))
            .for_each(|name| _ = blame(&format!("no test {name}")));
        let is_document = item.contains("`docs/");
        if !item.contains("not built") && (quoted(item).is_empty() || quoted(test).is_empty() && !is_document) {
            blame("it neither names an item and a test nor says that it is not built");
        }
    }
    assert!(wrong.is_empty(), "{DOCUMENT}:\n{}", Vec::from_iter(wrong).join("\n"));
}

struct Row {
    guide: String,
    point: String,
    item: String,
    test: String,
}

/// The rows of all tables, below the heading of their guide.
fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut guide = "";
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            guide = heading;
        } else if line.starts_with("| ") && !line.starts_with("| Guide ") {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            let [point, item, _, test] = &cells[..] else { panic!("{DOCUMENT}: a row has four cells: {line}") };
            rows.push(Row { guide: guide.to_owned(), point: point.clone(), item: item.clone(), test: test.clone() });
        }
    }
    rows
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The names of all tests, those inside of macros and those that macros are given included.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for root in ["src", "tests"] {
        for (path, _) in rust_files(&package().join(root)) {
            let text = fs::read_to_string(&path).unwrap();
            names.extend(tests_of(&text));
        }
    }
    names
}

fn tests_of(text: &str) -> BTreeSet<String> {
    let mut found = Tests::default();
    found.visit_file(&syn::parse_file(text).unwrap());
    let Tests { mut tests, functions, given } = found;
    tests.extend(functions.intersection(&given).cloned());
    tests
}

#[derive(Default)]
struct Tests {
    tests: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// Words that stand in calls of macros between items, such as one that makes a test of each function that it is given.
    given: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let name = function.sig.ident.to_string();
        let is_test =
            |attribute: &syn::Attribute| attribute.path().segments.last().is_some_and(|part| part.ident == "test");
        if function.attrs.iter().any(is_test) {
            self.tests.insert(name.clone());
        }
        self.functions.insert(name);
        visit::visit_item_fn(self, function);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        let tokens = item.mac.tokens.to_string();
        let words = |text: &str| -> Vec<String> {
            text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
        };
        self.given.extend(words(&tokens));
        // `proptest!`: tests are functions with their attribute in it
        let after = tokens.split("[test]").skip(1).filter_map(|rest| rest.trim_start().strip_prefix("fn "));
        self.tests.extend(after.filter_map(|rest| words(rest).into_iter().next()));
    }
}

#[test]
fn rows_names_and_tests_are_read() {
    let rows = rows("## One\n| Guide | Item | Default | Test |\n|---|---|---|---|\n| a | `x::Y`, `z` | 1 | `t` |\n");
    let [Row { guide, point, item, test }] = &rows[..] else { panic!("one row") };
    assert_eq!(
        (guide.as_str(), point.as_str(), quoted(item), quoted(test)),
        ("One", "a", vec!["x::Y".into(), "z".into()], vec!["t".into()])
    );
    let text = "#[tokio::test] async fn one() {} fn other() {} proptest! { #[test] fn two(x in 0..3) {} } \
                on_each!(three,); async fn three() {}";
    assert_eq!(Vec::from_iter(tests_of(text)), ["one", "three", "two"]);
}
