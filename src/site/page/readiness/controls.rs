//! What a page must be clicked at before it shows its whole list: tabs, folded sections, "show more".

use serde::Deserialize;
use serde_json::{Value, json};

use crate::backend::{Page, SessionError};
use crate::site::page::readiness::signs::plain_words;
use crate::site::page::selectors::{any_of, listing_selectors};
use crate::site::{Control, Recipe, Selector};

pub(crate) const CONTROLS: &str = concat!(include_str!("common.js"), include_str!("controls.js"));

/// How many dialogs in a row may break in while the page is only looked at.
const MAX_DIALOGS: usize = 100;

/// What a control is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ControlKind {
    /// Opens a part of the page, once.
    Open,
    /// Brings more of the list, as long as there is more.
    More,
}

/// A control on the page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct FoundControl {
    pub(crate) kind: ControlKind,
    pub(crate) text: String,
}

impl FoundControl {
    /// Why a page that still shows it may have more attachments.
    pub(crate) fn doubt(&self) -> String {
        format!("it has {:?}, which did not show whether there are more", self.text)
    }
}

/// Clicks the next control of the recipe; none when all were clicked.
///
/// # Errors
/// The session's.
pub(crate) async fn click_next(page: &mut dyn Page, recipe: &Recipe) -> Result<Option<FoundControl>, SessionError> {
    run(page, recipe, false).await
}

/// The control that would be clicked next.
///
/// # Errors
/// The session's.
pub(crate) async fn next(page: &mut dyn Page, recipe: &Recipe) -> Result<Option<FoundControl>, SessionError> {
    run(page, recipe, true).await
}

async fn run(page: &mut dyn Page, recipe: &Recipe, is_look: bool) -> Result<Option<FoundControl>, SessionError> {
    let Some(wanted) = wanted(recipe, is_look) else { return Ok(None) };
    let mut dialogs = 0;
    let answer = loop {
        match page.evaluate(CONTROLS, vec![wanted.clone()]).await {
            // a dialog of the page broke in; nothing was clicked, so it is asked again
            Ok(Value::Null) if is_look && dialogs < MAX_DIALOGS => dialogs += 1,
            answer => break answer,
        }
    };
    match answer {
        // the click has led to another page: the next read shows which
        Err(SessionError::Refused(why)) if !is_look => {
            tracing::debug!(why, "a control led away from its page");
            Ok(None)
        }
        answer => match answer? {
            Value::Bool(false) => Ok(None),
            // whether it was clicked is seen by whoever looks next
            Value::Null if !is_look => Ok(None),
            Value::Null => Err(SessionError::Refused("the page opens one dialog after another".to_owned())),
            found => serde_json::from_value(found)
                .map(Some)
                .map_err(|why| SessionError::Refused(format!("the page's response cannot be read: {why}"))),
        },
    }
}

/// What the script is told; none where the recipe has no controls.
pub(crate) fn wanted(recipe: &Recipe, is_look: bool) -> Option<Value> {
    let attachments = &recipe.attachments;
    if attachments.open.is_empty() && attachments.more.is_empty() {
        return None;
    }
    let list = |selectors: &[Selector]| selectors.iter().map(|css| css.as_str().to_owned()).collect::<Vec<_>>();
    let aside = &recipe.order.aside;
    Some(json!({
        "open": controls(&attachments.open),
        "more": controls(&attachments.more),
        "areas": list(&attachments.areas),
        "places": list(&attachments.places),
        "listed": listing_selectors(recipe).0,
        "aside": (!aside.is_empty()).then(|| any_of(aside)),
        "isLook": is_look,
    }))
}

fn controls(controls: &[Control]) -> Vec<Value> {
    let texts = |control: &Control| control.texts.iter().map(|text| plain_words(text)).collect::<Vec<_>>();
    controls.iter().map(|control| json!({ "css": control.css.as_str(), "texts": texts(control) })).collect()
}
