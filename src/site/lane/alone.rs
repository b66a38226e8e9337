//! What a lane does when no frame is open and the page is free: logins, and walks in the tab.

use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;

use super::driver::{LaneDriver, SessionGone};
use super::job::{Job, MAX_LOGINS, interrupted};
use super::walk::reason::TabReason;
use crate::backend::{AttemptError, Session};
use crate::model::{FailureKind, Lane, Receipt};

impl LaneDriver<'_> {
    /// Does all that needs the page for itself.
    pub(crate) async fn work_alone(&mut self, session: &mut dyn Session) -> Result<(), SessionGone> {
        self.answer_not_opened(session).await;
        self.resolve_doubts(session).await;
        if !self.is_logged_in && (self.host.has_waiting() || !self.alone.is_empty()) {
            self.log_in(session).await?;
        }
        while self.is_logged_in
            && let Some(job) = self.alone.pop_front()
        {
            self.walk_in_tab(session, job).await?;
        }
        if session.is_usable() { Ok(()) } else { Err(SessionGone) }
    }

    /// Answers those that no frame was opened for. The page still shows why.
    async fn answer_not_opened(&mut self, session: &mut dyn Session) {
        let mut shown = false;
        for (job, error) in std::mem::take(&mut self.not_opened) {
            // while a person is waited for there is nothing new to see
            let is_worth_it = !std::mem::replace(&mut shown, true) && error.retry_after.is_none();
            let evidence = if is_worth_it { self.evidence(session, &job, &error).await } else { None };
            job.end(Err(error), false, evidence);
        }
    }

    /// Tells pages that want a login from a login that has ended.
    async fn resolve_doubts(&mut self, session: &mut dyn Session) {
        let doubts = std::mem::take(&mut self.in_doubt);
        let Some(first) = doubts.first() else { return };
        let order = self.site.context().order_page(&first.order.attempt.order.po);
        let site = self.site;
        let is_in_force = match self.conductor {
            Some(_) if self.is_logged_in => {
                self.meanwhile(Box::pin(site.tab.login.is_in_force(session.page(), &order))).await
            }
            _ => Some(self.is_logged_in),
        };
        self.is_logged_in &= is_in_force != Some(false);
        // the browser may have other cookies by now than those that files are asked for with
        let is_in_doubt = self.is_logged_in && self.are_cookies_changing;
        self.are_cookies_changing |= self.is_logged_in;
        for job in doubts {
            if is_in_doubt {
                self.alone.push_back(Job { reason: TabReason::Login, ..job });
            } else {
                self.walk(Job { logins: job.logins + 1, ..job });
            }
        }
        // their wishes are to be heard before it is decided whether a login is due
        if !self.is_logged_in {
            while let Some(Some(walked)) = self.walks.next().now_or_never() {
                self.walked(walked);
            }
            self.host.gather();
        }
    }

    async fn log_in(&mut self, session: &mut dyn Session) -> Result<(), SessionGone> {
        self.leave_conductor();
        let (site, worker) = (self.site, self.worker);
        let error = match self.meanwhile(Box::pin(site.tab.log_in(worker, session))).await {
            Ok(()) => {
                self.is_logged_in = true;
                return Ok(());
            }
            Err(error) => error,
        };
        if !session.is_usable() {
            return Err(SessionGone);
        }
        tracing::debug!(%worker, kind = %error.kind, "not logged in: {error}");
        self.host.refuse_waiting(&error);
        for job in std::mem::take(&mut self.alone) {
            self.not_opened.push((job, copy(&error)));
        }
        Ok(())
    }

    /// Walks one order in the page itself.
    async fn walk_in_tab(&mut self, session: &mut dyn Session, mut job: Job) -> Result<(), SessionGone> {
        if job.is_cancelled() {
            job.end(Err(interrupted()), true, None);
            return Ok(());
        }
        self.leave_conductor();
        self.may_download = true;
        let site = self.site;
        let walk = site.tab.walk(session, &job.order.attempt);
        let result = self.meanwhile(Box::pin(walk)).await;
        if !session.is_usable() {
            return Err(SessionGone);
        }
        let reason = job.reason.to_string();
        let in_tab = |receipt: Receipt| Receipt { lane: Some(Lane::Tab), lane_reason: reason.clone(), ..receipt };
        match result {
            Ok(receipt) => {
                self.learn(&job);
                job.end(Ok(in_tab(receipt)), true, None);
            }
            Err(error) if error.kind == FailureKind::LoginRequired && job.logins < MAX_LOGINS => {
                let there = error.receipt.iter().flat_map(|receipt| receipt.files.iter().cloned());
                job.order.attempt.have.extend(there);
                job.logins += 1;
                self.is_logged_in = false;
                self.alone.push_front(job);
            }
            Err(error) => {
                self.is_logged_in &= error.kind != FailureKind::LoginRequired;
                let evidence = self.evidence(session, &job, &error).await;
                let receipt = error.receipt.map(|receipt| Box::new(in_tab(*receipt)));
                job.end(Err(AttemptError { receipt, ..error }), true, evidence);
            }
        }
        Ok(())
    }

    /// What a page says of frames that the tab shows well.
    fn learn(&mut self, job: &Job) {
        if job.reason == TabReason::Denied {
            self.site.learned.note_denied();
        }
        if self.site.learned.are_frames_denied() {
            self.orders.want(1);
        }
    }

    /// Keeps what the page shows of a failure, and tells where.
    async fn evidence(&mut self, session: &mut dyn Session, job: &Job, error: &AttemptError) -> Option<String> {
        // what was stopped from outside says nothing about the portal, and a full disk takes no evidence
        if matches!(error.kind, FailureKind::Interrupted | FailureKind::DiskFull) || job.is_cancelled() {
            return None;
        }
        let (site, limit) = (self.site, self.site.context().deadlines.page);
        // dropped in the middle it leaves the session with a command under way, which makes the session unusable
        let keep = timeout(limit, site.tab.capture_evidence(session, &job.order.attempt, error));
        let kept = self.meanwhile(Box::pin(keep)).await;
        kept.unwrap_or_else(|_elapsed| {
            let limit = humantime::format_duration(limit);
            tracing::warn!(worker = %self.worker, "evidence was not saved within {limit} (page_timeout)");
            None
        })
    }
}

/// The same for another order.
fn copy(error: &AttemptError) -> AttemptError {
    AttemptError { retry_after: error.retry_after, ..AttemptError::new(error.kind, error.message.clone()) }
}
