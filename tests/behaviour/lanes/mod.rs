//! Several orders at a time in one session, on a site whose lanes do as they are told.

mod crashes;
mod ends;
mod slots;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use coupa_batch::backend::{Attempt, AttemptError, BoxFuture, History, LaneEnd, LaneOrder, LaneOrders, Session, Site};
use coupa_batch::config::{PoolConfig, PoolConfigBuilder};
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{Outcome, PoTask, Receipt, WorkerId};
use coupa_batch::pool::PersistentWorkerPool;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use crate::doubles::{Remote, ScriptedSite, StubSessions};

/// A scripted site that has up to so many orders of a session under way.
pub(crate) struct LaneSite {
    remote: Arc<Remote>,
    max_slots: usize,
    /// How many its lanes want.
    wanted: watch::Sender<usize>,
    /// Each order that was handed to a lane, whether it was to be alone, and how many others the lane had then.
    handed: Mutex<Vec<(String, bool, usize)>>,
    /// Lanes that were begun.
    lanes: AtomicUsize,
}

impl LaneSite {
    fn new(remote: &Arc<Remote>, max_slots: usize) -> Arc<Self> {
        Arc::new(Self {
            remote: Arc::clone(remote),
            max_slots,
            wanted: watch::Sender::new(max_slots),
            handed: Mutex::default(),
            lanes: AtomicUsize::new(0),
        })
    }

    fn handed(&self) -> Vec<(String, bool, usize)> {
        self.handed.lock().unwrap().clone()
    }

    async fn one(&self, order: LaneOrder) {
        let result = self.remote.attempt(&order.attempt, None).await;
        order.reply.send(LaneEnd { result, was_begun: true, evidence: None });
    }

    async fn lane(&self, worker: WorkerId, mut orders: LaneOrders) {
        self.lanes.fetch_add(1, Ordering::SeqCst);
        let death = self.remote.kills.lock().unwrap()[&worker].clone();
        let mut wanted = self.wanted.subscribe();
        let mut running = FuturesUnordered::new();
        let mut is_open = true;
        while is_open || !running.is_empty() {
            orders.want(*wanted.borrow_and_update());
            tokio::select! {
                biased;
                () = death.cancelled() => return,
                Ok(()) = wanted.changed() => {}
                order = orders.next(), if is_open => match order {
                    Some(order) => {
                        let po = order.attempt.order.po.to_string();
                        self.handed.lock().unwrap().push((po, order.is_alone, running.len()));
                        running.push(self.one(order));
                    }
                    None => is_open = false,
                },
                Some(()) = running.next() => {}
            }
        }
    }
}

impl Site for LaneSite {
    fn log_in<'a>(&'a self, _: WorkerId, _: &'a mut dyn Session) -> BoxFuture<'a, Result<(), AttemptError>> {
        unreachable!("a lane logs in by itself")
    }
    fn collect<'a>(&'a self, _: &'a mut dyn Session, _: &'a Attempt) -> BoxFuture<'a, Result<Receipt, AttemptError>> {
        unreachable!("a lane collects by itself")
    }
    fn max_slots(&self) -> usize {
        self.max_slots
    }
    fn run_lane<'a>(&'a self, worker: WorkerId, _: &'a mut dyn Session, orders: LaneOrders) -> BoxFuture<'a, ()> {
        Box::pin(self.lane(worker, orders))
    }
    fn finalize<'a>(&'a self, task: &'a PoTask, outcome: Outcome) -> BoxFuture<'a, Result<Outcome, AttemptError>> {
        Box::pin(async move { ScriptedSite(Arc::clone(&self.remote)).finalize(task, outcome).await })
    }
}

/// Settings of a pool of so many workers.
fn workers(count: u32) -> PoolConfigBuilder {
    PoolConfig::builder().worker_count(count)
}

/// A pool whose sessions have up to `max_slots` orders in work.
fn pool(config: PoolConfigBuilder, max_slots: usize) -> (PersistentWorkerPool, Arc<Remote>, Arc<LaneSite>) {
    let remote = Arc::new(Remote::default());
    let (pool, site) = resumed(config, max_slots, &remote, History::default());
    (pool, remote, site)
}

/// The same, for a run that continues.
fn resumed(
    config: PoolConfigBuilder,
    max_slots: usize,
    remote: &Arc<Remote>,
    history: History,
) -> (PersistentWorkerPool, Arc<LaneSite>) {
    let site = LaneSite::new(remote, max_slots);
    let pool = PersistentWorkerPool::builder(config.build().unwrap())
        .sessions(Arc::new(StubSessions(Arc::clone(remote))))
        .site(Arc::clone(&site) as Arc<dyn Site>)
        .journal(Arc::new(MemoryJournal::from_history(history.clone())))
        .resume(history)
        .start()
        .unwrap();
    (pool, site)
}

fn hold(remote: &Remote, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| remote.hold(&format!("PO{number}")));
}

fn release(remote: &Remote, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| remote.release(&format!("PO{number}")));
}
