//! One worker and its session: open, ask for work, attempt, lend, check health while idle, recycle, close.
//!
//! With more than one order at a time, `lane` has the attempts of a session made; otherwise `attempt` makes them one by one.
//! What follows from how an attempt ended is the same for both.

mod attempt;
mod lane;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tracing::{debug, info, warn};

use super::channel::{Event, Events, LeaseGuard, Requests, Work};
use super::handover::{Handover, HandoverReady};
use crate::backend::{Session, SessionError, SessionFactory, Site};
use crate::config::Timeouts;
use crate::model::{AttemptEnd, Receipt, Stage, WorkerId};
use crate::policy::{FailureStage, MAX_PAGE_TIMEOUTS, RecycleReason};
use crate::pool::pooled_session::PooledSession;
use crate::pool::scheduler::{DesiredState, Input, SessionOpened};

/// How often the health of an idle session is checked: often enough that a dead one is replaced before the next order
/// comes, rarely enough to cost nothing.
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);

/// A busy session is never idle for that long, so its health is also checked after this many attempts: its profile may
/// have outgrown its limit.
const HEALTH_AFTER: u32 = 10;

/// How a worker ended.
#[derive(Debug)]
pub(crate) struct WorkerReport {
    pub(crate) cause: ExitCause,
    /// How far its session had come.
    pub(crate) stage: FailureStage,
    /// What closing could not remove.
    pub(crate) leftovers: Vec<String>,
}

impl WorkerReport {
    fn unopened(cause: ExitCause) -> Self {
        Self { cause, stage: FailureStage::Starting, leftovers: Vec::new() }
    }
}

/// Why a worker ended.
#[derive(Debug)]
pub(crate) enum ExitCause {
    /// It was told to.
    Retired,
    /// Its session is broken.
    Replace(String),
    /// Its session is healthy and has served its time.
    Recycle(RecycleReason),
    /// Its session could not be opened.
    NotOpened(SessionError),
}

/// What is to be done with a session in which nothing is in work any more.
enum LaneStop {
    /// This was assigned, which concerns the whole session.
    Work(Work),
    /// Its next session is open, or could not be opened.
    HandOver(HandoverReady),
    CheckHealth,
    /// It is broken, for this reason.
    Replace(String),
}

/// What all workers share.
pub(crate) struct WorkerContext {
    pub(crate) sessions: Arc<dyn SessionFactory>,
    pub(crate) site: Option<Arc<dyn Site>>,
    pub(crate) events: Events,
    pub(crate) desired: watch::Receiver<DesiredState>,
    pub(crate) timeouts: Timeouts,
    /// How many orders one session may have in work at a time; more than one if the site has lanes.
    pub(crate) slot_count: usize,
}

/// A worker. Dropping it, or its future, kills its session.
pub(crate) struct Worker {
    id: WorkerId,
    context: Arc<WorkerContext>,
    /// Attempts that the session has made.
    attempt_count: u32,
    /// Page timeouts in a row.
    page_timeouts: u32,
    is_logged_in: bool,
    /// Whether the session was ended to free memory.
    is_evicted: Arc<AtomicBool>,
    handover: Handover,
    requests: Requests,
    /// What was assigned to it and was not begun yet.
    assigned: VecDeque<Work>,
}

impl Worker {
    pub(crate) fn new(id: WorkerId, context: Arc<WorkerContext>) -> Self {
        Self {
            id,
            context,
            attempt_count: 0,
            page_timeouts: 0,
            is_logged_in: false,
            is_evicted: Arc::default(),
            handover: Handover::default(),
            requests: Requests::default(),
            assigned: VecDeque::new(),
        }
    }

    /// Runs until there is a reason to end. Dropping the future kills the session, and reports a crash of its attempt.
    pub(crate) async fn run(mut self) -> WorkerReport {
        self.report(Input::WorkerStarting(self.id));
        let session = match self.open().await {
            Ok(Some(session)) => session,
            Ok(None) => return WorkerReport::unopened(ExitCause::Retired),
            Err(error) => return WorkerReport::unopened(ExitCause::NotOpened(error)),
        };
        self.report_opened(session.as_ref(), false);
        let (cause, session) = self.work(session).await;
        self.requests = Requests::default();
        self.assigned.drain(..).for_each(Work::give_back);
        let cause = match cause {
            // nothing is wrong with it
            ExitCause::Replace(_) if self.is_evicted.load(Ordering::Acquire) => {
                ExitCause::Recycle(RecycleReason::Memory)
            }
            cause => cause,
        };
        self.report(Input::WorkerClosing(self.id));
        debug!(worker = %self.id, ?cause, "closing the browser");
        let mut leftovers = Vec::new();
        if let Some(session) = session {
            if matches!(cause, ExitCause::Replace(_)) && session.is_usable() {
                session.kill_switch().kill(); // a broken one is not spoken to again
            }
            leftovers.extend(session.close().await.leftovers);
        }
        let mut desired = self.context.desired.clone();
        leftovers.extend(self.handover.end(&mut desired).await);
        let stage = if self.attempt_count > 0 { FailureStage::AtWork } else { FailureStage::Waiting };
        WorkerReport { cause, stage, leftovers }
    }

    /// Works until there is a reason to end. No session comes back when a borrower keeps it: it was killed, and what it
    /// leaves is swept at the next start.
    async fn work(&mut self, mut session: Box<dyn Session>) -> (ExitCause, Option<Box<dyn Session>>) {
        let mut next = None;
        loop {
            let work = match next.take().or_else(|| self.assigned.pop_front()) {
                Some(work) => work,
                None => match self.ask(&mut session).await {
                    Ok(work) => work,
                    Err(error) => return (ExitCause::Replace(error.to_string()), Some(session)),
                },
            };
            match work {
                Work::Run(lease) if self.context.slot_count > 1 => {
                    match self.attempt_several(session.as_mut(), lease).await {
                        LaneStop::Work(work) => next = Some(work),
                        LaneStop::HandOver(opened) => {
                            next = self.take_over(&mut session, opened).err().map(Work::Recycle);
                        }
                        LaneStop::CheckHealth => match session.check_health().await {
                            Ok(health) => next = health.is_outgrown.then_some(Work::Recycle(RecycleReason::Profile)),
                            Err(why) => return (ExitCause::Replace(why.to_string()), Some(session)),
                        },
                        LaneStop::Replace(why) => return (ExitCause::Replace(why), Some(session)),
                    }
                }
                Work::Run(lease) => {
                    if let Err(why) = self.attempt(session.as_mut(), lease).await {
                        return (ExitCause::Replace(why), Some(session));
                    }
                    if self.page_timeouts >= MAX_PAGE_TIMEOUTS {
                        let why = format!("its pages timed out {MAX_PAGE_TIMEOUTS} times in a row");
                        return (ExitCause::Replace(why), Some(session));
                    }
                }
                Work::Lend(borrower, guard) => match self.lend(session, borrower, guard).await {
                    Some(returned) if returned.is_usable() => session = returned,
                    Some(returned) => {
                        let why = "its borrower left it unusable".to_owned();
                        return (ExitCause::Replace(why), Some(returned));
                    }
                    None => return (ExitCause::Replace("its borrower did not give it back".to_owned()), None),
                },
                Work::RecycleAhead(reason) => self.open_next(reason),
                Work::Recycle(reason) => return (ExitCause::Recycle(reason), Some(session)),
                Work::Retire => return (ExitCause::Retired, Some(session)),
            }
        }
    }

    fn open_next(&mut self, reason: RecycleReason) {
        debug!(worker = %self.id, "opening the next browser: {reason}");
        let sessions = Arc::clone(&self.context.sessions);
        self.handover.begin(sessions, self.id, reason, self.context.timeouts.open);
    }

    fn report(&self, input: Input) {
        self.context.events.input(input);
    }

    fn report_opened(&mut self, session: &dyn Session, is_handover: bool) {
        let (pid, kill) = (session.root_pid(), session.kill_switch());
        info!(worker = %self.id, pid, "browser started");
        self.is_evicted = Arc::default();
        let (worker, is_evicted) = (self.id, Arc::clone(&self.is_evicted));
        let opened = SessionOpened { pid, is_handover };
        self.context.events.send(Event::SessionOpened { worker, opened, kill, is_evicted });
    }

    /// Goes on with the next session, and has the old one closed meanwhile. If the next one did not open, perhaps since
    /// there is no room for two, the old one is to be closed first: the error says why it was to go.
    fn take_over(&mut self, session: &mut Box<dyn Session>, next: HandoverReady) -> Result<(), RecycleReason> {
        let next = match next.opened {
            Ok(next) => next,
            Err(why) => {
                info!(worker = %self.id, "the next browser did not open, closing this one first: {why}");
                return Err(next.reason);
            }
        };
        self.handover.close(std::mem::replace(session, next));
        (self.attempt_count, self.page_timeouts, self.is_logged_in) = (0, 0, false);
        self.report_opened(session.as_ref(), true);
        Ok(())
    }

    /// A session, or none when the pool aborts meanwhile. A pool that merely drains waits until the browser is open, and
    /// closes it in order: killing one while it starts is the surest way to leave something behind.
    async fn open(&self) -> Result<Option<Box<dyn Session>>, SessionError> {
        let timeout = self.context.timeouts.open;
        let mut desired = self.context.desired.clone();
        tokio::select! {
            opened = tokio::time::timeout(timeout, self.context.sessions.open(self.id)) => match opened {
                Ok(session) => session.map(Some),
                Err(_) => Err(SessionError::NotStarted(format!(
                    "it was not ready within {}; on a slow machine raise startup_timeout",
                    humantime::format_duration(timeout)
                ))),
            },
            // an error means that the dispatcher is gone, which is an abort too
            _ = desired.wait_for(|desired| desired.stage >= Stage::Aborting) => Ok(None),
        }
    }

    /// Asks for work, and checks the session's health while it waits. The error says why the session is to be replaced.
    async fn ask(&mut self, session: &mut Box<dyn Session>) -> Result<Work, SessionError> {
        if let Some(next) = self.handover.try_next()
            && let Err(reason) = self.take_over(session, next)
        {
            return Ok(Work::Recycle(reason));
        }
        let is_check_due = self.attempt_count > 0 && self.attempt_count.is_multiple_of(HEALTH_AFTER);
        if is_check_due && session.check_health().await?.is_outgrown {
            return Ok(Work::Recycle(RecycleReason::Profile));
        }
        if self.requests.len() == 0 {
            self.request_work(session.median_page_time());
        }
        loop {
            tokio::select! {
                biased;
                work = self.requests.next() => return Ok(work),
                // work that is assigned after this goes back at no cost
                next = self.handover.next() => if let Err(reason) = self.take_over(session, next) {
                    return Ok(Work::Recycle(reason));
                },
                // before an order is lost with it; work that is assigned after this goes back at no cost
                why = session.ended() => return Err(why),
                // to its end, even if work is assigned meanwhile: a command dropped midway would cost the session
                () = tokio::time::sleep(HEALTH_INTERVAL) => if session.check_health().await?.is_outgrown {
                    return Ok(Work::Recycle(RecycleReason::Profile));
                },
            }
        }
    }

    /// Asks for one order more.
    fn request_work(&mut self, median_page_time: Option<Duration>) {
        let (worker, attempt_count, reply) = (self.id, self.attempt_count, self.requests.add());
        self.context.events.send(Event::WorkRequested { worker, attempt_count, median_page_time, reply });
    }

    /// Lends the session and waits until it comes back; `None` when it does not in time.
    async fn lend(
        &mut self,
        session: Box<dyn Session>,
        borrower: oneshot::Sender<PooledSession>,
        guard: LeaseGuard,
    ) -> Option<Box<dyn Session>> {
        let kill = session.kill_switch();
        let (loan, returned) = PooledSession::new(self.id, session);
        if let Err(loan) = borrower.send(loan) {
            guard.end(AttemptEnd::Returned, None);
            return loan.into_session();
        }
        self.attempt_count += 1;
        let mut desired = self.context.desired.clone();
        let limit = self.context.timeouts.attempt;
        let session = tokio::select! {
            returned = returned => returned.ok(),
            _ = desired.wait_for(|desired| desired.stage >= Stage::Aborting) => None,
            () = tokio::time::sleep(limit) => {
                let limit = humantime::format_duration(limit);
                warn!(worker = %self.id, "a borrowed browser was not given back within {limit} (task_timeout): ending it");
                None
            }
        };
        if session.is_none() {
            kill.kill();
        }
        guard.end(AttemptEnd::Done(Receipt::default()), None);
        session
    }
}
