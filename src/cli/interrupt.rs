//! Signals of the operating system while a command works: the third one ends the program, whatever it waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::cli::exit::{CommandError, ExitReason};
use crate::pool::Signals;

/// How long a command has after the third signal to kill its browsers and to write down how it ended.
const LAST_RESPITE: Duration = Duration::from_secs(10);

/// The signals that a command receives. A command that does not look at them is ended by the third one.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<u32>);

impl Interrupt {
    /// The same without those that were received until now.
    pub(crate) fn without_earlier(mut self) -> Self {
        self.0.mark_unchanged();
        self
    }

    /// How many signals were received. A batch that obeys them sees each one after it was counted: so none that ended it can
    /// be taken for a later one.
    pub(crate) fn counts(&self) -> watch::Receiver<u32> {
        self.0.clone()
    }

    /// Waits for the next signal.
    pub(crate) async fn received(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Watches the signals of the process until it ends.
#[derive(Debug)]
pub(crate) struct SignalWatch {
    counts: watch::Receiver<u32>,
    is_over: Arc<AtomicBool>,
}

impl SignalWatch {
    /// Starts to watch, on a thread of its own: no command can keep it from running.
    ///
    /// # Errors
    /// When the operating system does not allow it; a command that nobody could stop is not started.
    pub(crate) fn start() -> Result<Self, CommandError> {
        let refused = |why: String| {
            CommandError::new(ExitReason::Unexpected, format!("signals of the system cannot be received: {why}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| refused(why.to_string()))?;
        let (count, counts) = watch::channel(0);
        let is_over = Arc::new(AtomicBool::new(false));
        let (begun, has_begun) = oneshot::channel();
        let is_command_over = Arc::clone(&is_over);
        thread::spawn(move || {
            runtime.block_on(async move {
                let mut signals = match Signals::watch() {
                    Ok(signals) => signals,
                    Err(why) => return drop(begun.send(Err(why))),
                };
                if begun.send(Ok(())).is_err() {
                    return;
                }
                while signals.recv().await.is_some() {
                    // asked first: a command may end because of this signal
                    if is_command_over.load(Ordering::Acquire) {
                        leave();
                    }
                    count.send_modify(|count| *count += 1);
                    if *count.borrow() >= 3 {
                        tokio::select! {
                            () = tokio::time::sleep(LAST_RESPITE) => leave(),
                            _fourth = signals.recv() => leave(),
                        }
                    }
                }
            });
        });
        match has_begun.blocking_recv() {
            Ok(Ok(())) => Ok(Self { counts, is_over }),
            Ok(Err(why)) => Err(refused(why.to_string())),
            Err(why) => Err(refused(why.to_string())),
        }
    }

    /// The signals from now on.
    pub(crate) fn interrupt(&self) -> Interrupt {
        Interrupt(self.counts.clone())
    }

    /// The command holds nothing any more that would have to be closed: the next signal ends the program.
    pub(crate) fn command_is_over(&self) {
        self.is_over.store(true, Ordering::Release);
    }
}

/// Ends the program in the middle of whatever it does. What it leaves behind is removed as after any other violent end.
#[expect(clippy::exit, reason = "nothing else ends a program that waits for a disk or a terminal")]
fn leave() -> ! {
    std::process::exit(i32::from(ExitReason::Forced.code()))
}
