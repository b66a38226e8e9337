//! What all handles, guards and tasks of one pool share.
//!
//! Counts change in one place each: a [`Slot`] stands for one resource that is not idle, and gives its count back however
//! its owner ends, by a panic or with its runtime too. No code of the pool's user runs under the lock.

use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use scopeguard::ScopeGuard;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::error::{ResourcePoolError, Wait, flatten};
use super::manage::{Condition, Manage};
use super::options::Options;
use super::state::{CloseCause, Event, Place, State, Step};
use super::status::{CloseSummary, ResourcePoolStatus};
use crate::executor::panics::message_of;

/// A resource on its way to a holder or with one; when it is dropped, the pool gets it back.
pub(super) type Held<M> = ScopeGuard<Parts<M>, fn(Parts<M>)>;
type Grant<M> = Result<Held<M>, ResourcePoolError<<M as Manage>::Error>>;
type Waiter<M> = oneshot::Sender<Grant<M>>;

pub(super) struct Parts<M: Manage> {
    pub(super) resource: M::Resource,
    pub(super) slot: Slot<M>,
    /// No holder has had it since it was last clean.
    pub(super) is_untouched: bool,
    /// It is to be replaced.
    pub(super) is_dirty: bool,
}

/// The answer to who wants a resource.
pub(super) enum Asked<M: Manage> {
    Lent(Held<M>),
    InLine(Ticket<M>, oneshot::Receiver<Grant<M>>),
}

pub(super) struct Shared<M: Manage> {
    manage: M,
    options: Options,
    runtime: Handle,
    started: Instant,
    state: Mutex<State<M::Resource, Waiter<M>>>,
    /// A resource is gone.
    gone: Notify,
    /// Cancelled when the pool is closed.
    closing: CancellationToken,
}

impl<M: Manage> Shared<M> {
    pub(super) fn new(manage: M, options: Options, runtime: Handle) -> Self {
        let state = Mutex::new(State::new(options.max_size, options.breaker));
        let (gone, closing) = (Notify::new(), CancellationToken::new());
        Self { manage, options, runtime, started: Instant::now(), state, gone, closing }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn status(&self) -> ResourcePoolStatus {
        self.lock().status(self.now())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed().is_some()
    }

    /// Takes what is idle, or a place in the line.
    pub(super) fn ask(self: &Arc<Self>, is_first: bool) -> Result<Asked<M>, ResourcePoolError<M::Error>> {
        let mut state = self.lock();
        if let Some(cause) = state.closed() {
            return Err(closed(cause));
        }
        if let Some(resource) = state.take_idle() {
            drop(state);
            return Ok(Asked::Lent(self.held(resource)));
        }
        let (sender, receiver) = oneshot::channel();
        let ticket = state.enqueue(sender, is_first);
        drop(state);
        Ok(Asked::InLine(Ticket { shared: self.clone(), ticket }, receiver))
    }

    pub(super) fn is_alive(&self, resource: &M::Resource) -> bool {
        let asked = panic::catch_unwind(AssertUnwindSafe(|| self.manage.is_alive(resource)));
        asked.unwrap_or_else(|panic| {
            tracing::warn!("asking whether a resource is alive panicked: {}", message_of(&*panic));
            false
        })
    }

    /// Does all that can be done now.
    pub(super) fn pump(self: &Arc<Self>) {
        loop {
            // the lock is not held while the step is taken
            let step = self.lock().next(self.now());
            let (waiter, grant) = match step {
                None => return,
                Some(Step::Create { is_trial }) => {
                    let slot = Slot::new(self.clone(), Place::Creating);
                    self.runtime.spawn(create(self.clone(), slot, is_trial));
                    continue;
                }
                Some(Step::Lend(resource, waiter)) => (waiter, Ok(self.held(resource))),
                Some(Step::CircuitOpen { waiter, failures, retry_in, last }) => {
                    (waiter, Err(ResourcePoolError::CircuitOpen { failures, retry_in, last }))
                }
                Some(Step::Refuse(waiter, cause)) => (waiter, Err(closed(cause))),
            };
            // who has gone in the meantime lets it drop: a resource is idle again then
            drop(waiter.send(grant));
        }
    }

    /// Lends nothing any more, and ends what it can.
    pub(super) fn begin_close(self: &Arc<Self>) {
        let idle = self.lock().close(CloseCause::Closed);
        self.closing.cancel();
        for resource in idle {
            let slot = Slot::new(self.clone(), Place::Destroying);
            self.runtime.spawn(destroy(self.clone(), resource, slot));
        }
        self.pump();
    }

    /// Waits until no resource exists.
    pub(super) async fn until_empty(&self, deadline: Instant) -> CloseSummary {
        loop {
            let gone = self.gone.notified();
            let (is_empty, summary) = {
                let state = self.lock();
                (state.size() == 0, state.summary())
            };
            if is_empty || timeout_at(deadline, gone).await.is_err() {
                return if is_empty { summary } else { self.lock().summary() };
            }
        }
    }

    /// Wraps a resource that counts as in use already.
    fn held(self: &Arc<Self>, resource: M::Resource) -> Held<M> {
        let slot = Slot::new(self.clone(), Place::InUse);
        let parts = Parts { resource, slot, is_untouched: true, is_dirty: false };
        scopeguard::guard(parts, give_back as fn(Parts<M>))
    }

    fn note(&self, event: Event) {
        self.lock().note(event);
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State<M::Resource, Waiter<M>>> {
        // only the pool's own code runs under the lock, and none of it leaves a count half changed
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The count of one resource that is not idle.
pub(super) struct Slot<M: Manage> {
    shared: Arc<Shared<M>>,
    place: Place,
    has_ended: bool,
}

impl<M: Manage> Slot<M> {
    /// For a resource that is counted already.
    fn new(shared: Arc<Shared<M>>, place: Place) -> Self {
        Self { shared, place, has_ended: false }
    }

    fn move_to(&mut self, place: Place) {
        let mut state = self.shared.lock();
        state.leave(self.place);
        state.enter(place);
        drop(state);
        self.place = place;
        self.shared.pump();
    }

    fn into_idle(mut self, resource: M::Resource) {
        let mut state = self.shared.lock();
        if state.closed().is_some() {
            drop(state);
            self.move_to(Place::Destroying);
            let shared = self.shared.clone();
            shared.runtime.spawn(destroy(shared.clone(), resource, self));
            return;
        }
        state.put_idle(self.place, resource);
        self.has_ended = true;
        drop(state);
        self.shared.pump();
    }

    /// The resource is gone, or was taken out of the pool.
    pub(super) fn end(mut self, event: Option<Event>) {
        let mut state = self.shared.lock();
        state.leave(self.place);
        if let Some(event) = event {
            state.note(event);
        }
        self.has_ended = true;
        drop(state);
        self.shared.gone.notify_waiters();
        self.shared.pump();
    }
}

impl<M: Manage> Drop for Slot<M> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // only a runtime that ends drops a task of the pool before it has ended its slot
        let mut state = self.shared.lock();
        state.leave(self.place);
        let idle = state.close(CloseCause::RuntimeGone);
        idle.iter().for_each(|_| state.leave(Place::Destroying));
        drop(state);
        drop(idle);
        self.shared.gone.notify_waiters();
        self.shared.pump();
    }
}

/// A place in the line, given up when it is dropped.
pub(super) struct Ticket<M: Manage> {
    shared: Arc<Shared<M>>,
    ticket: i64,
}

impl<M: Manage> Ticket<M> {
    /// Gives it up, and says what was waited for; `None` if it was called already.
    pub(super) fn leave(&self) -> Option<Wait> {
        self.shared.lock().dequeue(self.ticket)
    }
}

impl<M: Manage> Drop for Ticket<M> {
    fn drop(&mut self) {
        _ = self.leave();
    }
}

/// Closes the pool with its last handle.
pub(super) struct LastHandle<M: Manage>(pub(super) Arc<Shared<M>>);

impl<M: Manage> Drop for LastHandle<M> {
    fn drop(&mut self) {
        self.0.begin_close();
    }
}

/// Called with what a holder has dropped.
fn give_back<M: Manage>(parts: Parts<M>) {
    let Parts { resource, mut slot, is_untouched, is_dirty } = parts;
    let shared = slot.shared.clone();
    // a holder that panics may have left it in any state
    if is_dirty || !is_untouched && std::thread::panicking() {
        shared.note(Event::Replaced);
        slot.move_to(Place::Destroying);
        shared.runtime.spawn(destroy(shared.clone(), resource, slot));
    } else if is_untouched || shared.is_closed() {
        slot.into_idle(resource); // which is not idle in a closed pool
    } else {
        slot.move_to(Place::Recycling);
        shared.runtime.spawn(recycle(shared.clone(), resource, slot));
    }
}

async fn create<M: Manage>(shared: Arc<Shared<M>>, slot: Slot<M>, is_trial: bool) {
    let limit = shared.options.create_timeout;
    let called = timeout(limit, caught(|| shared.manage.create()));
    let error = match shared.closing.run_until_cancelled(called).await {
        None => return slot.end(None),
        Some(Ok(Ok(Ok(resource)))) => {
            let mut state = shared.lock();
            state.breaker.on_success();
            state.note(Event::Created);
            drop(state);
            return slot.into_idle(resource);
        }
        Some(Ok(Ok(Err(source)))) => ResourcePoolError::Create { source },
        Some(Ok(Err(panicked))) => ResourcePoolError::CreatePanicked(panicked),
        Some(Err(_)) => ResourcePoolError::Timeout { wait: Wait::Create, after: limit },
    };
    let text = flatten(&error);
    tracing::debug!("a resource was not created: {text}");
    let mut state = shared.lock();
    state.note(Event::Failed);
    state.set_last_error(text);
    let trial = state.breaker.on_failure(shared.now(), is_trial);
    let waiter = state.first_waiter();
    drop(state);
    if let Some(waiter) = waiter {
        drop(waiter.send(Err(error)));
    }
    if let Some(at) = trial {
        shared.runtime.spawn(pump_at(Arc::downgrade(&shared), shared.closing.clone(), shared.started + at));
    }
    slot.end(None);
}

/// Tries again for those who wait when the breaker's pause is over.
async fn pump_at<M: Manage>(shared: Weak<Shared<M>>, closing: CancellationToken, at: Instant) {
    if closing.run_until_cancelled(sleep_until(at)).await.is_some()
        && let Some(shared) = shared.upgrade()
    {
        shared.pump();
    }
}

async fn recycle<M: Manage>(shared: Arc<Shared<M>>, mut resource: M::Resource, mut slot: Slot<M>) {
    let (manage, returned) = (&shared.manage, &mut resource);
    let called = timeout(shared.options.recycle_timeout, caught(move || manage.recycle(returned)));
    let failure = match shared.closing.run_until_cancelled(called).await {
        Some(Ok(Ok(Ok(Condition::Clean)))) => {
            shared.note(Event::Recycled);
            return slot.into_idle(resource);
        }
        None | Some(Ok(Ok(Ok(Condition::Dirty)))) => None,
        Some(Ok(Ok(Err(error)))) => Some(flatten(&error)),
        Some(Ok(Err(panicked))) => Some(format!("it panicked: {panicked}")),
        Some(Err(_)) => Some("it took longer than recycle_timeout".to_owned()),
    };
    if let Some(failure) = failure {
        tracing::debug!("a returned resource is replaced, since it could not be cleaned: {failure}");
        shared.note(Event::Failed);
    }
    shared.note(Event::Replaced);
    slot.move_to(Place::Destroying);
    destroy(shared, resource, slot).await;
}

async fn destroy<M: Manage>(shared: Arc<Shared<M>>, resource: M::Resource, slot: Slot<M>) {
    let called = timeout(shared.options.destroy_timeout, caught(|| shared.manage.destroy(resource)));
    let failure = match called.await {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => Some(flatten(&error)),
        Ok(Err(panicked)) => Some(format!("it panicked: {panicked}")),
        Err(_) => Some("it took longer than destroy_timeout".to_owned()),
    };
    if let Some(failure) = failure {
        let leftover = format!("a resource was not ended in order: {failure}");
        tracing::warn!("{leftover}");
        let mut state = shared.lock();
        state.note(Event::Failed);
        state.add_leftover(leftover);
    }
    slot.end(Some(Event::Destroyed));
}

/// Calls and awaits code of the pool's user; the message of its panic if it panics.
async fn caught<T, F: Future<Output = T>>(call: impl FnOnce() -> F) -> Result<T, String> {
    let called = AssertUnwindSafe(async { call().await }).catch_unwind().await;
    called.map_err(|panic| message_of(&*panic))
}

fn closed<E: std::error::Error>(cause: CloseCause) -> ResourcePoolError<E> {
    match cause {
        CloseCause::Closed => ResourcePoolError::Closed,
        CloseCause::RuntimeGone => ResourcePoolError::RuntimeGone,
    }
}

/// The end of a wait of `limit`, which may be longer than time lasts.
pub(super) fn instant_after(limit: Duration) -> Instant {
    /// What counts as for ever.
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
    Instant::now() + limit.min(YEAR)
}
