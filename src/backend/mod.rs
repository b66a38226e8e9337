//! Floor 2: the seams. What the engine asks of a browser, a site, a journal and a gauge, and the types they pass around.
//!
//! Every trait is object-safe and hands out boxed futures ([`BoxFuture`]), so that `PersistentWorkerPool` needs no type
//! parameters. Each says who calls it, how often, and what it promises when its future is dropped.

mod error;
mod journal;
mod login;
mod memory;
mod page;
mod session;
mod site;

use std::future::Future;
use std::pin::Pin;

pub use error::{AttemptError, JournalError, SessionError};
pub use journal::{History, Journal};
pub use login::{LoginStore, LoginStoreError, RejectionStore, SavedLogin, refused_before};
pub use memory::MemoryReader;

pub use page::{
    Click, Cookie, DocumentInfo, DownloadEvent, ElementInfo, FailedRequest, Initiator, LongPolls, Page, PageActivity,
    PendingRequest, Query, ResponseInfo, Stability,
};
pub use session::{CloseReport, KillSwitch, Session, SessionFactory, SessionHealth};
pub use site::{Attempt, Site};

/// A boxed future that may borrow for `'a`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
