//! Whether the browser takes the selectors of a recipe. Only it can tell, and it says neither which one it refused nor
//! where that stands; so each is tried alone, before the portal is asked for anything.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::parse::{RecipeError, line_of};
use crate::backend::{AttemptError, Page};
use crate::model::FailureKind;
use crate::site::context::PortalContext;
use crate::site::{ColumnSelector, NameSource, Recipe, Selector};

const SELECTORS: &str = include_str!("selectors.js");

/// Whether a browser has taken all selectors of the recipe.
#[derive(Debug, Default)]
pub(crate) struct SelectorCheck(AtomicBool);

/// Makes sure that the browser takes every selector of the recipe; once for all sessions, since they are of one kind.
///
/// # Errors
/// The first one that it refuses, with its key and the line of the recipe.
pub(crate) async fn try_all(page: &mut dyn Page, ground: &PortalContext) -> Result<(), AttemptError> {
    if ground.selectors.0.load(Ordering::Acquire) {
        return Ok(());
    }
    let all = all(&ground.recipe);
    let css: Vec<_> = all.iter().map(|(_, selector)| selector.as_str()).collect();
    let answer = page.evaluate(SELECTORS, vec![json!(css)]).await?;
    let Some(taken) = answer.as_array() else { return Ok(()) }; // a dialog broke in: the next session tries again
    if let Some(((key, selector), _)) = all.iter().zip(taken).find(|(_, taken)| **taken == Value::Bool(false)) {
        let line = line_of(&ground.recipe_name, key).map_or_else(String::new, |line| format!("line {line}: "));
        let why = format!(
            "the browser refuses {:?} as a CSS selector; document.querySelectorAll(…) in a browser's console tells whether \
             another one is right",
            selector.as_str()
        );
        let error = RecipeError::Invalid { origin: ground.recipe_name.clone(), place: format!("{line}{key}: "), why };
        return Err(AttemptError::new(FailureKind::PageChanged, error.to_string()));
    }
    ground.selectors.0.store(true, Ordering::Release);
    Ok(())
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
        ("order.requisition", &order.requisition),
    ];
    let lists = [
        ("order.markers", &order.markers),
        ("order.supplier", &order.supplier),
        ("requisition.markers", &requisition.markers),
        ("attachments.areas", &attachments.areas),
        ("attachments.none", &attachments.none),
        ("attachments.busy", &attachments.busy),
        ("attachments.never.css", &attachments.never.css),
        ("errors.css", &errors.css),
    ];
    let mut all: Vec<_> = single.map(|(key, css)| (key.to_owned(), css)).into();
    for (key, list) in lists {
        all.extend(list.iter().enumerate().map(|(at, css)| (format!("{key}[{at}]"), css)));
    }
    let listings =
        [("links", &attachments.links), ("wider_links", &attachments.wider_links), ("buttons", &attachments.buttons)];
    for (key, listings) in listings {
        for (at, listing) in listings.iter().enumerate() {
            let key = format!("attachments.{key}[{at}]");
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
