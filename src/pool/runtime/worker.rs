//! One worker and its session: open, ask for work, attempt, lend, check health while idle, recycle, close.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tracing::{debug, info, warn};

use super::channel::{Event, Events, Lease, LeaseGuard, Work};
use super::handover::{Handover, HandoverReady};
use crate::backend::{Attempt, AttemptError, Session, SessionError, SessionFactory, Site};
use crate::config::Timeouts;
use crate::model::{AttemptEnd, Failure, FailureKind, Fault, Receipt, SessionAction, Stage, WorkerId};
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

/// What all workers share.
pub(crate) struct WorkerContext {
    pub(crate) sessions: Arc<dyn SessionFactory>,
    pub(crate) site: Option<Arc<dyn Site>>,
    pub(crate) events: Events,
    pub(crate) desired: watch::Receiver<DesiredState>,
    pub(crate) timeouts: Timeouts,
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
        loop {
            let work = match self.ask(&mut session).await {
                Ok(work) => work,
                Err(error) => return (ExitCause::Replace(error.to_string()), Some(session)),
            };
            match work {
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
                    None => return (ExitCause::Replace("its borrower did not return it".to_owned()), None),
                },
                Work::RecycleAhead(reason) => {
                    debug!(worker = %self.id, "opening the next browser: {reason}");
                    let sessions = Arc::clone(&self.context.sessions);
                    self.handover.begin(sessions, self.id, reason, self.context.timeouts.open);
                }
                Work::Recycle(reason) => return (ExitCause::Recycle(reason), Some(session)),
                Work::Retire => return (ExitCause::Retired, Some(session)),
            }
        }
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
    /// there is no room for two, the old one must be closed first: the error says why it was to be replaced.
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

    /// A session, or none when the pool aborts meanwhile. A pool that merely drains waits until the browser is open,
    /// and closes it in order: killing one while it starts is the surest way to leave something behind.
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
        let (reply, mut answer) = oneshot::channel();
        self.context.events.send(Event::WorkRequested {
            worker: self.id,
            attempt_count: self.attempt_count,
            median_page_time: session.median_page_time(),
            reply,
        });
        loop {
            tokio::select! {
                biased;
                // an error means that the dispatcher is gone
                work = &mut answer => return Ok(work.unwrap_or(Work::Retire)),
                // work that is assigned after this is returned and not counted
                next = self.handover.next() => if let Err(reason) = self.take_over(session, next) {
                    return Ok(Work::Recycle(reason));
                },
                // before an order is lost with it; work that is assigned after this is returned and not counted
                why = session.ended() => return Err(why),
                // to its end, even if work is assigned meanwhile: a command dropped midway would cost the session
                () = tokio::time::sleep(HEALTH_INTERVAL) => if session.check_health().await?.is_outgrown {
                    return Ok(Work::Recycle(RecycleReason::Profile));
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
        self.attempt_count += 1;
        let (end, retry_after, action) = match result {
            Ok(receipt) => {
                self.page_timeouts = 0;
                (AttemptEnd::Done(receipt), None, SessionAction::Keep)
            }
            Err(error) => {
                if error.kind.fault() == Fault::Task || !was_begun {
                    // the order's outcome says so, or the circuit breaker
                    debug!(worker = %self.id, %po, attempt = %attempt.no, kind = %error.kind, "attempt failed: {error}");
                } else {
                    info!(worker = %self.id, %po, attempt = %attempt.no, kind = %error.kind, "attempt failed: {error}");
                }
                self.is_logged_in &= error.kind != FailureKind::LoginRequired;
                // while a person is waited for there is nothing new to see
                let is_waiting = !was_begun && error.retry_after.is_some();
                let evidence = if is_waiting { None } else { self.capture_evidence(session, attempt, &error).await };
                // a portal that does not answer while one logs in says nothing of the order
                let is_silent = !was_begun && error.kind == FailureKind::StepTimeout;
                let kind = if is_silent { FailureKind::SiteDown } else { error.kind };
                let failure = Failure { evidence, kind, ..error.to_failure() };
                let is_about_the_site = !was_begun && kind.fault() == Fault::Site;
                let end = if is_about_the_site {
                    AttemptEnd::NotBegun(failure)
                } else {
                    AttemptEnd::Failed(failure, error.receipt.map(|receipt| *receipt))
                };
                (end, error.retry_after, error.kind.session_action())
            }
        };
        if action == SessionAction::Strike {
            self.page_timeouts += 1;
        }
        let is_lost = action == SessionAction::Replace || !session.is_usable();
        if is_lost {
            session.kill_switch().kill(); // before the order goes elsewhere: nothing may write for it any more
        }
        let why = match &end {
            AttemptEnd::Failed(failure, _) | AttemptEnd::NotBegun(failure) => failure.message.clone(),
            AttemptEnd::Done(_) | AttemptEnd::Returned => "a command was not answered".to_owned(),
        };
        lease.end(end, retry_after);
        if is_lost { Err(why) } else { Ok(()) }
    }

    /// Has the site keep what the page shows of a failure, and returns where.
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
        let site = self.context.site.as_ref()?;
        // dropped in the middle it leaves the session with a command under way, which makes the session unusable
        let limit = self.context.timeouts.page;
        tokio::time::timeout(limit, site.capture_evidence(session, attempt, error)).await.unwrap_or_else(|_elapsed| {
            let limit = humantime::format_duration(limit);
            warn!(worker = %self.id, "evidence was not saved within {limit} (page_timeout)");
            None
        })
    }

    /// Logs in if that is needed, and fetches the order. `was_begun` tells whether it came to the order itself.
    async fn collect(
        &mut self,
        session: &mut dyn Session,
        lease: &Lease,
        was_begun: &mut bool,
    ) -> Result<Receipt, AttemptError> {
        let attempt = &lease.attempt;
        let Some(site) = self.context.site.clone() else {
            return Err(AttemptError::new(FailureKind::Crashed, "the pool has no portal"));
        };
        let is_logged_in = &mut self.is_logged_in;
        let work = async {
            if !*is_logged_in {
                site.log_in(attempt.worker, session).await?;
                *is_logged_in = true;
            }
            *was_begun = true;
            site.collect(session, attempt).await
        };
        let Timeouts { attempt: limit, close: grace, .. } = self.context.timeouts;
        let cancelled = async {
            attempt.cancel.cancelled().await;
            tokio::time::sleep(grace).await; // the attempt looks at its token between commands
        };
        let error = tokio::select! {
            biased;
            result = work => return result,
            () = cancelled => AttemptError::new(FailureKind::Interrupted, "the run was stopped during the attempt"),
            () = tokio::time::sleep_until(attempt.begun + limit) => AttemptError::new(
                FailureKind::StepTimeout,
                format!(
                    "the order was not finished within {}; if its files are that large, raise task_timeout",
                    humantime::format_duration(limit)
                ),
            ),
        };
        Err(AttemptError { receipt: attempt.interim.get().map(Box::new), ..error })
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
                warn!(worker = %self.id, "a borrowed browser was not returned within {limit} (task_timeout): ending it");
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
