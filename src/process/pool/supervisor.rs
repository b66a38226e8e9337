//! The loop of one service: starts what the table wants, and takes its turn when time alone asks for one.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::instance;
use super::shared::Shared;
use crate::process::slots::InstanceId;

/// Runs until the service is killed. When the task is dropped, with its runtime, all processes are killed.
pub(super) async fn supervise(shared: Arc<Shared>, starts: mpsc::UnboundedReceiver<InstanceId>) {
    let mut supervisor = Supervisor { shared: shared.clone(), starts };
    shared.act(|_, _| ());
    loop {
        let next = shared.lock().slots.next_turn(shared.now());
        let timer = async {
            match next {
                Some(at) => sleep(at.saturating_sub(shared.now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.killed.cancelled() => return,
            id = supervisor.starts.recv() => match id {
                Some(id) => drop(tokio::spawn(instance::run(shared.clone(), id))),
                None => return,
            },
            () = shared.turned.notified() => {}
            () = timer => shared.act(|_, _| ()),
        }
    }
}

struct Supervisor {
    shared: Arc<Shared>,
    starts: mpsc::UnboundedReceiver<InstanceId>,
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shared.kill();
        // nobody starts them any more
        while let Ok(id) = self.starts.try_recv() {
            self.shared.exited(id, None);
        }
    }
}

/// Signals that ask this program to end.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(windows)]
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(windows)]
        self.interrupt.recv().await;
    }
}
