//! Floor 2: the seams. What the engine asks of a browser, a site, a journal and a gauge, and the types they pass around.
//!
//! Every trait is object-safe and hands out boxed futures ([`Fut`]), so that `PersistentWorkerPool` needs no type
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
pub use login::{KeptLogin, LoginKeep, LoginKeepError, RefusalMemory, refused_before};
pub use memory::MemoryGauge;

pub use page::{Answer, Asker, Click, Cookie, DownloadEvent, Evidence, Found, Page, Query, Quiet};
pub use session::{CloseReport, KillSwitch, Session, SessionFactory, Usage};
pub use site::{Attempt, Site};

/// A boxed future that may borrow for `'a`.
pub type Fut<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
