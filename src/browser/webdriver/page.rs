//! The open page of a session: each method of [`Page`] as one or a few WebDriver commands.

use std::path::Path;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::backend::{
    BoxFuture, Click, Cookie, DocumentInfo, DownloadEvent, ElementInfo, Page, PageActivity, Query, ResponseInfo,
    SessionError, Stability,
};
use crate::browser::webdriver::client::{MAX_DIALOGS, SessionClient, WebDriverCommand, is_navigation, parse};
use crate::browser::webdriver::cookies::{CookieJson, to_json};
use crate::browser::webdriver::download_log::DownloadLog;
use crate::browser::webdriver::net_error;
use crate::browser::webdriver::network_log::{self, NetworkLog};
use crate::browser::webdriver::page_times::PageTimes;
use crate::browser::webdriver::settle;
use crate::browser::webdriver::vendor::Vendor;
use crate::config::Timeouts;
use crate::net::network_policy::NetworkPolicy;

const QUERY: &str = include_str!("query.js");
const CLICK: &str = include_str!("click.js");
const EVIDENCE: &str = include_str!("evidence.js");

/// The key under which W3C WebDriver puts an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How often a script is run again when a navigation has replaced the page meanwhile.
const MAX_RERUNS: usize = 3;

/// The page of one session.
#[derive(Debug)]
pub(crate) struct WebDriverPage {
    pub(crate) client: SessionClient,
    vendor: &'static Vendor,
    pub(crate) timeouts: Timeouts,
    downloads: DownloadLog,
    network: NetworkLog,
    pub(crate) times: PageTimes,
    network_policy: NetworkPolicy,
    /// Whether responses are logged from the start, which downloads need.
    is_network_logged: bool,
}

impl WebDriverPage {
    pub(crate) fn new(
        client: SessionClient,
        vendor: &'static Vendor,
        timeouts: Timeouts,
        network_policy: NetworkPolicy,
        is_network_logged: bool,
    ) -> Self {
        Self {
            client,
            vendor,
            timeouts,
            is_network_logged,
            downloads: DownloadLog::default(),
            network: NetworkLog::default(),
            times: PageTimes::default(),
            network_policy,
        }
    }

    /// Runs a script that returns at once.
    pub(crate) async fn script(&self, name: &'static str, script: &str, args: Value) -> Result<Value, SessionError> {
        self.execute(name, script, &args, self.timeouts.command).await
    }

    async fn execute(
        &self,
        name: &'static str,
        script: &str,
        args: &Value,
        deadline: Duration,
    ) -> Result<Value, SessionError> {
        let body = json!({ "script": script, "args": args });
        self.client.send(WebDriverCommand::post(name, "execute/sync", &body), deadline).await
    }

    /// Runs a script that changes nothing, again on the next page when a navigation replaced the first one meanwhile.
    async fn read(&self, name: &'static str, script: &str, args: Value) -> Result<Value, SessionError> {
        let (mut reruns, mut dialogs) = (0, 0);
        loop {
            match self.script(name, script, args.clone()).await {
                Err(SessionError::Refused(why)) if is_navigation(&why) && reruns < MAX_RERUNS => reruns += 1,
                // a dialog interrupted it; the next command dismisses the dialog
                Ok(Value::Null) if dialogs < MAX_DIALOGS => dialogs += 1,
                other => return other,
            }
        }
    }

    pub(crate) async fn devtools(&self, name: &'static str, method: &str, args: Value) -> Result<Value, SessionError> {
        let body = json!({ "cmd": method, "params": args });
        self.client.send(WebDriverCommand::post(name, self.vendor.devtools, &body), self.timeouts.command).await
    }

    /// The address of the page; that of the page asked for while the browser shows an error page.
    async fn address(&self) -> Result<String, SessionError> {
        parse(self.client.send(WebDriverCommand::get("url", "url"), self.timeouts.command).await?)
    }

    /// Fails when the page was led to a host that the network policy blocks.
    async fn check_network_policy(&self) -> Result<(), SessionError> {
        self.network_policy
            .blocked(&self.address().await?)
            .map_or(Ok(()), |host| Err(SessionError::BlockedHost { host }))
    }

    /// Entries of the driver log since the last call. The driver returns each entry once, so both logs are fed here.
    async fn log(&mut self) -> Result<Value, SessionError> {
        let body = json!({ "type": "performance" });
        let log = self.client.send(WebDriverCommand::post("log", "se/log", &body), self.timeouts.command).await?;
        self.network.record(&log);
        Ok(log)
    }
}

impl WebDriverPage {
    /// Leaves the page (any dialog of it is dismissed by that), closes windows that scripts have opened, forgets cookies and
    /// storage unless they are to be kept, and what was logged so far.
    pub(crate) async fn clean(&mut self, keeps_cookies: bool) -> Result<(), SessionError> {
        let limit = self.timeouts.command;
        // first: with a dialog open, the driver does not even say which windows there are
        self.goto("about:blank").await?;
        let own = self.client.send(WebDriverCommand::get("window", "window"), limit).await?;
        let windows = self.client.send(WebDriverCommand::get("windows", "window/handles"), limit).await?;
        for window in windows.as_array().into_iter().flatten().filter(|window| **window != own) {
            self.client
                .send(WebDriverCommand::post("to window", "window", &json!({ "handle": window })), limit)
                .await?;
            self.client.send(WebDriverCommand::delete("close window", "window"), limit).await?;
        }
        self.client.send(WebDriverCommand::post("to window", "window", &json!({ "handle": own })), limit).await?;
        if !keeps_cookies {
            self.devtools("forget cookies", "Network.clearBrowserCookies", json!({})).await?;
            let everything = json!({ "origin": "*", "storageTypes": "all" });
            self.devtools("forget storage", "Storage.clearDataForOrigin", everything).await?;
        }
        self.download_events().await?;
        self.responses().await.map(drop)
    }
}

impl Page for WebDriverPage {
    fn goto<'a>(&'a mut self, url: &'a str) -> BoxFuture<'a, Result<(), SessionError>> {
        Box::pin(async move {
            let command = WebDriverCommand::post("goto", "url", &json!({ "url": url }));
            let mut reruns = 0;
            let (started, loaded) = loop {
                let started = Instant::now();
                match self.client.send(command.clone(), self.timeouts.page).await {
                    // the page that is left opened a dialog, or went elsewhere by itself at the same moment
                    Err(SessionError::Refused(why)) if is_navigation(&why) && reruns < MAX_RERUNS => reruns += 1,
                    loaded => break (started, loaded),
                }
            };
            match loaded {
                Ok(_) => {
                    self.times.record(started.elapsed());
                    Ok(())
                }
                // the server responded with a download or with nothing to show
                Err(SessionError::Unreachable { why, .. }) if why == "ERR_ABORTED" => Ok(()),
                Err(SessionError::Unreachable { why, .. }) => {
                    self.check_network_policy().await?;
                    Err(SessionError::Unreachable { url: url.to_owned(), why: net_error::describe(&why, url) })
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
            parse(self.read("query", QUERY, json!([queries])).await?)
        })
    }

    fn settle<'a>(
        &'a mut self,
        selectors: &'a [String],
        stability: &'a Stability,
    ) -> BoxFuture<'a, Result<PageActivity, SessionError>> {
        Box::pin(settle::settle(&self.client, &self.timeouts, selectors, stability))
    }

    fn click<'a>(&'a mut self, css: &'a str, nth: usize, how: Click) -> BoxFuture<'a, Result<bool, SessionError>> {
        Box::pin(async move {
            let is_save = match how {
                Click::Script => false,
                Click::Save => true,
            };
            match self.script("click", CLICK, json!([css, nth, is_save])).await {
                // never repeated: the click is what moved the page
                Err(SessionError::Refused(why)) if is_navigation(&why) => Ok(true),
                Ok(Value::Null) => Ok(true), // it opened a dialog
                other => parse(other?),
            }
        })
    }

    fn fill<'a>(&'a mut self, css: &'a str, text: &'a SecretString) -> BoxFuture<'a, Result<(), SessionError>> {
        Box::pin(async move {
            let command = self.timeouts.command;
            let by = json!({ "using": "css selector", "value": css });
            let found = self.client.send(WebDriverCommand::post("find", "element", &by), command).await?;
            let id = found
                .get(ELEMENT)
                .and_then(Value::as_str)
                .filter(|id| !id.contains('/'))
                .ok_or_else(|| SessionError::Refused("the response of the driver has no element id".to_owned()))?;
            let clear = WebDriverCommand::post("clear", &format!("element/{id}/clear"), &json!({}));
            self.client.send(clear, command).await?;
            let text = json!({ "text": text.expose_secret() });
            self.client.send(WebDriverCommand::post("type", &format!("element/{id}/value"), &text), command).await?;
            Ok(())
        })
    }

    fn evaluate<'a>(&'a mut self, script: &'a str, args: Vec<Value>) -> BoxFuture<'a, Result<Value, SessionError>> {
        Box::pin(async move { self.execute("evaluate", script, &Value::Array(args), self.timeouts.page).await })
    }

    fn document(&mut self) -> BoxFuture<'_, Result<DocumentInfo, SessionError>> {
        Box::pin(async move {
            let mut document: DocumentInfo = parse(self.read("evidence", EVIDENCE, json!([])).await?)?;
            if net_error::is_error_page(&document.url) {
                self.check_network_policy().await?;
                document.url = self.address().await?;
                document.network_error = Some(net_error::describe_page(&document.text, &document.url));
            }
            Ok(document)
        })
    }

    fn screenshot(&mut self) -> BoxFuture<'_, Result<Vec<u8>, SessionError>> {
        Box::pin(async move {
            let response =
                self.client.send(WebDriverCommand::get("screenshot", "screenshot"), self.timeouts.command).await?;
            let text: String = parse(response)?;
            BASE64_STANDARD
                .decode(text)
                .map_err(|why| SessionError::Refused(format!("the screenshot cannot be decoded: {why}")))
        })
    }

    fn cookies(&mut self) -> BoxFuture<'_, Result<Vec<Cookie>, SessionError>> {
        Box::pin(async move {
            let response = self.client.send(WebDriverCommand::get("cookies", "cookie"), self.timeouts.command).await?;
            let cookies: Vec<CookieJson> = parse(response)?;
            Ok(cookies.into_iter().map(Cookie::from).collect())
        })
    }

    fn add_cookies<'a>(&'a mut self, cookies: &'a [Cookie]) -> BoxFuture<'a, Result<(), SessionError>> {
        Box::pin(async move {
            for cookie in cookies {
                let body = json!({ "cookie": to_json(cookie) });
                self.client.send(WebDriverCommand::post("add cookie", "cookie", &body), self.timeouts.command).await?;
            }
            Ok(())
        })
    }

    fn set_download_dir<'a>(&'a mut self, folder: &'a Path) -> BoxFuture<'a, Result<(), SessionError>> {
        Box::pin(async move {
            let what = || format!("{} has no absolute path", folder.display());
            let absolute = std::path::absolute(folder);
            let folder = absolute.map_err(|source| SessionError::Io { what: what(), source })?;
            if !self.is_network_logged {
                network_log::enable(&self.client, self.vendor, self.timeouts.command).await?;
                self.is_network_logged = true;
            }
            // named by their ids: under their own names, files of one name would overwrite each other
            let params = json!({ "behavior": "allowAndName", "downloadPath": folder.display().to_string(), "eventsEnabled": true });
            self.devtools("set download folder", "Browser.setDownloadBehavior", params).await?;
            let log = self.log().await?;
            for id in self.downloads.forget(&log) {
                self.cancel_download(&id).await?;
            }
            Ok(())
        })
    }

    fn deny_downloads(&mut self) -> BoxFuture<'_, Result<(), SessionError>> {
        Box::pin(async move {
            let params = json!({ "behavior": "deny" });
            self.devtools("deny downloads", "Browser.setDownloadBehavior", params).await.map(drop)
        })
    }

    fn download_events(&mut self) -> BoxFuture<'_, Result<Vec<DownloadEvent>, SessionError>> {
        Box::pin(async move {
            let log = self.log().await?;
            self.downloads.record(&log, &self.network_policy);
            Ok(self.downloads.take())
        })
    }

    fn responses(&mut self) -> BoxFuture<'_, Result<Vec<ResponseInfo>, SessionError>> {
        Box::pin(async move {
            let log = self.log().await?;
            self.downloads.record(&log, &self.network_policy);
            Ok(self.network.take())
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
