//! Text to [`Recipe`]: the built-in ones and those of users. Errors carry line and key.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;
use toml::de::{DeTable, DeValue};

use crate::site::recipe::validate::check;
use crate::site::{NumberRules, Recipe};

/// Recipes that are built in: their names and their text.
const BUILT_IN: [(&str, &str); 3] = [
    ("coupa", include_str!("../../../profiles/sites/coupa.toml")),
    ("table", include_str!("../../../profiles/sites/table.toml")),
    ("coupa-prefixed", include_str!("../../../profiles/sites/coupa-prefixed.toml")),
];

/// The recipe cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// There is no portal to use it on.
    #[error("no portal is given: set its address with --base-url, such as https://acme.coupahost.com")]
    NoAddress,
    /// Neither a built-in one nor a file.
    #[error("there is no site recipe {name:?}: neither a built-in one ({built_in}) nor a file of that name")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names of the built-in ones.
        built_in: String,
    },
    /// The file cannot be read.
    #[error("the site recipe {path} cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is wrong.
    #[error("the site recipe {origin} cannot be used: {place}{why}")]
    Invalid {
        /// Which recipe.
        origin: String,
        /// Where in it, such as `line 3: `; empty when it concerns the whole.
        place: String,
        /// What is wrong there.
        why: String,
    },
}

/// The names of the recipes that are built in, with their text: a start for one's own.
#[must_use]
pub fn built_in_recipes() -> &'static [(&'static str, &'static str)] {
    &BUILT_IN
}

/// The recipe of that name, or in that file, with what follows from it.
pub(crate) fn load(name: &str) -> Result<Recipe, RecipeError> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
        return parse(text, name);
    }
    let path = Path::new(name);
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let mut recipe = parse(&text, &path.display().to_string())?;
            recipe.attachments.take_files_of(&recipe.address.allowed_hosts);
            Ok(recipe)
        }
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            Err(RecipeError::Unknown { name: name.to_owned(), built_in: BUILT_IN.map(|(name, _)| name).join(", ") })
        }
        Err(source) => Err(RecipeError::Unreadable { path: path.to_owned(), source }),
    }
}

/// How order numbers are written, by the recipe of that name, or in that file.
///
/// # Errors
/// [`RecipeError`] when the recipe cannot be used.
pub fn number_rules(name: &str) -> Result<NumberRules, RecipeError> {
    let invalid =
        |(key, why): (&str, String)| RecipeError::Invalid { origin: name.to_owned(), place: format!("{key}: "), why };
    load(name)?.order.numbers.rules().map_err(invalid)
}

/// Reads a recipe from its text. `origin` names it in errors.
pub(crate) fn parse(text: &str, origin: &str) -> Result<Recipe, RecipeError> {
    let invalid =
        |place: String, why: &str| RecipeError::Invalid { origin: origin.to_owned(), place, why: why.to_owned() };
    let of_text = |error: toml::de::Error| {
        let place = error.span().map(|span| place_of(text, span.start)).unwrap_or_default();
        invalid(place, error.message())
    };
    let own = DeTable::parse(text).map_err(of_text)?;
    let mut whole = own.clone();
    if let Some(base) = whole.get_mut().remove("extends") {
        let refuse = |why: &str| {
            let place = format!("line {}: ", line_at(text, base.span().start));
            let names = BUILT_IN.map(|(name, _)| name).join(", ");
            invalid(place, &format!("extends: {why} is not a built-in recipe; use one of {names}"))
        };
        let Some(name) = base.get_ref().as_str() else { return Err(refuse("this")) };
        let below = built_in(name).ok_or_else(|| refuse(&format!("{name:?}")))?;
        let above = std::mem::replace(whole.get_mut(), below);
        lay_over(whole.get_mut(), &above);
    }
    // a shipped recipe has no mistakes, so whatever is told has its place in the text that was laid over it
    let mut recipe = Recipe::deserialize(toml::de::Deserializer::from(whole)).map_err(of_text)?;
    tracing::debug!(recipe = recipe.name, origin, "site recipe read");
    let at_key = |key: &str, why: &str| {
        let line = place_of_key(own.get_ref(), key).map(|at| line_at(text, at));
        invalid(line.map_or_else(|| format!("{key}: "), |line| format!("line {line}: {key}: ")), why)
    };
    check(&recipe).map_err(|(key, why)| at_key(key, why))?;
    recipe.order.numbers.rules().map_err(|(key, why)| at_key(key, &why))?;
    recipe.attachments.take_script_links();
    Ok(recipe)
}

/// The line of `key`, such as `attachments.links[0].css`, in the file of a recipe; none in a built-in one, and where
/// the file leaves it to what it extends.
pub(crate) fn line_of(name: &str, key: &str) -> Option<usize> {
    if BUILT_IN.iter().any(|(built_in, _)| *built_in == name) {
        return None;
    }
    let text = std::fs::read_to_string(name).ok()?;
    let own = DeTable::parse(&text).ok()?;
    place_of_key(own.get_ref(), key).map(|at| line_at(&text, at))
}

/// The text of a built-in recipe, as a table, on top of the one that it extends.
fn built_in(name: &str) -> Option<DeTable<'static>> {
    let (_, text) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name)?;
    let mut own = DeTable::parse(text).ok()?.into_inner();
    let Some(base) = own.remove("extends") else { return Some(own) };
    let mut below = built_in(base.get_ref().as_str()?)?;
    lay_over(&mut below, &own);
    Some(below)
}

/// What `own` says, on top of `base`: table by table, key by key; a list or a value replaces the other one as a whole.
fn lay_over<'t>(base: &mut DeTable<'t>, own: &DeTable<'t>) {
    for (key, value) in own {
        if let (Some(below), DeValue::Table(above)) = (base.get_mut(key), value.get_ref())
            && let DeValue::Table(below) = below.get_mut()
        {
            lay_over(below, above);
            continue;
        }
        base.insert(key.clone(), value.clone());
    }
}

/// Where `key` is: its deepest part that exists.
fn place_of_key(table: &DeTable<'_>, key: &str) -> Option<usize> {
    let mut parts = key.split(['.', '[', ']']).filter(|part| !part.is_empty());
    let (key, mut value) = table.get_key_value(parts.next()?)?;
    let mut place = if value.get_ref().is_table() { value.span().start } else { key.span().start };
    for part in parts {
        let next = match value.get_ref() {
            DeValue::Table(table) => table.get_key_value(part).map(|(key, value)| (key.span().start, value)),
            DeValue::Array(list) => {
                part.parse().ok().and_then(|at: usize| list.get(at)).map(|value| (value.span().start, value))
            }
            _ => None,
        };
        let Some((at, below)) = next else { break };
        (place, value) = (at, below);
    }
    Some(place)
}

/// The line of a position in the text.
fn line_at(text: &str, position: usize) -> usize {
    text.get(..position).unwrap_or(text).matches('\n').count() + 1
}

/// `line 3: key: ` for a position in the text.
fn place_of(text: &str, position: usize) -> String {
    let number = line_at(text, position);
    let line = text.lines().nth(number - 1).unwrap_or_default();
    match line.split_once('=') {
        Some((key, _)) => format!("line {number}: {}: ", key.trim()),
        None => format!("line {number}: "),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coupa() -> &'static str {
        built_in_recipes()[0].1
    }

    fn table() -> &'static str {
        built_in_recipes()[1].1
    }

    #[test]
    fn every_built_in_recipe_can_be_used() {
        for (name, _) in built_in_recipes() {
            load(name).unwrap();
        }
    }

    #[test]
    fn a_recipe_of_ones_own_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, coupa().replace("name = \"coupa\"", "name = \"mine\"")).unwrap();
        assert_eq!(load(path.to_str().unwrap()).unwrap().name, "mine");
        assert!(load("coupe").unwrap_err().to_string().contains("coupa"));
    }

    #[test]
    fn a_recipe_that_extends_another_says_only_what_differs() {
        let own = "extends = \"coupa\"\nname = \"ours\"\n[order]\nsupplier = [\".vendor\"]\n[address]\nallowed_hosts = [\"f.acme.test\"]";
        let (own, base) = (parse(own, "ours.toml").unwrap(), load("coupa").unwrap());
        assert_eq!(
            (own.name.as_str(), own.order.supplier[0].css.as_str(), own.order.supplier.len()),
            ("ours", ".vendor", 1)
        );
        assert_eq!(own.address.allowed_hosts, ["f.acme.test"]);
        assert_eq!((own.address.order, own.order.markers), (base.address.order, base.order.markers));
        assert_eq!(own.attachments.links.len(), base.attachments.links.len());
    }

    #[test]
    fn a_recipe_may_extend_one_that_extends_another() {
        let own = parse("extends = \"coupa-prefixed\"\nname = \"ours\"", "ours.toml").unwrap();
        assert_eq!((own.address.order.as_str(), own.attachments.none.len()), ("/order_headers/{number}", 4));
        assert_eq!(own.attachments.links.len(), load("coupa").unwrap().attachments.links.len());
    }

    #[test]
    fn a_mistake_in_an_extending_recipe_is_named_with_its_line() {
        for (text, wanted) in [
            ("# mine\nextends = \"cupa\"", &["line 2", "cupa", "coupa"][..]),
            ("extends = \"coupa\"\n[order]\nsuplier = []", &["line 3", "suplier"]),
            ("extends = \"coupa\"\n[address]\norder = \"/x\"", &["line 3", "address.order", "{digits}"]),
            ("extends = \"coupa\"\n[address]\nallowed_hosts = [\"10.0.0.5\"]", &["line 3", "private network"]),
            ("extends = \"coupa\"\n[address]\nallowed_hosts = [\"100.64.0.5\"]", &["line 3", "private network"]),
            ("extends = \"coupa\"\n[login\n", &["line 2"]),
            (
                "extends = \"coupa\"\n[address]\nallowed_hosts = [\"https://cdn.acme.com\"]",
                &["line 3", "cdn.acme.com\""],
            ),
            ("extends = 3", &["line 1", "extends", "coupa"]),
            ("extends = \"coupa\"\n\n[atachments]\nnone = []", &["line 3", "atachments"]),
            ("extends = \"coupa\"\n[order]\n# mine\nsupplier = \".vendor\"", &["line 4: supplier: ", "string"]),
            ("extends = \"coupa\"\n[login]\nform = \"form[\"", &["line 3: form: ", "bracket"]),
            (
                "extends = \"coupa\"\n[[attachments.links]]\ncss = \"a\"\nname = [\"title\"]\n[[attachments.links]]\ncss = \"b\"\nname = [\"titel\"]",
                &["line 7: name: ", "titel"],
            ),
            ("extends = \"coupa\"\n[[attachments.links]]\ncss = \"a\"", &["line 2", "name"]),
            ("extends = \"coupa\"\nlogin = 3", &["line 2: login: "]),
            ("extends = \"coupa\"\naddress.order = \"/x\"", &["line 2: address.order: "]),
            ("extends = \"coupa\"\naddress = { login_paths = [\"/\"] }", &["line 2: address.login_paths: "]),
            ("extends = \"coupa\"\n[settle]\nafter_load = \"20s\"", &["line 2: settle.at_most: ", "less"]),
            ("extends = \"coupa\"\n[order]\nmarkers = [\n\".a\",\n\".b[\"]", &["line 3: markers: ", ".b[", "bracket"]),
        ] {
            let told = parse(text, "ours.toml").unwrap_err().to_string();
            for part in wanted {
                assert!(told.contains(part), "{part:?} is missing in {told:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_a_recipe(text in "(\\PC|\n)*", own in "[a-z]{0,8} = [\"\\[a-z]{0,9}") {
            let _ = parse(&text, "x");
            let _ = parse(&format!("extends = \"coupa\"\n{own}"), "x");
        }
    }

    #[test]
    fn a_mistake_is_named_with_line_and_key() {
        for (from, to, wanted) in [
            ("supplier = [", "suplier = [", &["line", "suplier"][..]),
            ("at_most = \"15s\"", "at_most = \"soon\"", &["line", "at_most", "soon", "1200ms"]),
            ("at_most = \"15s\"", "at_most = \"1s\"", &["line", "at_most", "less"]),
            (
                "form = \"form[action*='/sessions']\"",
                "form = \"form[action*='/sessions'\"",
                &["line 17", "form", "bracket"],
            ),
            ("/order_headers/{digits}\"", "/order_headers/\"", &["line 8", "address.order", "{digits}"]),
            ("name = [\"title\", \"aria-label\", \"text\"]", "name = [\"titel\"]", &["line", "titel"]),
            ("login_paths = [", "login_paths = [\"/\", ", &["line", "login_paths"]),
            ("prefixes = []", "prefixes = [\"../\"]", &["line", "order.numbers.prefixes", "../"]),
            ("suffixes = []", "suffixes = [\"2\"]", &["line", "order.numbers.suffixes", "-#"]),
        ] {
            assert!(coupa().contains(from), "{from}");
            let error = parse(&coupa().replace(from, to), "mine.toml").unwrap_err().to_string();
            for part in wanted {
                assert!(error.contains(part), "{to}: {error}");
            }
        }
    }

    #[test]
    fn a_mistake_in_a_cell_is_named_with_line_and_key() {
        let right = "name = [{ cell = { row = \"tr\", css = \"td.file\" } }, \"href\"]";
        let line = table().lines().position(|line| line == right).unwrap() + 1;
        for (wrong, why) in [
            ("name = [{ cell = { row = \"tr\" } }]", "css"),
            ("name = [{ cell = { row = \"tr\", css = \"td\", nth = 2 } }]", "nth"),
            ("name = [{ cell = { row = \"tr\", css = \"td[\" } }]", "bracket"),
            ("name = [{ sell = { row = \"tr\", css = \"td\" } }]", "sell"),
        ] {
            let told = parse(&table().replace(right, wrong), "mine.toml").unwrap_err().to_string();
            assert!(told.contains(&format!("line {line}: name: ")) && told.contains(why), "{wrong}: {told}");
        }
    }

    proptest! {
        #[test]
        fn a_key_that_nobody_knows_is_refused_wherever_it_stands(key in "zz[a-z]{1,8}", at in any::<prop::sample::Index>()) {
            let lines: Vec<_> = coupa().lines().collect();
            // in an array it is not a key at all, and refused as well
            let (before, after) = lines.split_at(at.index(lines.len() + 1));
            let changed = format!("{}\n{key} = 1\n{}", before.join("\n"), after.join("\n"));
            let refused = parse(&changed, "x").expect_err("an unknown key was taken").to_string();
            prop_assert!(refused.contains("line "), "{refused}");
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>(), at in 0..4000usize) {
            let _ = parse(&text, "x");
            let mut cut = coupa().to_owned();
            let at = (at..cut.len()).find(|&at| cut.is_char_boundary(at)).unwrap_or(cut.len());
            cut.insert_str(at, &text);
            let _ = parse(&cut, "x");
        }
    }
}
