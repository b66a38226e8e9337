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

/// Turns signals into requests to a pool: SIGINT and SIGTERM, on Windows Ctrl-C and Ctrl-Break. Each signal climbs one
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

    /// Climbs one step, as a signal does, and returns the step. A pool that is closed already is left alone.
    pub async fn climb(&mut self) -> ShutdownStep {
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

    /// Watches the process's signals from now on, and climbs with each; the receiver gets the steps. Dropping the receiver
    /// ends that. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the operating system does not allow signals to be watched.
    pub fn listen(mut self) -> io::Result<mpsc::Receiver<ShutdownStep>> {
        let (mut interrupt, mut terminate) = signals()?;
        // there are three steps; nobody needs to hear of a fourth
        let (steps, receiver) = mpsc::channel(3);
        tokio::spawn(async move {
            loop {
                let is_open = tokio::select! {
                    signal = interrupt.recv() => signal.is_some(),
                    signal = terminate.recv() => signal.is_some(),
                    () = steps.closed() => false,
                };
                if !is_open {
                    return;
                }
                let step = self.climb().await;
                let _ = steps.try_send(step); // full or closed: the request was sent in any case
            }
        });
        Ok(receiver)
    }
}

#[cfg(unix)]
fn signals() -> io::Result<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
}

#[cfg(windows)]
fn signals() -> io::Result<(tokio::signal::windows::CtrlC, tokio::signal::windows::CtrlBreak)> {
    Ok((tokio::signal::windows::ctrl_c()?, tokio::signal::windows::ctrl_break()?))
}
