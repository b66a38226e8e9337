//! State of one service, and the one way to change it: tell the table, take its turn, do what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::process::child::{ManagedProcess, ProcessExit};
use crate::process::error::{LeaseError, LeaseWait, ProcessFailure};
use crate::process::ports::PortAllocator;
use crate::process::service::ServiceConfig;
use crate::process::slots::{Circuit, Effect, InstanceId, Phase, SlotRules, Slots, WaiterId};
use crate::process::status::ProcessPoolReport;

/// A service, shared by its supervisor, the tasks of its processes, and its leases.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) config: ServiceConfig,
    pub(super) ports: PortAllocator,
    begun: Instant,
    state: Mutex<State>,
    /// Processes to start, to the supervisor. Without a bound, which the table has: the maximum of processes.
    starts: mpsc::UnboundedSender<InstanceId>,
    /// The time of the next turn may have changed.
    pub(super) turned: Notify,
    /// Something has happened.
    pub(super) changed: watch::Sender<()>,
    /// All processes were killed, and none is started any more.
    pub(super) killed: CancellationToken,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) slots: Slots,
    waiters: BTreeMap<WaiterId, oneshot::Sender<Result<Permit, LeaseError>>>,
    pub(super) processes: BTreeMap<InstanceId, ProcessRecord>,
    /// Ports that other programs took before a process did.
    pub(super) taken_ports: BTreeSet<u16>,
    pub(super) last_failure: Option<Arc<ProcessFailure>>,
    pub(super) last_exit: Option<String>,
    pub(super) report: ProcessPoolReport,
}

impl State {
    /// No leases of processes that have ended, until their tasks have told the table.
    fn suspect_ended(&mut self) {
        for (id, process) in &self.processes {
            if process.child.as_ref().is_some_and(|child| !child.is_alive()) {
                self.slots.suspect(*id);
            }
        }
    }

    #[cfg(test)]
    /// How many wait for a reply.
    pub(super) fn waiting_count(&self) -> usize {
        self.waiters.len()
    }
}

/// What is known about one process.
#[derive(Debug, Default)]
pub(super) struct ProcessRecord {
    /// Tells its task to end it.
    pub(super) stop: CancellationToken,
    /// None before it was started.
    pub(super) child: Option<Arc<ManagedProcess>>,
    pub(super) port: Option<u16>,
    pub(super) command: Option<String>,
    pub(super) latency: Option<Duration>,
    pub(super) checks: u64,
    pub(super) failed_checks: u64,
}

impl Shared {
    pub(super) fn new(name: String, config: ServiceConfig) -> (Arc<Self>, mpsc::UnboundedReceiver<InstanceId>) {
        let rules = SlotRules {
            max: config.max(),
            leases_per_process: config.leases_per_process,
            max_leases: config.max_leases,
            idle_timeout: config.idle_timeout,
            restart: config.restart,
        };
        let state = State {
            slots: Slots::new(rules, config.min_processes),
            waiters: BTreeMap::new(),
            processes: BTreeMap::new(),
            taken_ports: BTreeSet::new(),
            last_failure: None,
            last_exit: None,
            report: ProcessPoolReport::default(),
        };
        let (starts, receiver) = mpsc::unbounded_channel();
        let shared = Self {
            name,
            ports: PortAllocator::new(config.ports.clone()),
            config,
            begun: Instant::now(),
            state: Mutex::new(state),
            starts,
            turned: Notify::new(),
            changed: watch::Sender::new(()),
            killed: CancellationToken::new(),
        };
        (Arc::new(shared), receiver)
    }

    /// Time of the table.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and does what the table then wants.
    pub(super) fn act<R>(self: &Arc<Self>, change: impl FnOnce(&mut State, Duration) -> R) -> R {
        let mut replies = Vec::new();
        let result = {
            let mut state = self.lock();
            let now = self.now();
            let result = change(&mut state, now);
            state.suspect_ended();
            for effect in state.slots.turn(now) {
                match effect {
                    Effect::Start(id) => {
                        state.processes.insert(id, ProcessRecord::default());
                        if self.starts.send(id).is_err() {
                            tracing::debug!(service = %self.name, "no process is started: the supervisor has ended");
                        }
                    }
                    Effect::Stop(id, cause) => {
                        tracing::debug!(service = %self.name, number = id.0, ?cause, "stopping a process");
                        if let Some(process) = state.processes.get(&id) {
                            process.stop.cancel();
                        }
                    }
                    Effect::Grant(waiter, id) => {
                        let permit = Permit::new(self, id, state.processes.get(&id));
                        replies.push((state.waiters.remove(&waiter), Ok(permit)));
                    }
                    Effect::Refuse(waiter) => {
                        replies.push((state.waiters.remove(&waiter), Err(self.refusal(&state, now))));
                    }
                }
            }
            result
        };
        for (waiter, reply) in replies {
            // the permit of one who waits no longer is dropped here, and so goes back
            drop(waiter.map(|waiter| waiter.send(reply)));
        }
        self.turned.notify_one();
        self.changed.send_replace(());
        result
    }

    /// Waits for a lease in turn. Dropping the future gives up its place, or gives back the lease that it got meanwhile.
    pub(super) async fn permit(self: &Arc<Self>, after: Duration) -> Result<Permit, LeaseError> {
        let (sender, mut receiver) = oneshot::channel();
        let id = self.act(|state, _| {
            let id = state.slots.enqueue();
            state.waiters.insert(id, sender);
            id
        });
        let waiting = Waiting { shared: self.clone(), id };
        if let Ok(reply) = tokio::time::timeout(after, &mut receiver).await {
            return reply.unwrap_or(Err(LeaseError::Closed));
        }
        let wait = self.wait();
        drop(waiting);
        match receiver.try_recv() {
            Ok(reply) => reply, // it came at the last moment
            Err(_) if self.lock().slots.is_closed() => Err(LeaseError::Closed),
            Err(_) => Err(LeaseError::Timeout { service: self.name.clone(), wait, after }),
        }
    }

    /// What those who wait for a lease are waiting for.
    pub(super) fn wait(&self) -> LeaseWait {
        let state = self.lock();
        let last_failure = state.last_failure.as_ref().map(ToString::to_string);
        let processes = state.slots.slots().filter(|(_, slot)| slot.leases > 0).count();
        if state.slots.is_backing_off(self.now()) {
            LeaseWait::Restart { last_failure }
        } else if state.slots.count(Phase::Starting) > 0 {
            LeaseWait::Start { last_failure }
        } else if state.slots.count(Phase::Suspect) > 0 && state.slots.count(Phase::Healthy) == 0 {
            LeaseWait::Health
        } else if processes > 0 {
            LeaseWait::Free { processes }
        } else {
            LeaseWait::Start { last_failure }
        }
    }

    /// Why leases are refused: the table refuses when it is closed, and while the service has failed.
    pub(super) fn refusal(&self, state: &State, now: Duration) -> LeaseError {
        match (state.slots.circuit(now), &state.last_failure) {
            (Circuit::Open(until), Some(failure)) if !state.slots.is_closed() => LeaseError::Failed {
                service: self.name.clone(),
                failures: state.slots.failures(),
                retry_in: until.saturating_sub(now),
                failure: failure.clone(),
            },
            _ => LeaseError::Closed,
        }
    }

    /// A process is gone, with the failure that ended it or came with its end.
    pub(super) fn exited(self: &Arc<Self>, id: InstanceId, failure: Option<ProcessFailure>) {
        self.act(|state, now| {
            state.processes.remove(&id);
            let is_permanent = failure.as_ref().is_some_and(ProcessFailure::is_permanent);
            if let Some(ProcessFailure::PortTaken { port, .. }) = &failure {
                state.taken_ports.insert(*port);
            }
            if let Some(failure) = failure {
                tracing::warn!(service = %self.name, number = id.0, %failure, "a process of the service has failed");
                state.last_failure = Some(Arc::new(failure));
            }
            state.slots.exited(now, id, is_permanent);
        });
    }

    /// Keeps how a process ended.
    pub(super) fn record_exit(&self, id: InstanceId, exit: ProcessExit, was_killed: bool) {
        tracing::info!(service = %self.name, number = id.0, status = %exit.status, "a process of the service has ended");
        let mut state = self.lock();
        if was_killed {
            state.report.killed += 1;
        } else {
            state.report.ended += 1;
        }
        state.report.leftovers.extend(exit.left.map(|left| format!("{}: {left}", self.name)));
        state.last_exit = Some(exit.status);
    }

    /// Kills all processes by their handles, without waiting, and starts none any more.
    pub(super) fn kill(self: &Arc<Self>) {
        let children: Vec<_> = {
            let mut state = self.lock();
            state.slots.close();
            self.killed.cancel();
            state.processes.values().filter_map(|process| process.child.clone()).collect()
        };
        for child in children {
            child.kill();
        }
        self.act(|_, _| ()); // refuses those who wait
    }
}

/// Somebody's place among those who wait.
struct Waiting {
    shared: Arc<Shared>,
    id: WaiterId,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.act(|state, _| {
            state.slots.cancel(self.id);
            state.waiters.remove(&self.id);
        });
    }
}

/// One lease of a process, given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    pub(super) shared: Arc<Shared>,
    pub(super) id: InstanceId,
    pub(super) child: Option<Arc<ManagedProcess>>,
    pub(super) port: u16,
}

impl Permit {
    fn new(shared: &Arc<Shared>, id: InstanceId, process: Option<&ProcessRecord>) -> Self {
        let child = process.and_then(|process| process.child.clone());
        let port = process.and_then(|process| process.port).unwrap_or_default();
        Self { shared: shared.clone(), id, child, port }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.act(|state, now| state.slots.release(now, self.id));
    }
}
