//! The seam to what a browser shows: only the operations that a recipe needs.
//!
//! Each operation is one or a few driver commands, each bounded by the command deadline. Dropping its future midway
//! makes the session unusable ([`crate::backend::Session::is_usable`]): a WebDriver client runs one command at a time,
//! and an abandoned one would block the next.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BoxFuture, SessionError};

/// One page of one browser session.
pub trait Page: Send {
    /// Opens `url` and returns when the document is parsed (`DOMContentLoaded`), without waiting for pictures.
    ///
    /// # Errors
    /// [`SessionError::Unreachable`] when the browser shows a network error, [`SessionError::PageTimeout`] when the
    /// page was not parsed within the page-load deadline; `Lost`, `DriverUnresponsive`.
    fn goto<'a>(&'a mut self, url: &'a str) -> BoxFuture<'a, Result<(), SessionError>>;

    /// The address shown, with its fragment.
    ///
    /// # Errors
    /// `Lost`, `DriverUnresponsive`.
    fn url(&mut self) -> BoxFuture<'_, Result<String, SessionError>>;

    /// Finds the elements of all `queries` at one moment: in one script, so that no element can go stale in between.
    /// Returns one list per query, in document order.
    ///
    /// # Errors
    /// [`SessionError::Refused`] for a selector that the browser cannot parse; `Lost`, `DriverUnresponsive`.
    fn query<'a>(&'a mut self, queries: &'a [Query]) -> BoxFuture<'a, Result<Vec<Vec<ElementInfo>>, SessionError>>;

    /// Waits inside the page until what `selectors` find has stopped changing and the page's own requests have been
    /// answered, as [`Stability`] defines. Returns what the page was doing then.
    ///
    /// # Errors
    /// [`SessionError::Refused`] for a selector that cannot be parsed; `Lost`, `DriverUnresponsive`.
    fn settle<'a>(
        &'a mut self,
        selectors: &'a [String],
        stability: &'a Stability,
    ) -> BoxFuture<'a, Result<PageActivity, SessionError>>;

    /// Clicks the `nth` element (from 0) that `css` finds now. Returns false if there is none.
    ///
    /// # Errors
    /// `Refused`, `Lost`, `DriverUnresponsive`.
    fn click<'a>(&'a mut self, css: &'a str, nth: usize, how: Click) -> BoxFuture<'a, Result<bool, SessionError>>;

    /// Replaces the text of the first element that `css` finds, through the keyboard, as a person would.
    ///
    /// # Errors
    /// `Refused` when there is no such element or it cannot be typed into; `Lost`, `DriverUnresponsive`.
    fn fill<'a>(&'a mut self, css: &'a str, text: &'a SecretString) -> BoxFuture<'a, Result<(), SessionError>>;

    /// Runs `script` as the body of a function with `args` and returns what it returns (a promise is awaited).
    ///
    /// # Errors
    /// `Refused` when it throws, `PageTimeout` when it does not end within the script deadline; `Lost`,
    /// `DriverUnresponsive`.
    fn evaluate<'a>(&'a mut self, script: &'a str, args: Vec<Value>) -> BoxFuture<'a, Result<Value, SessionError>>;

    /// What the page shows, to tell one kind of page from another.
    ///
    /// # Errors
    /// `Lost`, `DriverUnresponsive`.
    fn document(&mut self) -> BoxFuture<'_, Result<DocumentInfo, SessionError>>;

    /// A picture of what the window shows, as PNG.
    ///
    /// # Errors
    /// `Refused` when there is nothing to photograph; `Lost`, `DriverUnresponsive`.
    fn screenshot(&mut self) -> BoxFuture<'_, Result<Vec<u8>, SessionError>>;

    /// The cookies that the browser would send to the current address.
    ///
    /// # Errors
    /// `Lost`, `DriverUnresponsive`.
    fn cookies(&mut self) -> BoxFuture<'_, Result<Vec<Cookie>, SessionError>>;

    /// Adds cookies. The page must be on their host: go to an address of it first.
    ///
    /// # Errors
    /// `Refused` when the browser does not take one; `Lost`, `DriverUnresponsive`.
    fn add_cookies<'a>(&'a mut self, cookies: &'a [Cookie]) -> BoxFuture<'a, Result<(), SessionError>>;

    /// From now on downloads are saved in `folder` under their download's id, and earlier download events are
    /// forgotten. Downloads that have already started stay in their folder.
    ///
    /// # Errors
    /// `Refused`, `Lost`, `DriverUnresponsive`.
    fn set_download_dir<'a>(&'a mut self, folder: &'a Path) -> BoxFuture<'a, Result<(), SessionError>>;

    /// From now on nothing is saved that a page starts by itself, until [`Page::set_download_dir`] is called again. The default
    /// does nothing, for pages that save nothing without it.
    ///
    /// # Errors
    /// `Refused`, `Lost`, `DriverUnresponsive`.
    fn deny_downloads(&mut self) -> BoxFuture<'_, Result<(), SessionError>> {
        Box::pin(async { Ok(()) })
    }

    /// The download events since the last call, or since [`Page::set_download_dir`], oldest first. Does not wait.
    ///
    /// # Errors
    /// `Lost`, `DriverUnresponsive`.
    fn download_events(&mut self) -> BoxFuture<'_, Result<Vec<DownloadEvent>, SessionError>>;

    /// The HTTP responses since the last call, oldest first: to the page's own navigations (including those that became
    /// downloads, and those of its frames) and to its scripts. Of very many only the last. Files that were saved with
    /// [`Click::Save`] are not among them. Does not wait.
    ///
    /// # Errors
    /// `Lost`, `DriverUnresponsive`.
    fn responses(&mut self) -> BoxFuture<'_, Result<Vec<ResponseInfo>, SessionError>>;

    /// Stops a running download and removes its partial file. Does nothing if it has ended.
    ///
    /// # Errors
    /// `Lost`, `DriverUnresponsive`.
    fn cancel_download<'a>(&'a mut self, id: &'a str) -> BoxFuture<'a, Result<(), SessionError>>;
}

/// A CSS selector, and the attributes to read of what it finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The selector.
    pub css: String,
    /// Attributes to read, by name. `href` and `src` come back resolved to absolute addresses. A name after `^` is read
    /// from the nearest element around that has it, itself included, unless that has several of what `css` finds in it;
    /// it comes back as an absolute address under its name with `^`.
    pub attributes: Vec<String>,
}

/// One element that a query found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementInfo {
    /// Its text, white space folded, at most 2,000 characters.
    pub text: String,
    /// Those of the requested attributes that it has.
    pub attributes: BTreeMap<String, String>,
}

/// When a page counts as stable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stability {
    /// Not before this long after the document was complete (`load`, or parsed and all its scripts there).
    pub after_load: Duration,
    /// Not before this long after the last change in what the selectors find, and after the end of its last request.
    pub unchanged_for: Duration,
    /// Not later than this after the call.
    pub at_most: Duration,
    /// Which of the page's requests are not waited for.
    pub long_polls: LongPolls,
    /// Words, in small letters, for what the selectors find. A request that has one in its address or body may bring
    /// it: it is not a long poll, and never one that only repeats others.
    pub words: Vec<String>,
}

/// Requests that stay open until the server has news: a page that has one is as settled as it will ever be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongPolls {
    /// Parts of their addresses.
    pub addresses: Vec<String>,
    /// Requests that turned out to be long polls, by their [`PendingRequest::key`].
    pub learned: Vec<String>,
    /// A request that has been open for this long is one, unless it names a number of the page's own address or has one
    /// of [`Stability::words`], or its body cannot be read.
    pub after: Duration,
}

/// What a page was doing when the wait for it to settle was over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageActivity {
    /// Nothing changed and nothing was asked for any more; false when the limit passed first.
    pub is_settled: bool,
    /// Whether its requests were counted from its first script on. Otherwise earlier ones may be pending as well.
    pub is_tracked: bool,
    /// Requests of the page, to its own host, that are not answered yet.
    pub pending: Vec<PendingRequest>,
    /// Requests that have been open for so long that they count as long polls, or are known as such.
    pub long_polls: Vec<PendingRequest>,
    /// Requests that were answered with an error, or not at all, and were not sent again with success.
    pub failed: Vec<FailedRequest>,
}

/// A request of a page that has not been answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PendingRequest {
    /// Tells it from others: method and path, with a hash of its query and its body.
    pub key: String,
    /// The path of its address, behind its host if that is not the page's own.
    pub path: String,
    /// How long it has been open, in milliseconds.
    pub age: u64,
}

/// How to click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Click {
    /// Through the page's own event handlers, whatever covers the element.
    Script,
    /// The same, but a link's target is saved instead of shown, as with the `download` attribute (browsers honour it
    /// for addresses of the page's own origin).
    Save,
}

/// What a page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentInfo {
    /// The address.
    pub url: String,
    /// The title.
    pub title: String,
    /// The visible text, white space folded, at most 20,000 characters.
    pub text: String,
    /// The HTTP status of the document, if the browser knows it (`PerformanceNavigationTiming.responseStatus`).
    pub status: Option<u16>,
    /// Why the browser shows an error page of its own instead of the document at `url`, for a person.
    #[serde(default)]
    pub network_error: Option<String>,
}

/// A cookie as in W3C WebDriver. The value is a secret: it is the login.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// Name.
    pub name: String,
    /// Value.
    pub value: SecretString,
    /// Host or domain.
    pub domain: Option<String>,
    /// Path.
    pub path: Option<String>,
    /// Sent over TLS only.
    pub secure: bool,
    /// Hidden from scripts.
    pub http_only: bool,
    /// Seconds since 1970 when it expires; none for a session cookie.
    pub expiry: Option<u64>,
    /// `Strict`, `Lax` or `None`.
    pub same_site: Option<String>,
}

/// What sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Initiator {
    /// The window, by navigating to an address.
    Navigation,
    /// A frame in the page, by navigating to an address.
    Frame,
    /// A script of the page.
    Script,
}

/// A request of a page that failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedRequest {
    /// The path of its address, behind its host if that is not the page's own.
    pub path: String,
    /// The HTTP status; 0 when there was no response.
    pub status: u16,
    /// Whether it named a number of the page's own address, or may have in a body that cannot be read.
    pub is_of_page: bool,
    /// Whether it had one of [`Stability::words`] in its address or body.
    pub is_named: bool,
}

/// The response to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseInfo {
    /// Its address after all redirects, without query and fragment.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
    /// What sent the request.
    pub initiator: Initiator,
    /// `Content-Type` in lower case, without its parameters.
    pub media_type: Option<String>,
    /// `Retry-After`, as it was sent.
    pub retry_after: Option<String>,
}

/// Something that happened to a download.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownloadEvent {
    /// It has started. The file will be `<folder>/<id>`.
    Started {
        /// The download's id: letters, digits and `-` alone.
        id: String,
        /// Its address after all redirects.
        url: String,
        /// The name that the portal suggests; not safe to use as it is.
        name: String,
    },
    /// More bytes arrived.
    Progress {
        /// The download's id.
        id: String,
        /// Bytes so far.
        received: u64,
    },
    /// The browser says that it is complete.
    Completed {
        /// The download's id.
        id: String,
        /// How many bytes must be on the disk.
        size: u64,
        /// Whether the portal announced the length: only then can a browser notice that bytes are missing.
        is_length_told: bool,
    },
    /// It ended without a file.
    Canceled {
        /// The download's id.
        id: String,
    },
    /// The page was directed to a host that the session must not reach ([`SessionError::BlockedHost`]). It shows
    /// nothing any more, and no download follows.
    BlockedHost {
        /// Which host, with its port.
        host: String,
    },
}
