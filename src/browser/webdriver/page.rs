//! The verbs of the [`Page`] seam, each one or a few driver commands.

use std::path::Path;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::backend::{
    BoxFuture, Click, Cookie, DocumentInfo, DownloadEvent, ElementInfo, Page, Query, ResponseInfo, SessionError,
    Stability,
};
use crate::browser::webdriver::client::{SessionClient, WebDriverCommand};
use crate::browser::webdriver::download_log::Downloads;
use crate::browser::webdriver::network_log::NetworkLog;
use crate::browser::webdriver::network_policy::NetworkPolicy;
use crate::browser::webdriver::page_times::PageTimes;
use crate::browser::webdriver::vendor::Vendor;
use crate::config::Timeouts;

const QUERY: &str = include_str!("query.js");
const SETTLE: &str = include_str!("settle.js");
const CLICK: &str = include_str!("click.js");
const EVIDENCE: &str = include_str!("evidence.js");

/// The key under which W3C WebDriver puts an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What the address of the page begins with that browsers show when they get none.
const ERROR_PAGE: &str = "chrome-error:";

/// How often a question is asked anew when a navigation has taken the page away under it.
const MAX_MOVES: usize = 3;

/// The page of one session.
#[derive(Debug)]
pub(crate) struct WebDriverPage {
    pub(crate) line: SessionClient,
    dialect: &'static Vendor,
    deadlines: Timeouts,
    downloads: Downloads,
    answers: NetworkLog,
    pub(crate) times: PageTimes,
    walls: NetworkPolicy,
}

impl WebDriverPage {
    pub(crate) fn new(
        line: SessionClient,
        dialect: &'static Vendor,
        deadlines: Timeouts,
        walls: NetworkPolicy,
    ) -> Self {
        Self {
            line,
            dialect,
            deadlines,
            downloads: Downloads::default(),
            answers: NetworkLog::default(),
            times: PageTimes::default(),
            walls,
        }
    }

    /// A script that answers at once.
    pub(crate) async fn script(&self, verb: &'static str, script: &str, args: Value) -> Result<Value, SessionError> {
        self.execute(verb, script, &args, self.deadlines.command).await
    }

    async fn execute(
        &self,
        verb: &'static str,
        script: &str,
        args: &Value,
        deadline: Duration,
    ) -> Result<Value, SessionError> {
        let body = json!({ "script": script, "args": args });
        self.line.send(WebDriverCommand::post(verb, "execute/sync", &body), deadline).await
    }

    /// A question that changes nothing, asked of the next page when the first one was left under it.
    async fn ask(&self, verb: &'static str, script: &str, args: Value) -> Result<Value, SessionError> {
        let mut moves = 0;
        loop {
            match self.script(verb, script, args.clone()).await {
                Err(SessionError::Refused(why)) if has_moved(&why) && moves < MAX_MOVES => moves += 1,
                // a dialog of the page broke in; the next command dismisses it
                Ok(Value::Null) if moves < MAX_MOVES => moves += 1,
                other => return other,
            }
        }
    }

    async fn devtools(&self, verb: &'static str, method: &str, params: Value) -> Result<Value, SessionError> {
        let body = json!({ "cmd": method, "params": params });
        self.line.send(WebDriverCommand::post(verb, self.dialect.devtools, &body), self.deadlines.command).await
    }

    /// The address that the page was to show: also of a page that the browser shows instead of one.
    async fn address(&self) -> Result<String, SessionError> {
        understand(self.line.send(WebDriverCommand::get("url", "url"), self.deadlines.command).await?)
    }

    /// What stands in the way of a page that was led to a host behind the walls.
    async fn check_walls(&self) -> Result<(), SessionError> {
        self.walls.refused(&self.address().await?).map_or(Ok(()), |host| Err(SessionError::BlockedHost { host }))
    }

    /// What the log holds since the last question for it: each entry is told once, whoever asks.
    async fn log(&mut self) -> Result<Value, SessionError> {
        let body = json!({ "type": "performance" });
        let log = self.line.send(WebDriverCommand::post("log", "se/log", &body), self.deadlines.command).await?;
        self.answers.gather(&log);
        Ok(log)
    }
}

/// Whether a script failed only because its page was left.
fn has_moved(why: &str) -> bool {
    ["document unloaded", "aborted by navigation", "execution context", "Cannot find context", "frame was detached"]
        .iter()
        .any(|word| why.contains(word))
}

fn understand<T: for<'de> Deserialize<'de>>(answer: Value) -> Result<T, SessionError> {
    serde_json::from_value(answer)
        .map_err(|why| SessionError::Refused(format!("the page's answer cannot be understood: {why}")))
}

impl Page for WebDriverPage {
    fn goto<'a>(&'a mut self, url: &'a str) -> BoxFuture<'a, Result<(), SessionError>> {
        Box::pin(async move {
            let command = WebDriverCommand::post("goto", "url", &json!({ "url": url }));
            let left = Instant::now();
            match self.line.send(command, self.deadlines.page).await {
                Ok(_) => {
                    self.times.keep(left.elapsed());
                    Ok(())
                }
                // the address was reached, and answered with a download or with nothing to show
                Err(SessionError::Unreachable { why, .. }) if why == "ERR_ABORTED" => Ok(()),
                Err(SessionError::Unreachable { why, .. }) => {
                    self.check_walls().await?;
                    Err(SessionError::Unreachable { url: url.to_owned(), why })
                }
                Err(other) => Err(other),
            }
        })
    }

    fn url(&mut self) -> BoxFuture<'_, Result<String, SessionError>> {
        Box::pin(self.address())
    }

    fn query<'a>(&'a mut self, queries: &'a [Query]) -> BoxFuture<'a, Result<Vec<Vec<ElementInfo>>, SessionError>> {
        Box::pin(async move {
            let queries: Vec<_> =
                queries.iter().map(|query| json!({ "css": query.css, "attributes": query.attributes })).collect();
            understand(self.ask("query", QUERY, json!([queries])).await?)
        })
    }

    fn settle<'a>(
        &'a mut self,
        selectors: &'a [String],
        quiet: Stability,
    ) -> BoxFuture<'a, Result<bool, SessionError>> {
        Box::pin(async move {
            let until = Instant::now() + quiet.at_most;
            loop {
                let left = until.saturating_duration_since(Instant::now());
                let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                let args = json!([selectors, millis(quiet.after_load), millis(quiet.unchanged_for), millis(left)]);
                // the page ends the wait; the driver must only bring its answer in time
                match self.execute("settle", SETTLE, &args, left + self.deadlines.command).await {
                    Err(SessionError::Refused(why)) if has_moved(&why) && !left.is_zero() => {}
                    // a dialog of the page broke in; the next command dismisses it
                    Ok(Value::Null) if !left.is_zero() => {}
                    Ok(Value::Null) | Err(SessionError::PageTimeout(_)) => return Ok(false),
                    other => return understand(other?),
                }
            }
        })
    }

    fn click<'a>(&'a mut self, css: &'a str, nth: usize, how: Click) -> BoxFuture<'a, Result<bool, SessionError>> {
        Box::pin(async move {
            let is_save = match how {
                Click::Script => false,
                Click::Save => true,
            };
            match self.script("click", CLICK, json!([css, nth, is_save])).await {
                // never repeated: the click is what moved the page
                Err(SessionError::Refused(why)) if has_moved(&why) => Ok(true),
                Ok(Value::Null) => Ok(true), // it opened a dialog
                other => understand(other?),
            }
        })
    }

    fn fill<'a>(&'a mut self, css: &'a str, text: &'a SecretString) -> BoxFuture<'a, Result<(), SessionError>> {
        Box::pin(async move {
            let command = self.deadlines.command;
            let by = json!({ "using": "css selector", "value": css });
            let found = self.line.send(WebDriverCommand::post("find", "element", &by), command).await?;
            let id = found
                .get(ELEMENT)
                .and_then(Value::as_str)
                .filter(|id| !id.contains('/'))
                .ok_or_else(|| SessionError::Refused("the driver's answer names no element".to_owned()))?;
            self.line
                .send(WebDriverCommand::post("clear", &format!("element/{id}/clear"), &json!({})), command)
                .await?;
            let typed = json!({ "text": text.expose_secret() });
            self.line.send(WebDriverCommand::post("type", &format!("element/{id}/value"), &typed), command).await?;
            Ok(())
        })
    }

    fn evaluate<'a>(&'a mut self, script: &'a str, args: Vec<Value>) -> BoxFuture<'a, Result<Value, SessionError>> {
        Box::pin(async move { self.execute("evaluate", script, &Value::Array(args), self.deadlines.page).await })
    }

    fn document(&mut self) -> BoxFuture<'_, Result<DocumentInfo, SessionError>> {
        Box::pin(async move {
            let seen: DocumentInfo = understand(self.ask("evidence", EVIDENCE, json!([])).await?)?;
            if seen.url.starts_with(ERROR_PAGE) {
                self.check_walls().await?;
            }
            Ok(seen)
        })
    }

    fn screenshot(&mut self) -> BoxFuture<'_, Result<Vec<u8>, SessionError>> {
        Box::pin(async move {
            let answer =
                self.line.send(WebDriverCommand::get("screenshot", "screenshot"), self.deadlines.command).await?;
            let text: String = understand(answer)?;
            BASE64_STANDARD
                .decode(text)
                .map_err(|why| SessionError::Refused(format!("the screenshot cannot be understood: {why}")))
        })
    }

    fn cookies(&mut self) -> BoxFuture<'_, Result<Vec<Cookie>, SessionError>> {
        Box::pin(async move {
            let answer = self.line.send(WebDriverCommand::get("cookies", "cookie"), self.deadlines.command).await?;
            let cookies: Vec<CookieJson> = understand(answer)?;
            Ok(cookies.into_iter().map(Cookie::from).collect())
        })
    }

    fn add_cookies<'a>(&'a mut self, cookies: &'a [Cookie]) -> BoxFuture<'a, Result<(), SessionError>> {
        Box::pin(async move {
            for cookie in cookies {
                let body = json!({ "cookie": written(cookie) });
                self.line.send(WebDriverCommand::post("add cookie", "cookie", &body), self.deadlines.command).await?;
            }
            Ok(())
        })
    }

    fn set_download_dir<'a>(&'a mut self, folder: &'a Path) -> BoxFuture<'a, Result<(), SessionError>> {
        Box::pin(async move {
            let folder = std::path::absolute(folder).map_err(|source| SessionError::Io {
                what: format!("{} has no absolute path", folder.display()),
                source,
            })?;
            // under their ids, because files of one name overwrite each other under their own
            let params = json!({ "behavior": "allowAndName", "downloadPath": folder.display().to_string(), "eventsEnabled": true });
            self.devtools("land in", "Browser.setDownloadBehavior", params).await?;
            let log = self.log().await?;
            self.downloads.forget(&log);
            Ok(())
        })
    }

    fn download_events(&mut self) -> BoxFuture<'_, Result<Vec<DownloadEvent>, SessionError>> {
        Box::pin(async move {
            let log = self.log().await?;
            self.downloads.note(&log, &self.walls);
            Ok(self.downloads.take())
        })
    }

    fn responses(&mut self) -> BoxFuture<'_, Result<Vec<ResponseInfo>, SessionError>> {
        Box::pin(async move {
            let log = self.log().await?;
            self.downloads.note(&log, &self.walls);
            Ok(self.answers.take())
        })
    }

    fn cancel_download<'a>(&'a mut self, id: &'a str) -> BoxFuture<'a, Result<(), SessionError>> {
        Box::pin(async move {
            match self.devtools("cancel download", "Browser.cancelDownload", json!({ "guid": id })).await {
                // one that has ended is unknown to the browser
                Ok(_) | Err(SessionError::Refused(_)) => Ok(()),
                Err(other) => Err(other),
            }
        })
    }
}

/// A cookie as it comes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CookieJson {
    name: String,
    value: SecretJson,
    domain: Option<String>,
    path: Option<String>,
    #[serde(default)]
    secure: bool,
    #[serde(default)]
    http_only: bool,
    expiry: Option<f64>,
    same_site: Option<String>,
}

/// Text that becomes a secret the moment it is read.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretJson(SecretString);

impl From<String> for SecretJson {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl From<CookieJson> for Cookie {
    fn from(wire: CookieJson) -> Self {
        let CookieJson { name, value, domain, path, secure, http_only, expiry, same_site } = wire;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a time after 1970")]
        let expiry = expiry.filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64);
        Self { name, value: value.0, domain, path, secure, http_only, expiry, same_site }
    }
}

fn written(cookie: &Cookie) -> Value {
    let Cookie { name, value, domain, path, secure, http_only, expiry, same_site } = cookie;
    let mut written = json!({ "name": name, "value": value.expose_secret(), "secure": secure, "httpOnly": http_only });
    // drivers refuse null where they expect text
    for (key, value) in [("domain", domain), ("path", path), ("sameSite", same_site)] {
        if let Some(value) = value {
            written[key] = json!(value);
        }
    }
    if let Some(expiry) = expiry {
        written["expiry"] = json!(expiry);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_survives_the_way_out_and_back() {
        let wire = json!({ "name": "_coupa_session", "value": "s3cret", "domain": "h", "path": "/", "secure": true,
                           "httpOnly": true, "sameSite": "Lax", "expiry": 1_900_000_000 });
        let cookie = Cookie::from(understand::<CookieJson>(wire.clone()).unwrap());
        assert!(!format!("{cookie:?}").contains("s3cret"));
        assert_eq!(written(&cookie), wire);
    }

    #[test]
    fn absent_parts_of_a_cookie_are_not_written() {
        let cookie = Cookie::from(understand::<CookieJson>(json!({ "name": "a", "value": "b" })).unwrap());
        assert_eq!(written(&cookie), json!({ "name": "a", "value": "b", "secure": false, "httpOnly": false }));
    }
}
