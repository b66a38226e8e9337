//! Text to [`Recipe`]: the shipped ones and those of users. Errors carry line and key.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Recipe;

/// Recipes that are built in: their names and their text.
const SHIPPED: [(&str, &str); 2] = [
    ("coupa", include_str!("../../profiles/sites/coupa.toml")),
    ("table", include_str!("../../profiles/sites/table.toml")),
];

/// The recipe cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// There is no portal to use it on.
    #[error("no portal is named: give its address with --base-url, such as https://acme.coupahost.com")]
    NoAddress,
    /// Neither a shipped one nor a file.
    #[error("there is no site recipe {name:?}: neither a shipped one ({shipped}) nor a file of that name")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names of the shipped ones.
        shipped: String,
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
pub fn shipped_recipes() -> &'static [(&'static str, &'static str)] {
    &SHIPPED
}

/// The recipe of that name, or in that file.
pub(super) fn load(name: &str) -> Result<Recipe, RecipeError> {
    if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return parse(text, name);
    }
    let path = Path::new(name);
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, &path.display().to_string()),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            Err(RecipeError::Unknown { name: name.to_owned(), shipped: SHIPPED.map(|(name, _)| name).join(", ") })
        }
        Err(source) => Err(RecipeError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Reads a recipe from its text. `origin` names it in errors.
pub(super) fn parse(text: &str, origin: &str) -> Result<Recipe, RecipeError> {
    let invalid =
        |place: String, why: &str| RecipeError::Invalid { origin: origin.to_owned(), place, why: why.to_owned() };
    let of_text = |error: toml::de::Error| {
        let place = error.span().map(|span| place_of(text, span.start)).unwrap_or_default();
        invalid(place, error.message())
    };
    let mut own: toml::Table = toml::from_str(text).map_err(of_text)?;
    let recipe: Recipe = match own.remove("extends") {
        None => toml::from_str(text).map_err(of_text)?,
        Some(base) => {
            let base = base.as_str().unwrap_or_default();
            let mut whole = shipped(base).ok_or_else(|| {
                let names = SHIPPED.map(|(name, _)| name).join(", ");
                let place = line_of_word(text, "extends").map_or_else(String::new, |line| format!("line {line}: "));
                invalid(place, &format!("extends: {base:?} is no shipped recipe: there is {names}"))
            })?;
            lay_over(&mut whole, &own);
            // a recipe without `extends` has a place for each word; here the word itself is looked for
            toml::Value::Table(whole).try_into().map_err(|error: toml::de::Error| {
                let word = error.message().split('`').nth(1).and_then(|word| line_of_word(text, word));
                let place = word.map_or_else(String::new, |line| format!("line {line}: "));
                invalid(place, error.to_string().trim())
            })?
        }
    };
    check(&recipe).map_err(|(key, why)| {
        let place = line_of_key(text, key).map_or_else(|| format!("{key}: "), |line| format!("line {line}: {key}: "));
        invalid(place, why)
    })?;
    Ok(recipe)
}

/// The text of a shipped recipe, as a table.
fn shipped(name: &str) -> Option<toml::Table> {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
    toml::from_str(text).ok()
}

/// What `own` says, on top of `base`: table by table, key by key; a list or a value replaces the other one as a whole.
fn lay_over(base: &mut toml::Table, own: &toml::Table) {
    for (key, value) in own {
        match (base.get_mut(key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The first line on which this word is a key.
fn line_of_word(text: &str, word: &str) -> Option<usize> {
    let is_key = |line: &str| line.trim().split(['=', ' ', '.']).next() == Some(word);
    text.lines().position(is_key).map(|index| index + 1)
}

/// `line 3: key: ` for a position in the text.
fn place_of(text: &str, position: usize) -> String {
    let before = text.get(..position).unwrap_or(text);
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    match line.split_once('=') {
        Some((key, _)) => format!("line {number}: {}: ", key.trim()),
        None => format!("line {number}: "),
    }
}

/// The line of `table.key`.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let (table, key) = key.split_once('.')?;
    let mut is_inside = false;
    text.lines().enumerate().find_map(|(index, line)| {
        let line = line.trim();
        if line.starts_with('[') && line.ends_with(']') && !line.contains('=') {
            is_inside = line.trim_matches(['[', ']']) == table;
        }
        let is_key = line.split_once('=').is_some_and(|(left, _)| left.trim() == key);
        (is_inside && is_key).then_some(index + 1)
    })
}

/// Whether this is an address of this machine or of a private network, or a name for one. Names are not resolved: what a
/// name leads to is the network's affair.
fn is_of_this_net(host: &str) -> bool {
    let host = host.trim().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified()
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost") || host.ends_with(".local"),
    }
}

/// What the types alone cannot say. The error names the key.
fn check(recipe: &Recipe) -> Result<(), (&'static str, &'static str)> {
    let Recipe { name: _, address, login, order, requisition, attachments, errors, settle } = recipe;
    if !address.order.starts_with('/') || !address.order.contains("{digits}") {
        return Err(("address.order", "it must begin with / and contain {digits}"));
    }
    if !address.login.starts_with('/') {
        return Err(("address.login", "it must begin with /"));
    }
    if address.login_paths.is_empty() || !address.login_paths.iter().all(|path| path.len() > 1 && path.starts_with('/'))
    {
        return Err(("address.login_paths", "each must begin with / and go on, or every page were a login page"));
    }
    if address.allowed_hosts.iter().any(|host| is_of_this_net(host)) {
        return Err((
            "address.allowed_hosts",
            "no attachment comes from this machine or a private network, unless the portal itself is there",
        ));
    }
    if login.file_markers.is_empty() || login.file_markers.iter().any(|marker| marker.trim().is_empty()) {
        return Err(("login.file_markers", "without a marker a login page could pass as a file"));
    }
    if order.markers.is_empty() {
        return Err(("order.markers", "without a marker no page can be told from an order"));
    }
    if requisition.markers.is_empty() {
        return Err(("requisition.markers", "without a marker no page can be told from a requisition"));
    }
    if attachments.links.is_empty() && attachments.buttons.is_empty() {
        return Err(("attachments.links", "there are neither links nor buttons, so no order could have an attachment"));
    }
    let has_empty = |texts: &[String]| texts.iter().any(|text| text.trim().is_empty());
    if has_empty(&errors.not_found) {
        return Err(("errors.not_found", "an empty text is in every page"));
    }
    if has_empty(&errors.not_allowed) {
        return Err(("errors.not_allowed", "an empty text is in every page"));
    }
    if settle.at_most.0 < settle.after_load.0 + settle.unchanged_for.0 {
        return Err(("settle.at_most", "it is less than after_load and unchanged_for together"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coupa() -> &'static str {
        shipped_recipes()[0].1
    }

    fn table() -> &'static str {
        shipped_recipes()[1].1
    }

    #[test]
    fn every_shipped_recipe_can_be_used() {
        for (name, _) in shipped_recipes() {
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
            (own.name.as_str(), own.order.supplier[0].as_str(), own.order.supplier.len()),
            ("ours", ".vendor", 1)
        );
        assert_eq!(own.address.allowed_hosts, ["f.acme.test"]);
        assert_eq!((own.address.order, own.order.markers), (base.address.order, base.order.markers));
        assert_eq!(own.attachments.links.len(), base.attachments.links.len());
    }

    #[test]
    fn a_mistake_in_an_extending_recipe_is_named_with_its_line() {
        for (text, wanted) in [
            ("# mine\nextends = \"cupa\"", &["line 2", "cupa", "coupa"][..]),
            ("extends = \"coupa\"\n[order]\nsuplier = []", &["line 3", "suplier"]),
            ("extends = \"coupa\"\n[address]\norder = \"/x\"", &["line 3", "address.order", "{digits}"]),
            ("extends = \"coupa\"\n[address]\nallowed_hosts = [\"10.0.0.5\"]", &["line 3", "private network"]),
            ("extends = \"coupa\"\n[login\n", &["line 2"]),
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
            ("name = [\"title\", \"aria-label\"]", "name = [\"titel\"]", &["line", "titel"]),
            ("login_paths = [", "login_paths = [\"/\", ", &["line", "login_paths"]),
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
            // in an array it is no key at all, and refused as well
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
