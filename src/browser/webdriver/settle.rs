//! Waits inside a page until it has settled, in pieces: a driver ends any script after its own limit, which the wait
//! may well exceed.
//!
//! A browser reports requests to its driver only in the performance log, entry by entry. What a page is still waiting
//! for is known at once by a script that runs before the page's own and sees each call of `fetch` and `XMLHttpRequest`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::backend::{PageActivity, SessionError, Stability};
use crate::browser::webdriver::capabilities::driver_limit;
use crate::browser::webdriver::client::{SessionClient, WebDriverCommand, is_navigation, parse};
use crate::browser::webdriver::vendor::Vendor;
use crate::config::Timeouts;

const SETTLE: &str = include_str!("settle.js");
const TRACKER: &str = include_str!("request_tracker.js");

/// So many pieces would fit into the driver's limit for a script: a page that is busy returns its result late.
const SLACK: u32 = 2;

/// Waits until the page has settled or `stability.at_most` is over, and tells what it was doing then.
///
/// # Errors
/// `PageTimeout` when the page did not tell at the end; those of [`SessionClient::send`].
pub(crate) async fn settle(
    client: &SessionClient,
    timeouts: &Timeouts,
    selectors: &[String],
    stability: &Stability,
) -> Result<PageActivity, SessionError> {
    let until = Instant::now() + stability.at_most;
    let longest = driver_limit(timeouts.page) / SLACK;
    let script = with_tracker(SETTLE);
    let Stability { after_load, unchanged_for, at_most: _, long_polls, words } = stability;
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let (parts, learned, after) = (&long_polls.addresses, &long_polls.learned, millis(long_polls.after));
    let polls = json!({ "parts": parts, "learned": learned, "after": after });
    let mut is_continued = false;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let piece = left.min(longest);
        let args =
            json!([selectors, millis(*after_load), millis(*unchanged_for), millis(piece), polls, words, is_continued]);
        let command = WebDriverCommand::post("settle", "execute/sync", &json!({ "script": script, "args": args }));
        // the script itself ends the wait; the driver only has to return its result in time
        let unread = match client.send(command, piece + timeouts.command).await {
            Err(SessionError::Refused(why)) if is_navigation(&why) => why,
            // a dialog interrupted it; the next command dismisses the dialog
            Ok(Value::Null) => "a dialog of the page was in the way".to_owned(),
            // the page did not even run the script
            Err(SessionError::PageTimeout(why)) if Instant::now() >= until => {
                return Err(SessionError::PageTimeout(why));
            }
            Err(SessionError::PageTimeout(why)) => why,
            answer => {
                let activity: PageActivity = parse(answer?)?;
                if activity.is_settled || left <= longest {
                    return Ok(activity);
                }
                is_continued = true;
                continue;
            }
        };
        // what it was doing is not known, so nothing may be concluded from it
        if left.is_zero() {
            return Err(SessionError::PageTimeout(unread));
        }
        tracing::debug!(why = unread, "a page could not be waited for, trying again");
    }
}

/// Has the browser run the tracker in every page before the page's own scripts.
///
/// # Errors
/// `Lost`, `DriverUnresponsive`. When the driver does not know the command it logs a warning and succeeds: the tracker
/// is then added to each page when it is first waited for.
pub(crate) async fn track_requests(
    client: &SessionClient,
    vendor: &Vendor,
    deadline: Duration,
) -> Result<(), SessionError> {
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
fn with_tracker(script: &str) -> String {
    format!("{};\n{script}", call(false))
}

fn call(is_early: bool) -> String {
    format!("({TRACKER})({is_early})")
}
