//! What a page says about its own list of attachments: whether it is complete, what counts it, what is still to come.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::backend::{Page, SessionError};
use crate::site::page::selectors::{any_of, listing_selectors, never_selector, other_selector};
use crate::site::{Recipe, Selector};

pub(crate) const SIGNS: &str =
    concat!(include_str!("common.js"), include_str!("../marks/shared.js"), include_str!("signs.js"));

/// What a page says for itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageSigns {
    /// The document has loaded.
    pub(crate) is_complete: bool,
    /// It says that there are no attachments.
    pub(crate) says_none: bool,
    /// For each area of the recipe.
    pub(crate) areas: Vec<AttachmentArea>,
    /// Something in an area that could be an attachment.
    pub(crate) holds: Option<String>,
    /// The same in another place where attachments may be.
    #[serde(default)]
    pub(crate) places_hold: Option<String>,
    /// Counts of attachments of which not all are listed.
    #[serde(default)]
    pub(crate) unmet: Vec<UnmetCount>,
    /// What looks like a file in an attachment area and is not listed, although others are.
    #[serde(default)]
    pub(crate) stray: Option<StrayControl>,
    /// A mark that something is on its way.
    pub(crate) busy: Option<String>,
    /// How many milliseconds ago a script has fetched something that it had not fetched before.
    pub(crate) fetched_before: Option<u64>,
}

/// An area of the recipe on the page.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct AttachmentArea {
    pub(crate) count: usize,
    pub(crate) shown: usize,
}

/// Controls that look like files, the first one in words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct StrayControl {
    pub(crate) text: String,
    pub(crate) count: usize,
}

/// A count of attachments, and how many of them are listed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct UnmetCount {
    pub(crate) text: String,
    pub(crate) number: usize,
    pub(crate) listed: usize,
}

/// What a page is waited for before it is asked for its signs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignPatience {
    /// As long as it is marked as busy, or the next two say so; but not longer than this.
    pub(crate) at_most: Duration,
    /// Until its document has loaded.
    pub(crate) until_complete: bool,
    /// Until its scripts have fetched nothing new for this long.
    pub(crate) fetched_before: Duration,
}

impl PageSigns {
    /// Asks the page, when it has nothing more to wait for.
    pub(crate) async fn ask(
        page: &mut dyn Page,
        recipe: &Recipe,
        patience: SignPatience,
    ) -> Result<Self, SessionError> {
        match page.evaluate(SIGNS, vec![Self::wanted(recipe, patience)]).await? {
            // a dialog of the page broke in; it is asked again
            Value::Null => Ok(Self { busy: Some("a dialog".to_owned()), ..Self::default() }),
            answer => serde_json::from_value(answer)
                .map_err(|why| SessionError::Refused(format!("the page's answer cannot be understood: {why}"))),
        }
    }

    /// What the script is told.
    pub(crate) fn wanted(recipe: &Recipe, patience: SignPatience) -> Value {
        let attachments = &recipe.attachments;
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let list = |selectors: &[Selector]| selectors.iter().map(|css| css.as_str().to_owned()).collect::<Vec<_>>();
        let any = |selectors: &[Selector]| (!selectors.is_empty()).then(|| any_of(selectors));
        let (listed, wider) = listing_selectors(recipe);
        json!({
            "areas": list(&attachments.areas),
            "places": list(&attachments.places),
            "listed": listed,
            "wider": wider,
            "web": attachments.web.iter().map(|listing| other_selector(recipe, listing)).collect::<Vec<_>>(),
            "notes": attachments.notes.iter().map(|listing| other_selector(recipe, listing)).collect::<Vec<_>>(),
            "none": any(&attachments.none),
            "never": never_selector(recipe),
            "busy": any(&attachments.busy),
            "aside": any(&recipe.order.aside),
            "comments": any(&recipe.order.comments),
            "allowedHosts": recipe.address.allowed_hosts,
            "words": attachments.words,
            "neverTexts": attachments.never.texts.iter().map(|text| plain_words(text)).collect::<Vec<_>>(),
            "patience": millis(patience.at_most),
            "untilComplete": patience.until_complete,
            "unfetchedFor": millis(patience.fetched_before),
        })
    }
}

/// A text as scripts compare it: in small letters, without numbers and punctuation.
pub(crate) fn plain_words(text: &str) -> String {
    let letters: String = text.to_lowercase().chars().map(|c| if c.is_alphabetic() { c } else { ' ' }).collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}
