//! Attempts at one order at a time, and what follows from how an attempt ended.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::Worker;
use crate::backend::{Attempt, AttemptError, LaneEnd, Session};
use crate::config::Timeouts;
use crate::model::{AttemptEnd, Failure, FailureKind, Fault, Receipt, SessionAction};
use crate::pool::runtime::channel::Lease;

/// What follows from how an attempt ended.
pub(super) struct Verdict {
    pub(super) end: AttemptEnd,
    /// How long the site wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    pub(super) action: SessionAction,
    /// Why the session is to be replaced, if it is.
    pub(super) why: String,
}

impl Worker {
    /// One attempt. The error says why the session is to be replaced.
    pub(super) async fn attempt(&mut self, session: &mut dyn Session, lease: Lease) -> Result<(), String> {
        let attempt = &lease.attempt;
        debug!(worker = %self.id, po = %attempt.order.po, attempt = %attempt.no, "attempt started");
        let mut was_begun = false;
        let result = self.collect(session, &lease, &mut was_begun).await;
        self.attempt_count += 1;
        let evidence = match &result {
            // while a person is waited for there is nothing new to see
            Err(error) if was_begun || error.retry_after.is_none() => {
                self.capture_evidence(session, attempt, error).await
            }
            Ok(_) | Err(_) => None,
        };
        let Verdict { end, retry_after, action, why } = self.judge(attempt, LaneEnd { result, was_begun, evidence });
        let is_lost = action == SessionAction::Replace || !session.is_usable();
        if is_lost {
            session.kill_switch().kill(); // before the order goes elsewhere: nothing may write for it any more
        }
        lease.end(end, retry_after);
        if is_lost { Err(why) } else { Ok(()) }
    }

    /// What follows for the order and for the session. Counts page timeouts in a row.
    pub(super) fn judge(&mut self, attempt: &Attempt, ended: LaneEnd) -> Verdict {
        let LaneEnd { result, was_begun, evidence } = ended;
        let error = match result {
            Ok(receipt) => {
                self.page_timeouts = 0;
                let (end, why) = (AttemptEnd::Done(receipt), "a command was not answered".to_owned());
                return Verdict { end, retry_after: None, action: SessionAction::Keep, why };
            }
            Err(error) => error,
        };
        let po = &attempt.order.po;
        if error.kind.fault() == Fault::Task || !was_begun {
            // the order's outcome says so, or the circuit breaker
            debug!(worker = %self.id, %po, attempt = %attempt.no, kind = %error.kind, "attempt failed: {error}");
        } else {
            info!(worker = %self.id, %po, attempt = %attempt.no, kind = %error.kind, "attempt failed: {error}");
        }
        self.is_logged_in &= error.kind != FailureKind::LoginRequired;
        let action = error.kind.session_action();
        if action == SessionAction::Strike {
            self.page_timeouts += 1;
        }
        // a portal that does not answer while one logs in says nothing of the order
        let is_silent = !was_begun && error.kind == FailureKind::StepTimeout;
        let kind = if is_silent { FailureKind::SiteDown } else { error.kind };
        let failure = Failure { evidence, kind, ..error.to_failure() };
        let why = failure.message.clone();
        let end = if !was_begun && kind.fault() == Fault::Site {
            AttemptEnd::NotBegun(failure)
        } else {
            AttemptEnd::Failed(failure, error.receipt.map(|receipt| *receipt))
        };
        Verdict { end, retry_after: error.retry_after, action, why }
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
            () = cancelled => interrupted(),
            () = tokio::time::sleep_until(attempt.begun + limit) => late(limit),
        };
        Err(with_interim(error, attempt))
    }
}

/// What an attempt has brought that is ended from outside.
pub(super) fn with_interim(error: AttemptError, attempt: &Attempt) -> AttemptError {
    AttemptError { receipt: attempt.interim.get().map(Box::new), ..error }
}

/// The run was stopped while the attempt was under way.
pub(super) fn interrupted() -> AttemptError {
    AttemptError::new(FailureKind::Interrupted, "the run was stopped during the attempt")
}

/// The attempt has not ended within its deadline.
pub(super) fn late(limit: Duration) -> AttemptError {
    let limit = humantime::format_duration(limit);
    let message = format!("the order was not finished within {limit}; if its files are that large, raise task_timeout");
    AttemptError::new(FailureKind::StepTimeout, message)
}
