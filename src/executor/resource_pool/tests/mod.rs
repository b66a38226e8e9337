//! How a pool behaves, on a paused clock.

mod cancellation;
mod failures;
mod interleavings;
mod lending;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;
use tokio::time::sleep;

use super::{Condition, Manage, ResourcePool, ResourcePoolBuilder};

/// What one call of a verb does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Ok,
    Err,
    Panic,
    Slow,
    Never,
}

impl Gate {
    const ALL: [Self; 5] = [Self::Ok, Self::Err, Self::Panic, Self::Slow, Self::Never];

    async fn pass(self, what: &'static str) -> Result<(), Refused> {
        match self {
            Self::Ok => Ok(()),
            Self::Err => Err(Refused(what)),
            Self::Panic => panic!("{what} panics"),
            Self::Slow => {
                sleep(SLOW).await;
                Ok(())
            }
            Self::Never => std::future::pending().await,
        }
    }
}

const SLOW: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_millis(200);

#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0} refused")]
struct Refused(&'static str);

/// Counts what there is and was, outside of the pool.
#[derive(Debug, Default)]
struct Counts {
    made: AtomicUsize,
    alive: AtomicUsize,
    most_alive: AtomicUsize,
    ended: AtomicUsize,
    recycled: AtomicUsize,
    are_dead: AtomicBool,
}

impl Counts {
    fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }
}

/// A thing that notices when it is gone, in whatever way.
#[derive(Debug)]
struct Thing {
    number: usize,
    /// What its last holder wrote on it.
    note: &'static str,
    counts: Arc<Counts>,
}

impl Drop for Thing {
    fn drop(&mut self) {
        self.counts.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Things {
    gates: Mutex<[Gate; 3]>,
    is_dirty: AtomicBool,
    counts: Arc<Counts>,
}

impl Things {
    fn with(create: Gate, recycle: Gate, destroy: Gate) -> Self {
        Self { gates: Mutex::new([create, recycle, destroy]), is_dirty: AtomicBool::new(false), counts: Arc::default() }
    }

    fn good() -> Self {
        Self::with(Gate::Ok, Gate::Ok, Gate::Ok)
    }

    fn gate(&self, verb: usize) -> Gate {
        self.gates.lock().unwrap()[verb]
    }
}

/// By reference, so that a test can change what it does.
#[derive(Clone, Debug)]
struct Shared(Arc<Things>);

impl Manage for Shared {
    type Resource = Thing;
    type Error = Refused;

    async fn create(&self) -> Result<Thing, Refused> {
        let counts = &self.0.counts;
        self.0.gate(0).pass("create").await?;
        let alive = counts.alive.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most_alive.fetch_max(alive, Ordering::SeqCst);
        let number = counts.made.fetch_add(1, Ordering::SeqCst);
        Ok(Thing { number, note: "", counts: counts.clone() })
    }

    async fn recycle(&self, thing: &mut Thing) -> Result<Condition, Refused> {
        self.0.gate(1).pass("recycle").await?;
        self.0.counts.recycled.fetch_add(1, Ordering::SeqCst);
        thing.note = "";
        Ok(if self.0.is_dirty.load(Ordering::SeqCst) { Condition::Dirty } else { Condition::Clean })
    }

    async fn destroy(&self, thing: Thing) -> Result<(), Refused> {
        self.0.gate(2).pass("destroy").await?;
        self.0.counts.ended.fetch_add(1, Ordering::SeqCst);
        drop(thing);
        Ok(())
    }

    fn is_alive(&self, _: &Thing) -> bool {
        !self.0.counts.are_dead.swap(false, Ordering::SeqCst)
    }
}

/// A pool with short limits.
fn builder(things: Things) -> (ResourcePoolBuilder<Shared>, Arc<Things>) {
    let things = Arc::new(things);
    let builder = ResourcePool::builder(Shared(things.clone()))
        .acquire_timeout(3 * LIMIT)
        .create_timeout(LIMIT)
        .recycle_timeout(LIMIT)
        .destroy_timeout(LIMIT);
    (builder, things)
}

fn pool(things: Things, max_size: usize) -> (ResourcePool<Shared>, Arc<Things>) {
    let (builder, things) = builder(things);
    (builder.max_size(max_size).build().unwrap(), things)
}

/// Until the tasks of the pool have done what they can do without time passing.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
