//! The ladder: the first signal drains, the second aborts, the third kills.

use std::io;

use tokio::sync::mpsc;
use tracing::warn;

use super::control::PoolControl;

/// What a signal led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownStep {
    /// No new order starts; running ones may finish within the shutdown timeout.
    Draining,
    /// Running orders are cancelled and stay open.
    Aborting,
    /// Every browser was killed; the program should leave.
    Killed,
}

/// Turns the signals of the operating system into wishes to the pool: SIGINT and SIGTERM, Ctrl-C and Ctrl-Break on
/// Windows. Each further signal climbs one step; signals that come together count one by one.
#[derive(Debug)]
pub struct ShutdownHandler {
    control: PoolControl,
    signals: u32,
}

impl ShutdownHandler {
    /// A handler for `control`'s pool that has seen no signal yet.
    #[must_use]
    pub fn new(control: PoolControl) -> Self {
        Self { control, signals: 0 }
    }

    /// Climbs one step, as a signal does.
    pub async fn climb(&mut self) -> ShutdownStep {
        self.signals = self.signals.saturating_add(1);
        let (step, noted) = match self.signals {
            1 => (ShutdownStep::Draining, self.control.drain().await),
            2 => (ShutdownStep::Aborting, self.control.abort().await),
            _ => {
                self.control.kill();
                (ShutdownStep::Killed, Ok(()))
            }
        };
        if noted.is_err() {
            warn!("a signal came after the pool was closed");
        }
        step
    }

    /// Takes over the process's signals from now on and climbs with each; the steps come out of the receiver.
    ///
    /// # Errors
    /// When the operating system does not let the signals be watched.
    pub fn listen(mut self) -> io::Result<mpsc::Receiver<ShutdownStep>> {
        let (mut interrupt, mut terminate) = signals()?;
        // three steps are all there are; nobody needs to hear a fourth
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
                let _ = steps.try_send(step); // full or closed: the wish has been noted all the same
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
