//! Ways in which an attachment of a page becomes a download: a click, its address, or what a click has shown instead.

pub(crate) mod effect;

use std::time::Duration;

use serde_json::{Value, json};

use crate::backend::{Click, Page, SessionError};
use crate::download::{DownloadError, percent_decoded};
use crate::site::page::identity::listed::ListedAttachment;

const SAVE: &str = include_str!("save.js");

/// One way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is clicked.
    Click(Click),
    /// The browser saves what is at its address, as the page shows that now.
    Address,
    /// The browser saves what is at an address that a click has shown.
    Preview(String),
    /// The same, at an address that does not name the file.
    Guess(String),
    /// The browser saves what a click has led it to.
    Shown(String),
}

impl Way {
    /// The ways that are known before anything is tried, best first. A link that is clicked tells the portal what a person's
    /// click does; a button with an address may show its file in a viewer, which is none.
    pub(crate) fn known(listed: &ListedAttachment) -> Vec<Self> {
        match (&listed.address, listed.is_link) {
            (Some(_), true) => vec![Self::Click(Click::Save)],
            // if the address is none, its buttons may be those of several files
            (Some(_), false) if listed.is_repeated => vec![Self::Address],
            (Some(_), false) => vec![Self::Address, Self::Click(Click::Script)],
            (None, _) => vec![Self::Click(Click::Script)],
        }
    }

    /// What it is called in the log, without an address.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Click(_) => "click",
            Self::Address => "address",
            Self::Preview(_) | Self::Guess(_) => "preview",
            Self::Shown(_) => "shown",
        }
    }
}

/// Whether another way may bring the file after this error.
pub(crate) fn is_for_next_way(error: &DownloadError, way: &Way) -> bool {
    match error {
        DownloadError::NotStarted { is_settled, .. } => *is_settled || !matches!(way, Way::Click(_)),
        DownloadError::Vanished => true,
        // an address that a page shows beside a button may be anything
        DownloadError::LedBack
        | DownloadError::NotAsClaimed { .. }
        | DownloadError::DeclaredOtherwise { .. }
        | DownloadError::Refused
        | DownloadError::NotFollowed { .. }
        | DownloadError::Elsewhere { .. }
        | DownloadError::Answered { status: 400 | 403..=428, .. } => {
            matches!(way, Way::Address | Way::Preview(_) | Way::Guess(_))
        }
        _ => false,
    }
}

/// Has the browser save what is at `address`: a download follows, or nothing.
///
/// # Errors
/// The session's.
pub(crate) async fn save(page: &mut dyn Page, address: &str) -> Result<(), SessionError> {
    run(page, address, "", None).await
}

/// Has the browser save what it shows, which is at `address`, and ask for it again if it does not have it `within` that
/// time.
///
/// # Errors
/// The session's.
pub(crate) async fn save_shown(page: &mut dyn Page, address: &str, within: Duration) -> Result<(), SessionError> {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    run(page, address, &percent_decoded(path.rsplit('/').next().unwrap_or_default()), Some(within)).await
}

async fn run(
    page: &mut dyn Page,
    address: &str,
    name: &str,
    shown_within: Option<Duration>,
) -> Result<(), SessionError> {
    let args = vec![Value::from(address), Value::from(name), json!(shown_within.is_some())];
    let args = [args, vec![millis(shown_within.unwrap_or_default())]].concat();
    match page.evaluate(SAVE, args).await {
        // an address of another host replaces the page: what comes of that is seen by whoever waits
        Err(SessionError::Refused(why) | SessionError::PageTimeout(why)) => {
            tracing::debug!(why, "the page was left while it saved a file");
            Ok(())
        }
        other => other.map(drop),
    }
}

/// A span of time as scripts want it.
pub(crate) fn millis(span: Duration) -> Value {
    Value::from(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
