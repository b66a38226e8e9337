//! Floor 2: the seams. The traits between the engine and browsers, sites, journals and logins, and the types they pass
//! around.
//!
//! Every trait is object-safe and returns boxed futures ([`BoxFuture`]), so that `PersistentWorkerPool` needs no type
//! parameters. Each method says who calls it, how often, and what dropping its future means.

mod error;
mod journal;
mod login;
mod page;
mod session;
mod site;

use std::future::Future;
use std::pin::Pin;

pub use error::{AttemptError, SessionError};
pub use journal::{History, Journal, JournalError};
pub use login::{LoginStore, LoginStoreError, RejectionStore, SavedLogin};
pub use page::{
    Click, Cookie, DocumentInfo, DownloadEvent, ElementInfo, FailedRequest, Initiator, LongPolls, Page, PageActivity,
    PendingRequest, Query, ResponseInfo, Stability,
};
pub use session::{CloseReport, KillSwitch, MemoryReader, Session, SessionFactory, SessionHealth};
pub use site::{Attempt, InterimReceipt, Site};

/// A boxed future that may borrow for `'a`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
