//! Counts the requests that a page has under way, from within the page.
//!
//! A browser reports requests to its driver only in the performance log, entry by entry. What a page is still waiting
//! for is known at once by a script that runs before the page's own and sees each call of `fetch` and `XMLHttpRequest`.

use std::time::Duration;

use serde_json::json;

use crate::backend::SessionError;
use crate::browser::webdriver::client::{SessionClient, WebDriverCommand};
use crate::browser::webdriver::vendor::Vendor;

const TRACKER: &str = include_str!("request_tracker.js");

/// Has the browser run the tracker in every page before the page's own scripts.
///
/// # Errors
/// `Lost`, `DriverUnresponsive`. When the driver does not know the command it logs a warning and succeeds: the tracker
/// is then added to each page when it is first waited for.
pub(crate) async fn enable(client: &SessionClient, vendor: &Vendor, deadline: Duration) -> Result<(), SessionError> {
    let source = json!({ "source": call(true) });
    let body = json!({ "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": source });
    match client.send(WebDriverCommand::post("track requests", vendor.devtools, &body), deadline).await {
        Ok(_) => Ok(()),
        Err(SessionError::Refused(why)) => {
            tracing::warn!(%why, "the browser does not run a script before a page's own; requests that a page sends while it loads are not seen");
            Ok(())
        }
        Err(other) => Err(other),
    }
}

/// `script` with the tracker before it, for a page that does not have it yet.
pub(crate) fn before(script: &str) -> String {
    format!("{};\n{script}", call(false))
}

fn call(is_early: bool) -> String {
    format!("({TRACKER})({is_early})")
}
