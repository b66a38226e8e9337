//! Whether the browser takes the selectors of a recipe. Only it can tell, and it says neither which one it refused nor
//! where that stands; so each is tried alone, before the portal is asked for anything.

use serde_json::{Value, json};

use super::parse::{RecipeError, line_of};
use crate::backend::{AttemptError, Page};
use crate::model::FailureKind;
use crate::site::{ColumnSelector, NameSource, Recipe, Selector};

const SELECTORS: &str = include_str!("selectors.js");

/// Makes sure that the browser accepts every selector of the recipe. Returns false when that could not be told this time,
/// since a dialog was in the way.
///
/// # Errors
/// The first selector that it refuses, with its key and the line of the recipe.
pub(crate) async fn check_all(page: &mut dyn Page, recipe: &Recipe, recipe_name: &str) -> Result<bool, AttemptError> {
    let all = all(recipe);
    let css: Vec<_> = all.iter().map(|(_, selector)| selector.as_str()).collect();
    let answer = page.evaluate(SELECTORS, vec![json!(css)]).await?;
    let Some(taken) = answer.as_array() else { return Ok(false) };
    if let Some(((key, selector), _)) = all.iter().zip(taken).find(|(_, taken)| **taken == Value::Bool(false)) {
        let line = line_of(recipe_name, key).map_or_else(String::new, |line| format!("line {line}: "));
        let why = format!(
            "the browser rejects {:?} as a CSS selector; test another one with document.querySelectorAll(…) in a \
             browser's console",
            selector.as_str()
        );
        let error = RecipeError::Invalid { origin: recipe_name.to_owned(), place: format!("{line}{key}: "), why };
        return Err(AttemptError::new(FailureKind::PageChanged, error.to_string()));
    }
    Ok(true)
}

/// Every selector of a recipe, with its key.
fn all(recipe: &Recipe) -> Vec<(String, &Selector)> {
    let Recipe { name: _, address: _, login, order, requisition, attachments, errors, settle: _ } = recipe;
    let single = [
        ("login.form", &login.form),
        ("login.username", &login.username),
        ("login.password", &login.password),
        ("login.submit", &login.submit),
        ("login.refusal", &login.refusal),
    ];
    let lists = [
        ("order.markers", &order.markers),
        ("order.requisition", &order.requisition),
        ("order.aside", &order.aside),
        ("order.comments", &order.comments),
        ("order.mentions", &order.mentions),
        ("requisition.markers", &requisition.markers),
        ("attachments.script_links", &attachments.script_links),
        ("attachments.areas", &attachments.areas),
        ("attachments.places", &attachments.places),
        ("attachments.none", &attachments.none),
        ("attachments.busy", &attachments.busy),
        ("attachments.never.css", &attachments.never.css),
        ("attachments.never.except", &attachments.never.except),
        ("errors.css", &errors.css),
    ];
    let mut all: Vec<_> = single.map(|(key, css)| (key.to_owned(), css)).into();
    for (key, list) in lists {
        all.extend(list.iter().enumerate().map(|(at, css)| (format!("{key}[{at}]"), css)));
    }
    let suppliers = order.supplier.iter().enumerate();
    all.extend(suppliers.map(|(at, source)| (format!("order.supplier[{at}]"), &source.css)));
    for (key, sources) in [("order.number", &order.number), ("requisition.orders", &requisition.orders)] {
        let sources = sources.iter().enumerate();
        all.extend(sources.map(|(at, source)| (format!("{key}[{at}].css"), &source.css)));
    }
    for (key, controls) in [("open", &attachments.open), ("more", &attachments.more)] {
        let controls = controls.iter().enumerate();
        all.extend(controls.map(|(at, control)| (format!("attachments.{key}[{at}].css"), &control.css)));
    }
    let listings = [
        ("links", &attachments.links),
        ("wider_links", &attachments.wider_links),
        ("buttons", &attachments.buttons),
        ("web", &attachments.web),
        ("notes", &attachments.notes),
    ];
    for (key, listings) in listings {
        for (at, listing) in listings.iter().enumerate() {
            let key = format!("attachments.{key}[{at}]");
            all.extend(listing.any_label.iter().map(|css| (format!("{key}.any_label"), css)));
            all.push((format!("{key}.css"), &listing.css));
            for (nth, name) in listing.name.iter().enumerate() {
                if let NameSource::Cell(ColumnSelector { row, css }) = name {
                    all.push((format!("{key}.name[{nth}].cell.row"), row));
                    all.push((format!("{key}.name[{nth}].cell.css"), css));
                }
            }
        }
    }
    all
}
