//! One worker's life with its session: open, ask, attempt, settle, probe while idle, renew, close.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tracing::{debug, info, warn};

use super::lease::{Assignment, Lease, LeaseGuard, WorkRequest};
use crate::backend::{Attempt, AttemptError, KillSwitch, Session, SessionError, SessionFactory, Site};
use crate::config::Timeouts;
use crate::model::{AttemptEnd, Failure, FailureKind, Fault, Receipt, SessionAction, Stage, WorkerId};
use crate::policy::{FailureStage, MAX_PAGE_TIMEOUTS, RecycleReason};
use crate::pool::control::PoolControl;
use crate::pool::pooled_session::{AcquireRequest, PooledSession};
use crate::pool::runtime::handover::{Handover, Next};
use crate::pool::scheduler::{DesiredState, Input};

/// How often an idle session is asked for a sign of life: often enough that a dead one is replaced before the next
/// order comes, rarely enough to cost nothing.
const PROBE_EVERY: Duration = Duration::from_secs(30);

/// A busy session is never idle for that long, so it is also asked after so many attempts: its profile may have outgrown
/// its limit.
const PROBE_AFTER: u32 = 10;

/// What the heart is told of a session that was opened.
#[derive(Debug)]
pub(crate) struct SessionOpened {
    pub(crate) pid: Option<u32>,
    pub(crate) kill: KillSwitch,
    /// Whether it has taken over from one that was worn.
    pub(crate) is_renewal: bool,
    /// Set by whoever uses `kill` for want of memory.
    pub(crate) is_evicted: Arc<AtomicBool>,
}

/// What the heart is told of a session that has ended.
#[derive(Debug)]
pub(crate) struct WorkerExited {
    pub(crate) because: WorkerExit,
    pub(crate) error: Option<String>,
}

/// What becomes of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerExit {
    /// It is not wanted any more.
    Retired,
    /// It gets another session, since this one was sick.
    Replaced,
    /// It gets another session, though this one was well.
    Recycled,
    /// It failed too often.
    TripCause,
}

/// How a worker ended.
#[derive(Debug)]
pub(crate) struct WorkerEnd {
    pub(crate) how: ExitCause,
    /// How far its session had come.
    pub(crate) came_to: FailureStage,
    /// What closing could not remove.
    pub(crate) leftovers: Vec<String>,
}

impl WorkerEnd {
    fn unopened(how: ExitCause) -> Self {
        Self { how, came_to: FailureStage::Starting, leftovers: Vec::new() }
    }
}

/// Why a worker ended.
#[derive(Debug)]
pub(crate) enum ExitCause {
    /// It was told to.
    Retired,
    /// Its session is sick.
    Replace(String),
    /// Its session is worn.
    Recycle(RecycleReason),
    /// Its session could not be opened.
    NotOpened(SessionError),
}

/// What all workers share.
pub(crate) struct WorkerContext {
    pub(crate) sessions: Arc<dyn SessionFactory>,
    pub(crate) site: Option<Arc<dyn Site>>,
    pub(crate) calls: async_channel::Sender<WorkRequest>,
    pub(crate) control: PoolControl,
    pub(crate) directive: watch::Receiver<DesiredState>,
    pub(crate) deadlines: Timeouts,
}

pub(crate) struct Worker {
    id: WorkerId,
    shop: Arc<WorkerContext>,
    /// Attempts that the session has served.
    served: u32,
    /// Failures in a row that were the session's fault.
    strikes: u32,
    is_let_in: bool,
    /// Whether the session was ended for want of memory.
    is_evicted: Arc<AtomicBool>,
    renewal: Handover,
}

impl Worker {
    pub(crate) fn new(id: WorkerId, shop: Arc<WorkerContext>) -> Self {
        let renewal = Handover::default();
        Self { id, shop, served: 0, strikes: 0, is_let_in: false, is_evicted: Arc::default(), renewal }
    }

    pub(crate) async fn run(mut self) -> WorkerEnd {
        self.shop.control.note(Input::WorkerStarting(self.id));
        let session = match self.open().await {
            Ok(Some(session)) => session,
            Ok(None) => return WorkerEnd::unopened(ExitCause::Retired),
            Err(error) => return WorkerEnd::unopened(ExitCause::NotOpened(error)),
        };
        self.tell_up(session.as_ref(), false);
        let (how, session) = self.work(session).await;
        let how = match how {
            // nothing is wrong with it
            ExitCause::Replace(_) if self.is_evicted.load(Ordering::Acquire) => {
                ExitCause::Recycle(RecycleReason::Memory)
            }
            how => how,
        };
        self.shop.control.note(Input::WorkerClosing(self.id));
        debug!(worker = %self.id, ?how, "closing the browser");
        let mut leftovers = Vec::new();
        if let Some(session) = session {
            if matches!(how, ExitCause::Replace(_)) && session.is_usable() {
                session.kill_switch().kill(); // a sick one is not talked to
            }
            leftovers.extend(session.close().await.leftovers);
        }
        let mut directive = self.shop.directive.clone();
        leftovers.extend(self.renewal.end(&mut directive).await);
        let came_to = if self.served > 0 { FailureStage::AtWork } else { FailureStage::Waiting };
        WorkerEnd { how, came_to, leftovers }
    }

    /// Works until there is a reason to end. The session is none when whoever borrowed it keeps it: it ends where it is,
    /// and what it leaves is swept at the next start.
    async fn work(&mut self, mut session: Box<dyn Session>) -> (ExitCause, Option<Box<dyn Session>>) {
        loop {
            let grant = match self.ask(&mut session).await {
                Ok(grant) => grant,
                Err(error) => return (ExitCause::Replace(error.to_string()), Some(session)),
            };
            match grant {
                Assignment::Run(lease) => {
                    if let Err(why) = self.attempt(session.as_mut(), lease).await {
                        return (ExitCause::Replace(why), Some(session));
                    }
                    if self.strikes >= MAX_PAGE_TIMEOUTS {
                        let why = format!("its pages timed out {MAX_PAGE_TIMEOUTS} times in a row");
                        return (ExitCause::Replace(why), Some(session));
                    }
                }
                Assignment::Lend(request, guard) => match self.lend(session, request, guard).await {
                    Some(returned) if returned.is_usable() => session = returned,
                    Some(returned) => {
                        let why = "the caller who borrowed it left it unusable".to_owned();
                        return (ExitCause::Replace(why), Some(returned));
                    }
                    None => {
                        return (ExitCause::Replace("the caller who borrowed it kept it too long".to_owned()), None);
                    }
                },
                Assignment::RenewAhead(worn) => {
                    debug!(worker = %self.id, "opening the next browser: {worn}");
                    let sessions = Arc::clone(&self.shop.sessions);
                    self.renewal.begin(sessions, self.id, worn, self.shop.deadlines.open);
                }
                Assignment::Renew(worn) => return (ExitCause::Recycle(worn), Some(session)),
                Assignment::Retire => return (ExitCause::Retired, Some(session)),
            }
        }
    }

    fn tell_up(&mut self, session: &dyn Session, is_renewal: bool) {
        self.is_evicted = Arc::default();
        let is_evicted = Arc::clone(&self.is_evicted);
        let up = SessionOpened { pid: session.root_pid(), kill: session.kill_switch(), is_renewal, is_evicted };
        info!(worker = %self.id, pid = up.pid, "browser started");
        self.shop.control.note(Input::SessionOpened(self.id, up));
    }

    /// Goes on with the next session, and has the old one closed meanwhile. There may be no room for two, though: then
    /// the old one is to be closed first.
    fn take_over(&mut self, session: &mut Box<dyn Session>, next: Next) -> Result<(), RecycleReason> {
        let next = match next.opened {
            Ok(next) => next,
            Err(why) => {
                info!(worker = %self.id, "closing the browser before the next one opens, which did not come up: {why}");
                return Err(next.worn);
            }
        };
        self.renewal.close(std::mem::replace(session, next));
        (self.served, self.strikes, self.is_let_in) = (0, 0, false);
        self.tell_up(session.as_ref(), true);
        Ok(())
    }

    /// A session, or nothing when the pool aborts meanwhile. A pool that merely drains waits for the browser to be up and
    /// closes it in order: killing one in the middle of its start is the surest way to leave something behind.
    async fn open(&self) -> Result<Option<Box<dyn Session>>, SessionError> {
        let deadline = self.shop.deadlines.open;
        let mut directive = self.shop.directive.clone();
        tokio::select! {
            opened = tokio::time::timeout(deadline, self.shop.sessions.open(self.id)) => match opened {
                Ok(session) => session.map(Some),
                Err(_) => Err(SessionError::NotStarted(format!(
                    "it was not ready within {deadline:?}; if this machine is merely slow, raise startup_timeout"
                ))),
            },
            // an error means that the dispatcher is gone, which is an abort too
            _ = directive.wait_for(|directive| directive.stage >= Stage::Aborting) => Ok(None),
        }
    }

    /// Calls for work and looks after the session while waiting. The error says why it is to be replaced.
    async fn ask(&mut self, session: &mut Box<dyn Session>) -> Result<Assignment, SessionError> {
        if let Some(next) = self.renewal.try_next()
            && let Err(worn) = self.take_over(session, next)
        {
            return Ok(Assignment::Renew(worn));
        }
        if self.served > 0 && self.served.is_multiple_of(PROBE_AFTER) && session.check_health().await?.is_outgrown {
            return Ok(Assignment::Renew(RecycleReason::Profile));
        }
        let (reply, mut answer) = oneshot::channel();
        let call = WorkRequest { worker: self.id, served: self.served, page_time: session.median_page_time(), reply };
        if self.shop.calls.send(call).await.is_err() {
            return Ok(Assignment::Retire);
        }
        loop {
            tokio::select! {
                biased;
                grant = &mut answer => return Ok(grant.unwrap_or(Assignment::Retire)),
                // a grant that comes in between goes back at no cost
                next = self.renewal.next() => if let Err(worn) = self.take_over(session, next) {
                    return Ok(Assignment::Renew(worn));
                },
                // before an order is lost with it; a grant that comes in between goes back at no cost
                why = session.ended() => return Err(why),
                // to its end, even when a grant comes meanwhile: a command dropped midway would cost the session
                () = tokio::time::sleep(PROBE_EVERY) => if session.check_health().await?.is_outgrown {
                    return Ok(Assignment::Renew(RecycleReason::Profile));
                },
            }
        }
    }

    /// One attempt. The error says why the session is to be replaced.
    async fn attempt(&mut self, session: &mut dyn Session, lease: Lease) -> Result<(), String> {
        let attempt = &lease.attempt;
        let po = attempt.order.po.clone();
        debug!(worker = %self.id, %po, attempt = %attempt.no, "attempt started");
        let mut was_begun = false;
        let result = self.collect(session, &lease, &mut was_begun).await;
        self.served += 1;
        let (end, retry_after, fate) = match result {
            Ok(receipt) => {
                self.strikes = 0;
                (AttemptEnd::Done(receipt), None, SessionAction::Keep)
            }
            Err(error) => {
                if error.kind.fault() == Fault::Task || !was_begun {
                    // told with the order's outcome, or by the gate
                    debug!(worker = %self.id, %po, attempt = %attempt.no, kind = %error.kind, "attempt failed: {error}");
                } else {
                    info!(worker = %self.id, %po, attempt = %attempt.no, kind = %error.kind, "attempt failed: {error}");
                }
                self.is_let_in &= error.kind != FailureKind::LoginRequired;
                // somebody is waited for: there is nothing new to see
                let is_waiting = !was_begun && error.retry_after.is_some();
                let evidence = if is_waiting { None } else { self.capture_evidence(session, attempt, &error).await };
                let failure = Failure { evidence, ..error.to_failure() };
                let says_nothing_of_the_order = !was_begun && error.kind.fault() == Fault::Site;
                let end = if says_nothing_of_the_order {
                    AttemptEnd::NotBegun(failure)
                } else {
                    AttemptEnd::Failed(failure, error.receipt)
                };
                (end, error.retry_after, error.kind.fate())
            }
        };
        if fate == SessionAction::Strike {
            self.strikes += 1;
        }
        let is_lost = fate == SessionAction::Replace || !session.is_usable();
        if is_lost {
            session.kill_switch().kill(); // before the order goes elsewhere: nothing may write for it any more
        }
        let why = match &end {
            AttemptEnd::Failed(failure, _) | AttemptEnd::NotBegun(failure) => failure.message.clone(),
            AttemptEnd::Done(_) | AttemptEnd::Returned => "a command was left unanswered".to_owned(),
        };
        lease.end(end, retry_after);
        if is_lost { Err(why) } else { Ok(()) }
    }

    /// Has the site keep what can be seen of a failure, while it can be seen.
    async fn capture_evidence(
        &self,
        session: &mut dyn Session,
        attempt: &Attempt,
        error: &AttemptError,
    ) -> Option<String> {
        // what was stopped from outside says nothing about the portal, and a full disk takes no evidence
        if matches!(error.kind, FailureKind::Interrupted | FailureKind::DiskFull) || attempt.cancel.is_cancelled() {
            return None;
        }
        self.shop.site.as_ref()?.capture_evidence(session, attempt, error).await
    }

    /// `was_begun` tells whether the order itself was come to.
    async fn collect(
        &mut self,
        session: &mut dyn Session,
        lease: &Lease,
        was_begun: &mut bool,
    ) -> Result<Receipt, AttemptError> {
        let attempt = &lease.attempt;
        let Some(site) = self.shop.site.clone() else {
            return Err(AttemptError::new(FailureKind::Crashed, "the pool has no portal"));
        };
        let is_let_in = &mut self.is_let_in;
        let work = async {
            if !*is_let_in {
                site.log_in(attempt.worker, session).await?;
                *is_let_in = true;
            }
            *was_begun = true;
            site.collect(session, attempt).await
        };
        let Timeouts { attempt: limit, close: patience, .. } = self.shop.deadlines;
        let cancelled = async {
            attempt.cancel.cancelled().await;
            tokio::time::sleep(patience).await; // the attempt looks at its token between commands
        };
        tokio::select! {
            biased;
            result = work => result,
            () = cancelled => Err(AttemptError::new(FailureKind::Interrupted, "stopped in the middle of the order")),
            () = tokio::time::sleep(limit) => Err(AttemptError::new(
                FailureKind::StepTimeout,
                format!("the order was not done within {limit:?}; if its files are that large, raise task_timeout"),
            )),
        }
    }

    /// Lends the session and waits until it comes back; `None` when it does not in time.
    async fn lend(
        &mut self,
        session: Box<dyn Session>,
        request: AcquireRequest,
        guard: LeaseGuard,
    ) -> Option<Box<dyn Session>> {
        let kill = session.kill_switch();
        let (loan, returned) = PooledSession::new(self.id, session);
        if let Err(loan) = request.reply.send(loan) {
            guard.end(AttemptEnd::Returned, None);
            return loan.into_session();
        }
        self.served += 1;
        let mut directive = self.shop.directive.clone();
        let limit = self.shop.deadlines.attempt;
        let session = tokio::select! {
            returned = returned => returned.ok(),
            _ = directive.wait_for(|directive| directive.stage >= Stage::Aborting) => None,
            () = tokio::time::sleep(limit) => {
                warn!(worker = %self.id, "a borrowed session did not come back within {limit:?} and was ended");
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
