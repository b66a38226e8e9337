//! The line to one driver session: one command at a time, each under a deadline, each failure in our own words.
//!
//! A command that missed its deadline or whose future was dropped midway cuts the line for ever: fantoccini still
//! waits for its answer, and would let the next command wait behind it. Who stands still is then asked of the driver
//! itself, on another connection.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fantoccini::Client;
use fantoccini::error::{CmdError, ErrorStatus};
use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::Value;
use tokio::time::timeout;
use url::{ParseError, Url};

use crate::backend::SessionError;
use crate::browser::driver::Driver;
use crate::browser::driver::seat::DriverLease;
use crate::browser::webdriver::vendor::Vendor;
use crate::process::health;
use crate::process::os::pidfd::HeldProcess;

/// How long the end of a browser may stay unnoticed after its driver has noticed it.
const SEEN_WITHIN: Duration = Duration::from_millis(500);

/// One driver command. Its body is not shown by `Debug`: it can hold a password.
pub(crate) struct WebDriverCommand {
    verb: &'static str,
    method: Method,
    tail: String,
    body: Option<String>,
}

impl WebDriverCommand {
    /// Asks for something; `tail` is the address after `/session/{id}/`.
    pub(crate) fn get(verb: &'static str, tail: &str) -> Self {
        Self { verb, method: Method::GET, tail: tail.to_owned(), body: None }
    }

    /// Has something done.
    pub(crate) fn post(verb: &'static str, tail: &str, body: &Value) -> Self {
        Self { verb, method: Method::POST, tail: tail.to_owned(), body: Some(body.to_string()) }
    }

    /// Ends the session.
    pub(crate) fn delete_session() -> Self {
        Self { verb: "delete session", method: Method::DELETE, tail: String::new(), body: None }
    }
}

impl fmt::Debug for WebDriverCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.verb, self.method, self.tail)
    }
}

impl WebDriverCompatibleCommand for WebDriverCommand {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        let session = session_id.unwrap_or_default();
        if self.tail.is_empty() {
            return base_url.join(&format!("session/{session}"));
        }
        base_url.join(&format!("session/{session}/{}", self.tail))
    }

    fn method_and_body(&self, _request_url: &Url) -> (Method, Option<String>) {
        (self.method.clone(), self.body.clone())
    }
}

/// The command that starts a session: our own, because fantoccini's puts a key of Chrome's into every one.
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

/// The line to one session.
#[derive(Debug)]
pub(crate) struct SessionClient {
    client: Client,
    seat: DriverLease,
    browser: Option<HeldProcess>,
    browser_pid: Option<u32>,
    is_cut: AtomicBool,
}

impl SessionClient {
    /// Starts a session with `capabilities` and attaches to it. Unbounded: the caller has a deadline for all of
    /// opening. Dropping the future ends the driver.
    pub(crate) async fn open(seat: DriverLease, dialect: &Vendor, capabilities: &Value) -> Result<Self, SessionError> {
        let not_started = |why: String| SessionError::NotStarted(why);
        let driver = seat.driver.clone();
        let attach = |id: String| {
            let address = driver.address();
            async move { Client::with_existing_session(&address, &id, HttpConnector::new()).await }
        };
        // a client needs the id of a session; before there is one it is used for this single command
        let first = attach("none".to_owned()).await.map_err(|why| not_started(why.to_string()))?;
        // or it would end the session "none" when dropped
        let _ = first.persist().await;
        let command = NewSession(capabilities.to_string());
        let (ward, is_alone) = (seat.ward.clone(), seat.ward.is_none());
        if let Some(ward) = &ward {
            ward.comes();
        }
        // on a task of its own: given up midway, the driver goes on with it, and its answer is what ends the waiting
        let asked = tokio::spawn(async move {
            let answer = first.issue_cmd(command).await;
            if let Some(ward) = ward {
                ward.has_come();
            }
            answer
        });
        let begun = tokio::select! {
            begun = asked => begun.map_err(|why| not_started(format!("the program is ending: {why}")))?,
            () = driver.without_browser(), if is_alone => {
                return Err(not_started(
                    "its process ended right after its start; start it by hand on a terminal to see why".to_owned(),
                ));
            }
            end = driver.ended() => {
                return Err(not_started(format!("the driver ended ({}); it said: {}", end.status, driver.words())));
            }
        };
        let answer = begun.map_err(|why| {
            not_started(format!("{}; the driver said: {}", first_line(&why.to_string()), driver.words()))
        })?;
        let Some(id) = answer.get("sessionId").and_then(Value::as_str) else {
            return Err(not_started("the driver's answer names no session".to_owned()));
        };
        let client = attach(id.to_owned()).await.map_err(|why| not_started(why.to_string()))?;
        let told = answer.get("capabilities").and_then(|capabilities| capabilities.get(dialect.process));
        let pid = told.and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
        let browser = pid.zip(driver.pid()).and_then(|(pid, group)| HeldProcess::hold(pid, group));
        Ok(Self { client, seat, browser, browser_pid: pid, is_cut: AtomicBool::new(false) })
    }

    /// Sends `command` and waits for its answer until `deadline` has passed; then for two seconds more at most, to
    /// learn who stands still.
    pub(crate) async fn send(&self, command: WebDriverCommand, deadline: Duration) -> Result<Value, SessionError> {
        if self.is_cut() {
            let why = if self.has_browser_ended() { "its browser has ended" } else { "it was given up before" };
            return Err(SessionError::Lost(why.to_owned()));
        }
        let verb = command.verb;
        // the one command after which the browser is to end
        let is_last = command.method == Method::DELETE;
        let mut cut = InvalidateOnDrop { line: self, is_armed: true };
        let answer = tokio::select! {
            // an answer that is there counts more than an end
            biased;
            answer = timeout(deadline, self.client.issue_cmd(command)) => answer,
            why = self.ended(!is_last) => return Err(why),
        };
        let Ok(answer) = answer else { return Err(self.who_stands_still(verb, deadline).await) };
        match answer.map_err(|why| explain(&why)) {
            // a driver that has lost its browser will not find it again
            Err(SessionError::Lost(text)) => Err(SessionError::Lost(self.how_it_was_lost(text).await)),
            other => {
                cut.is_armed = false;
                other
            }
        }
    }

    /// Waits for the end of the driver, or of the browser as well.
    pub(crate) async fn ended(&self, also_browser: bool) -> SessionError {
        let browser = async {
            match &self.browser {
                Some(browser) if also_browser => browser.ended().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased; // a driver that was killed takes its browser along
            end = self.driver().ended() => SessionError::Lost(format!(
                "the driver has ended ({}); it said: {}", end.status, self.driver().words()
            )),
            () = browser => SessionError::Lost("its browser has ended".to_owned()),
        }
    }

    async fn who_stands_still(&self, command: &'static str, after: Duration) -> SessionError {
        tokio::select! {
            biased;
            why = self.ended(true) => why,
            answered = health::answer_time(self.driver().port()) => match answered {
                Some(_) => SessionError::PageUnresponsive { command, after },
                None => {
                    if self.seat.ward.is_some() {
                        self.driver().give_up(); // its other sessions are lost as well, and know it at once
                    }
                    SessionError::DriverUnresponsive { command, after }
                }
            },
        }
    }

    /// The driver learns of its browser's end in the same moment as we do, and may be the first to tell.
    async fn how_it_was_lost(&self, text: String) -> String {
        match &self.browser {
            Some(browser) if timeout(SEEN_WITHIN, browser.ended()).await.is_ok() => {
                format!("its browser has ended; the driver said: {text}")
            }
            _ => text,
        }
    }

    fn has_browser_ended(&self) -> bool {
        self.browser.as_ref().is_some_and(HeldProcess::has_ended)
    }

    /// Whether nothing can be sent any more. Never blocks.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire) || !self.driver().is_alive() || self.has_browser_ended()
    }

    /// Sends nothing any more.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
    }

    /// Ends the browser, and the driver when nobody else needs it; does not wait.
    pub(crate) fn kill(&self) {
        self.cut();
        self.seat.leave();
    }

    /// What ends the browser from elsewhere.
    pub(crate) fn killer(&self) -> impl Fn() + Send + Sync + 'static {
        self.seat.killer()
    }

    /// The process at the root of the session's tree: the driver, or the browser where the driver has others.
    pub(crate) fn root_pid(&self) -> Option<u32> {
        if self.seat.ward.is_some() { self.browser_pid } else { self.driver().pid() }
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.seat.driver
    }
}

/// Cuts the line when a command ends in any other way than by its answer.
struct InvalidateOnDrop<'a> {
    line: &'a SessionClient,
    is_armed: bool,
}

impl Drop for InvalidateOnDrop<'_> {
    fn drop(&mut self) {
        if self.is_armed {
            self.line.cut();
        }
    }
}

/// The browser's words for a session that is over.
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
    LOST.iter().any(|word| message.contains(word))
}

fn explain(error: &CmdError) -> SessionError {
    let text = first_line(&error.to_string());
    let CmdError::Standard(told) = error else {
        return match error {
            CmdError::Failed(_) | CmdError::FailedC(_) | CmdError::Lost(_) => {
                SessionError::Lost(format!("the driver does not answer: {text}"))
            }
            // drivers have errors of their own beside the standard's, such as "disconnected"
            _ if is_lost(&error.to_string()) => SessionError::Lost(text),
            _ => SessionError::Refused(format!("the driver's answer cannot be understood: {text}")),
        };
    };
    if let Some(why) = net_error(&told.message) {
        // the address is filled in by the verb that knows it
        return SessionError::Unreachable { url: String::new(), why };
    }
    match told.error {
        ErrorStatus::InvalidSessionId | ErrorStatus::NoSuchWindow | ErrorStatus::SessionNotCreated => {
            SessionError::Lost(text)
        }
        ErrorStatus::Timeout | ErrorStatus::ScriptTimeout => SessionError::PageTimeout(text),
        _ if is_lost(&told.message) => SessionError::Lost(text),
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

/// What a driver appends for its developers (session details, stack) is not for people.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fantoccini::error::WebDriver;

    fn told(status: ErrorStatus, message: &str) -> SessionError {
        explain(&CmdError::Standard(WebDriver::new(status, message.to_owned())))
    }

    #[test]
    fn a_body_is_never_shown() {
        let command = WebDriverCommand::post("type", "element/1/value", &serde_json::json!({"text": "hunter2"}));
        assert!(!format!("{command:?}").contains("hunter2"));
    }

    #[test]
    fn the_drivers_errors_are_told_apart() {
        use ErrorStatus as S;
        let refused = told(S::UnknownError, "unknown error: net::ERR_CONNECTION_REFUSED\n  (Session info: x)");
        assert!(matches!(refused, SessionError::Unreachable { why, .. } if why == "ERR_CONNECTION_REFUSED"));
        assert!(matches!(told(S::Timeout, "timeout: Timed out receiving"), SessionError::PageTimeout(_)));
        assert!(matches!(told(S::ScriptTimeout, "script timeout"), SessionError::PageTimeout(_)));
        assert!(matches!(told(S::InvalidSessionId, "invalid session id"), SessionError::Lost(_)));
        assert!(matches!(told(S::UnknownError, "disconnected: not connected to DevTools"), SessionError::Lost(_)));
        assert!(matches!(told(S::UnknownError, "tab crashed\n (Session info)"), SessionError::Lost(_)));
        assert!(matches!(told(S::JavascriptError, "javascript error: x is not defined"), SessionError::Refused(_)));
        assert!(matches!(told(S::InvalidSelector, "not a valid selector"), SessionError::Refused(_)));
        let SessionError::Refused(text) = told(S::JavascriptError, "javascript error: boom\n  (Session info: x)")
        else {
            panic!("not refused");
        };
        assert!(text.ends_with("boom"), "{text}");
    }
}
