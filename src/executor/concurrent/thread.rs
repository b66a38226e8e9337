//! Closures that block a thread, which nothing can end from outside.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use crate::executor::panics::message_of;
use crate::executor::result::TaskError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ThreadState {
    Busy,
    /// Nobody waits for it any more.
    Abandoned,
    Ended,
}

/// Both ends of one thread: whichever comes first.
struct ThreadCount {
    state: Mutex<ThreadState>,
    counters: Arc<Counters>,
}

impl ThreadCount {
    fn change(&self, to: ThreadState) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (*state, to) {
            (ThreadState::Busy, ThreadState::Abandoned) => _ = self.counters.abandoned.fetch_add(1, Ordering::AcqRel),
            (ThreadState::Abandoned, ThreadState::Ended) => _ = self.counters.abandoned.fetch_sub(1, Ordering::AcqRel),
            _ => {}
        }
        if *state != ThreadState::Ended {
            *state = to;
        }
    }
}

/// On the thread: says that it has ended, also if it never began.
struct End(Arc<ThreadCount>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.change(ThreadState::Ended);
    }
}

/// With who waits: dropped early, it tells the closure to stop.
struct Waiting {
    count: Arc<ThreadCount>,
    stop: CancellationToken,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.stop.cancel();
        self.count.change(ThreadState::Abandoned);
    }
}

/// Runs `work` on a thread. Dropping the future cancels the token that `work` is given, and counts its thread as abandoned
/// until it returns.
pub(super) async fn on_thread<T: Send + 'static>(
    counters: Arc<Counters>,
    work: impl FnOnce(&CancellationToken) -> T + Send + 'static,
) -> Result<T, TaskError> {
    let count = Arc::new(ThreadCount { state: Mutex::new(ThreadState::Busy), counters });
    let waiting = Waiting { count: count.clone(), stop: CancellationToken::new() };
    let (end, stop) = (End(count), waiting.stop.clone());
    let returned = spawn_blocking(move || {
        // nobody waits for one whose turn on a thread came too late
        let returned = (!stop.is_cancelled()).then(|| panic::catch_unwind(AssertUnwindSafe(|| work(&stop))));
        drop(end);
        returned
    })
    .await;
    match returned {
        Ok(Some(Ok(output))) => Ok(output),
        Ok(Some(Err(panic))) => Err(TaskError::Panicked(message_of(&*panic))),
        Ok(None) => Err(TaskError::Cancelled),
        // only a runtime that ends does not run it
        Err(_) => Err(TaskError::NoRuntime),
    }
}
