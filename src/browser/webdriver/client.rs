//! WebDriver client of one session: one command at a time, each with a deadline.
//!
//! A command that misses its deadline, or whose future is dropped before its response, breaks the client for good:
//! fantoccini still waits for the response and would queue the next command behind it. Whether driver or page hangs is then
//! asked of the driver itself, on another connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fantoccini::Client;
use fantoccini::error::{CmdError, ErrorStatus};
use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;
use url::{ParseError, Url};

use crate::backend::SessionError;
use crate::browser::driver::Driver;
use crate::browser::webdriver::vendor::Vendor;
use crate::process::os::pidfd::HeldProcess;

/// How long the end of a browser may go unnoticed here after its driver has noticed it.
const BROWSER_EXIT_TIMEOUT: Duration = Duration::from_millis(500);

/// So many dialogs in a row may be in the way of one command. A page that opens more of them cannot be worked with.
pub(crate) const MAX_DIALOGS: usize = 100;

/// One WebDriver command. `Debug` does not show its body, which can hold a password.
#[derive(Clone)]
pub(crate) struct WebDriverCommand {
    name: &'static str,
    method: Method,
    path: String,
    body: Option<String>,
}

impl WebDriverCommand {
    /// A GET command; `path` follows `/session/{id}/`, `name` is for messages.
    pub(crate) fn get(name: &'static str, path: &str) -> Self {
        Self { name, method: Method::GET, path: path.to_owned(), body: None }
    }

    /// A POST command.
    pub(crate) fn post(name: &'static str, path: &str, body: &Value) -> Self {
        Self { name, method: Method::POST, path: path.to_owned(), body: Some(body.to_string()) }
    }

    /// A DELETE command.
    pub(crate) fn delete(name: &'static str, path: &str) -> Self {
        Self { name, method: Method::DELETE, path: path.to_owned(), body: None }
    }

    /// Delete Session: closes the browser.
    pub(crate) fn delete_session() -> Self {
        Self { name: "delete session", method: Method::DELETE, path: String::new(), body: None }
    }
}

impl fmt::Debug for WebDriverCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.name, self.method, self.path)
    }
}

impl WebDriverCompatibleCommand for WebDriverCommand {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        let session = session_id.unwrap_or_default();
        if self.path.is_empty() {
            return base_url.join(&format!("session/{session}"));
        }
        base_url.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _request_url: &Url) -> (Method, Option<String>) {
        (self.method.clone(), self.body.clone())
    }
}

/// New Session. fantoccini's own puts a capability of Chrome into every one.
struct NewSession(String);

impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("new session")
    }
}

impl WebDriverCompatibleCommand for NewSession {
    fn endpoint(&self, base_url: &Url, _session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join("session")
    }

    fn method_and_body(&self, _request_url: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.clone()))
    }
}

/// Client of one session, with the driver it talks to. Dropping it kills driver and browser.
#[derive(Debug)]
pub(crate) struct SessionClient {
    client: Client,
    driver: Arc<Driver>,
    /// The browser's main process, where the system lets it be watched.
    browser: Option<HeldProcess>,
    is_broken: Arc<AtomicBool>,
}

impl SessionClient {
    /// Starts a session with `capabilities` and attaches to it. Has no deadline of its own. Dropping the future kills the
    /// driver.
    ///
    /// # Errors
    /// [`SessionError::NotStarted`], with the last output of the driver.
    pub(crate) async fn open(driver: Arc<Driver>, vendor: &Vendor, capabilities: &Value) -> Result<Self, SessionError> {
        let not_started = |why: String| SessionError::NotStarted(why);
        let attach = |id: String| {
            let address = driver.address();
            async move { Client::with_existing_session(&address, &id, HttpConnector::new()).await }
        };
        // a client needs a session id; this one sends the single command before there is one
        let first = attach("none".to_owned()).await.map_err(|why| not_started(why.to_string()))?;
        // otherwise it would delete the session "none" when dropped
        if let Err(why) = first.persist().await {
            tracing::debug!(%why, "the client of New Session could not be made persistent");
        }
        let response = tokio::select! {
            response = first.issue_cmd(NewSession(capabilities.to_string())) => response,
            () = driver.browser_gone() => {
                return Err(not_started(
                    "its process ended right after its start; start it in a terminal to see why".to_owned(),
                ));
            }
            exit = driver.exited() => {
                return Err(not_started(format!("the driver ended ({}); its output: {}", exit.status, driver.output())));
            }
        };
        let response = response.map_err(|why| {
            not_started(format!("{}; output of the driver: {}", first_line(&why.to_string()), driver.output()))
        })?;
        let Some(id) = response.get("sessionId").and_then(Value::as_str) else {
            return Err(not_started("the response of the driver has no session id".to_owned()));
        };
        let client = attach(id.to_owned()).await.map_err(|why| not_started(why.to_string()))?;
        let pid = response.get("capabilities").and_then(|capabilities| capabilities.get(vendor.process));
        let pid = pid.and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
        let browser = pid.zip(driver.pid()).and_then(|(pid, group)| HeldProcess::open(pid, group));
        Ok(Self { client, driver, browser, is_broken: Arc::default() })
    }

    /// Sends `command` and waits for its response until `deadline` has passed; then two seconds more at most to find out
    /// whether driver or page hangs. Dropping the future before the response breaks the client.
    ///
    /// # Errors
    /// [`SessionError::Lost`], `DriverUnresponsive` and `PageUnresponsive` break the client; `Refused`, `PageTimeout` and
    /// `Unreachable` do not.
    pub(crate) async fn send(&self, command: WebDriverCommand, deadline: Duration) -> Result<Value, SessionError> {
        if self.is_broken() {
            let why = if self.has_browser_ended() { "its browser has ended" } else { "an earlier command failed" };
            return Err(SessionError::Lost(why.to_owned()));
        }
        let name = command.name;
        // after this command the browser is expected to end
        let is_last = command.method == Method::DELETE;
        let mut guard = InvalidateOnDrop { client: self, is_armed: true };
        let response = tokio::select! {
            // a response that has arrived counts more than an end
            biased;
            response = timeout(deadline, self.issue(command)) => response,
            why = self.ended(!is_last) => return Err(why),
        };
        let Ok(response) = response else { return Err(self.diagnose_timeout(name, deadline).await) };
        match response.map_err(|why| explain(&why)) {
            // a driver that has lost its browser will not find it again
            Err(SessionError::Lost(text)) => Err(SessionError::Lost(self.explain_loss(text).await)),
            other => {
                guard.is_armed = false;
                other
            }
        }
    }

    /// Issues a command, and again whenever the dialog of a page was in its way: the driver has refused to run it, and has
    /// dismissed the dialog by that (W3C WebDriver, section "User prompts"). The next one may be there by then.
    async fn issue(&self, command: WebDriverCommand) -> Result<Value, CmdError> {
        for _ in 0..MAX_DIALOGS {
            match self.client.issue_cmd(command.clone()).await {
                Err(CmdError::Standard(why)) if matches!(why.error, ErrorStatus::UnexpectedAlertOpen) => {
                    tracing::debug!(?command, "dismissed a dialog that blocked the page");
                }
                other => return other,
            }
        }
        self.client.issue_cmd(command).await
    }

    /// Waits for the end of the driver or, if asked, of the browser.
    pub(crate) async fn ended(&self, also_browser: bool) -> SessionError {
        let browser = async {
            match &self.browser {
                Some(browser) if also_browser => browser.ended().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased; // a driver that was killed takes its browser along
            exit = self.driver.exited() => SessionError::Lost(format!(
                "the driver has ended ({}); its output: {}", exit.status, self.driver.output()
            )),
            () = browser => SessionError::Lost("its browser has ended".to_owned()),
        }
    }

    /// Finds out why there was no response in time.
    async fn diagnose_timeout(&self, command: &'static str, after: Duration) -> SessionError {
        tokio::select! {
            biased;
            why = self.ended(true) => why,
            responds = self.driver.responds() => if responds {
                SessionError::PageUnresponsive { command, after }
            } else {
                SessionError::DriverUnresponsive { command, after }
            },
        }
    }

    /// Adds that the browser has ended: the driver notices that at the same moment as we do, and may report first.
    async fn explain_loss(&self, text: String) -> String {
        match &self.browser {
            Some(browser) if timeout(BROWSER_EXIT_TIMEOUT, browser.ended()).await.is_ok() => {
                format!("its browser has ended; the driver reports: {text}")
            }
            _ => text,
        }
    }

    fn has_browser_ended(&self) -> bool {
        self.browser.as_ref().is_some_and(HeldProcess::has_ended)
    }

    /// Set by whoever kills its processes: their end is noticed later.
    pub(crate) fn broken_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_broken)
    }

    /// Whether no further command can be sent. Never blocks.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire) || !self.driver.is_alive() || self.has_browser_ended()
    }

    /// Refuses all further commands.
    fn invalidate(&self) {
        self.is_broken.store(true, Ordering::Release);
    }

    /// Kills driver and browser without waiting.
    pub(crate) fn kill(&self) {
        self.invalidate();
        self.driver.kill();
    }

    /// The driver of the session.
    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }
}

impl Drop for SessionClient {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Breaks the client unless a command got its response.
struct InvalidateOnDrop<'a> {
    client: &'a SessionClient,
    is_armed: bool,
}

impl Drop for InvalidateOnDrop<'_> {
    fn drop(&mut self) {
        if self.is_armed {
            self.client.invalidate();
        }
    }
}

/// What drivers say about a session that has ended.
const LOST: [&str; 9] = [
    "disconnected",
    "not reachable",
    "tab crashed",
    "instance exited",
    "session deleted",
    "invalid session id",
    "target window already closed",
    "web view not found",
    "target frame detached and gone",
];

fn is_lost(message: &str) -> bool {
    LOST.iter().any(|phrase| message.contains(phrase))
}

/// Whether a script failed only because its page was replaced.
pub(crate) fn is_navigation(why: &str) -> bool {
    ["document unloaded", "aborted by navigation", "execution context", "Cannot find context", "frame was detached"]
        .iter()
        .any(|phrase| why.contains(phrase))
}

/// What a script has returned, as `T`.
///
/// # Errors
/// `Refused` when it is something else.
pub(crate) fn parse<T: for<'de> Deserialize<'de>>(response: Value) -> Result<T, SessionError> {
    serde_json::from_value(response)
        .map_err(|why| SessionError::Refused(format!("the response of the page cannot be read: {why}")))
}

fn explain(error: &CmdError) -> SessionError {
    let text = first_line(&error.to_string());
    let CmdError::Standard(standard) = error else {
        return match error {
            CmdError::Failed(_) | CmdError::FailedC(_) | CmdError::Lost(_) => {
                SessionError::Lost(format!("the driver does not respond: {text}"))
            }
            // drivers have errors that the standard does not know, such as "disconnected"
            _ if is_lost(&error.to_string()) => SessionError::Lost(text),
            _ => SessionError::Refused(format!("the response of the driver cannot be read: {text}")),
        };
    };
    if let Some(why) = net_error(&standard.message) {
        // the caller knows the address
        return SessionError::Unreachable { url: String::new(), why };
    }
    match standard.error {
        ErrorStatus::InvalidSessionId | ErrorStatus::NoSuchWindow | ErrorStatus::SessionNotCreated => {
            SessionError::Lost(text)
        }
        ErrorStatus::Timeout | ErrorStatus::ScriptTimeout => SessionError::PageTimeout(text),
        _ if is_lost(&standard.message) => SessionError::Lost(text),
        _ => SessionError::Refused(text),
    }
}

/// The name in "unknown error: net::ERR_CONNECTION_REFUSED".
fn net_error(message: &str) -> Option<String> {
    let (_, after) = message.split_once("net::ERR_")?;
    let name: String =
        after.chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect();
    Some(format!("ERR_{name}"))
}

/// Drops what drivers append for their developers: session details and a stack.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fantoccini::error::WebDriver;

    fn explained(status: ErrorStatus, message: &str) -> SessionError {
        explain(&CmdError::Standard(WebDriver::new(status, message.to_owned())))
    }

    #[test]
    fn a_body_is_never_shown() {
        let command = WebDriverCommand::post("type", "element/1/value", &serde_json::json!({"text": "hunter2"}));
        assert!(!format!("{command:?}").contains("hunter2"));
    }

    #[test]
    fn errors_of_drivers_are_classified() {
        use ErrorStatus as S;
        let refused = explained(S::UnknownError, "unknown error: net::ERR_CONNECTION_REFUSED\n  (Session info: x)");
        assert!(matches!(refused, SessionError::Unreachable { why, .. } if why == "ERR_CONNECTION_REFUSED"));
        assert!(matches!(explained(S::Timeout, "timeout: Timed out receiving"), SessionError::PageTimeout(_)));
        assert!(matches!(explained(S::ScriptTimeout, "script timeout"), SessionError::PageTimeout(_)));
        assert!(matches!(explained(S::InvalidSessionId, "invalid session id"), SessionError::Lost(_)));
        assert!(matches!(explained(S::UnknownError, "disconnected: not connected to DevTools"), SessionError::Lost(_)));
        assert!(matches!(explained(S::UnknownError, "tab crashed\n (Session info)"), SessionError::Lost(_)));
        assert!(matches!(
            explained(S::JavascriptError, "javascript error: x is not defined"),
            SessionError::Refused(_)
        ));
        assert!(matches!(explained(S::InvalidSelector, "not a valid selector"), SessionError::Refused(_)));
        let SessionError::Refused(text) = explained(S::JavascriptError, "javascript error: boom\n  (Session info: x)")
        else {
            panic!("not refused");
        };
        assert!(text.ends_with("boom"), "{text}");
    }
}
