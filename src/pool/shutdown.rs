//! Signals of the operating system: the first one drains, the second one aborts, the third one kills.

use std::io;

use tokio::sync::mpsc;
use tracing::warn;

use super::control::PoolControl;

/// What a signal led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownStep {
    /// No new order starts; running ones may finish within the shutdown timeout.
    Draining,
    /// Running attempts are cancelled; their orders stay open.
    Aborting,
    /// Every browser was killed; the program should exit.
    Killed,
}

/// Turns signals into requests to a pool: SIGINT and SIGTERM, on Windows Ctrl-C and Ctrl-Break. Each signal escalates one
/// step; two signals at the same moment are two steps. Dropping it changes nothing for the pool.
#[derive(Debug)]
pub struct ShutdownHandler {
    control: PoolControl,
    signals: u32,
}

impl ShutdownHandler {
    /// A handler for the pool of `control`. It watches nothing before [`ShutdownHandler::listen`].
    #[must_use]
    pub fn new(control: PoolControl) -> Self {
        Self { control, signals: 0 }
    }

    /// Escalates one step, as a signal does, and returns the step. A pool that is closed already is left alone.
    pub async fn escalate(&mut self) -> ShutdownStep {
        self.signals = self.signals.saturating_add(1);
        let (step, sent) = match self.signals {
            1 => (ShutdownStep::Draining, self.control.drain().await),
            2 => (ShutdownStep::Aborting, self.control.abort().await),
            _ => {
                self.control.kill();
                (ShutdownStep::Killed, Ok(()))
            }
        };
        if sent.is_err() {
            warn!("ignored a signal: the pool is closed");
        }
        step
    }

    /// Watches the process's signals from now on, and escalates with each; the receiver gets the steps. Dropping the receiver
    /// ends that. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the operating system does not allow signals to be watched.
    pub fn listen(self) -> io::Result<mpsc::Receiver<ShutdownStep>> {
        Ok(self.follow(0, Signals::watch()?.count()))
    }

    /// [`ShutdownHandler::listen`] with signals that are watched already, `before` of which were received.
    pub(crate) fn follow(mut self, before: u32, mut signals: mpsc::Receiver<()>) -> mpsc::Receiver<ShutdownStep> {
        let (steps, receiver) = mpsc::channel(MOST_STEPS);
        tokio::spawn(async move {
            for _ in 0..before {
                self.escalate().await;
            }
            loop {
                let is_open = tokio::select! {
                    signal = signals.recv() => signal.is_some(),
                    () = steps.closed() => false,
                };
                if !is_open {
                    return;
                }
                let step = self.escalate().await;
                let _ = steps.try_send(step); // full or closed: the request was sent in any case
            }
        });
        receiver
    }
}

/// There are three steps: nobody needs to hear of a fourth signal.
const MOST_STEPS: usize = 3;

/// The signals that ask the process to end: SIGINT and SIGTERM, on Windows Ctrl-C and Ctrl-Break.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    both: (tokio::signal::unix::Signal, tokio::signal::unix::Signal),
    #[cfg(windows)]
    both: (tokio::signal::windows::CtrlC, tokio::signal::windows::CtrlBreak),
}

impl Signals {
    /// Watches them from now on: for the rest of the process none of them ends it by itself. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the operating system does not allow it.
    pub(crate) fn watch() -> io::Result<Self> {
        #[cfg(unix)]
        let both = {
            use tokio::signal::unix::{SignalKind, signal};
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        #[cfg(windows)]
        let both = (tokio::signal::windows::ctrl_c()?, tokio::signal::windows::ctrl_break()?);
        Ok(Self { both })
    }

    /// Waits for the next signal. Signals of one kind that arrive while nobody waits are one.
    pub(crate) async fn recv(&mut self) -> Option<()> {
        let (interrupt, terminate) = &mut self.both;
        tokio::select! {
            signal = interrupt.recv() => signal,
            signal = terminate.recv() => signal,
        }
    }

    /// Receives them on a task of its own, so that each one counts. Dropping the receiver ends that.
    pub(crate) fn count(mut self) -> mpsc::Receiver<()> {
        let (sender, receiver) = mpsc::channel(MOST_STEPS);
        tokio::spawn(async move {
            loop {
                let is_open = tokio::select! {
                    signal = self.recv() => signal.is_some(),
                    () = sender.closed() => false,
                };
                if !is_open {
                    return;
                }
                let _ = sender.try_send(()); // full: there is no further step
            }
        });
        receiver
    }
}
