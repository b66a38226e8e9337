//! What becomes of an order: the end of an attempt, the outcome, cancelling.

use std::time::Duration;

use super::Scheduler;
use super::messages::{Effect, LeaseId};
use super::tasks::Place;
use super::workers::ActiveLease;
use crate::model::{
    AttemptEnd, Entry, Failure, FailureKind, Fault, Outcome, Receipt, SessionAction, StopKind, StopReason, TaskId,
    TaskState,
};
use crate::policy::{RetryDecision, SiteFailure, is_first_attempt, retry_decision, retry_delay};

impl Scheduler {
    pub(super) fn lease_ended(
        &mut self,
        now: Duration,
        lease: LeaseId,
        end: AttemptEnd,
        retry_after: Option<Duration>,
    ) {
        let Some(lease) = self.workers.end_lease(lease, end != AttemptEnd::Returned) else { return };
        let Some(task) = lease.task else { return };
        if self.lifecycle.is_journal_broken() {
            return self.tasks.abandon(task, now);
        }
        match end {
            AttemptEnd::Done(receipt) if !receipt.is_complete() => {
                // COMPLETED is said here and nowhere else
                let wanted = receipt.listed_count.saturating_sub(receipt.repeated_count + receipt.left_out.len());
                let arrived = receipt.arrived_count();
                let message = format!("the portal lists {} to fetch and {arrived} arrived", attachments(wanted));
                let failure = Failure::new(FailureKind::DownloadCorrupt, message);
                self.failed(now, task, &lease, failure, Some(receipt), None);
            }
            AttemptEnd::Done(receipt) => {
                self.admission.on_success();
                let is_empty = receipt.listed_count == 0;
                let outcome = if is_empty { Outcome::NoAttachments(receipt) } else { Outcome::Completed(receipt) };
                self.finalize(now, task, outcome);
            }
            AttemptEnd::NotBegun(failure) => {
                // it says as much of the site as a first attempt does
                let of_site =
                    SiteFailure { kind: failure.kind, retry_after, was_trial: lease.is_trial, is_first: true };
                self.blame_site(now, of_site, &failure.message);
                if failure.kind == FailureKind::LoginRefused {
                    self.drain(now, StopReason { kind: StopKind::LoginRefused, message: failure.message });
                }
                self.emit(now, Entry::Returned { task, shared_crash: false });
            }
            AttemptEnd::Returned => self.give_back(now, task, &lease, false),
            // what the attempt says of the site or the order, it says of a browser that was killed under it
            AttemptEnd::Failed(..) if lease.is_evicted => self.give_back(now, task, &lease, false),
            // which of the session's orders is to blame shows when each of them is tried alone
            AttemptEnd::Failed(failure, _)
                if lease.had_company && failure.kind.session_action() == SessionAction::Replace =>
            {
                self.give_back(now, task, &lease, true);
            }
            AttemptEnd::Failed(failure, receipt) => self.failed(now, task, &lease, failure, receipt, retry_after),
        }
    }

    /// As if the attempt had never been started. It says nothing of the site. After a `shared_crash` the order's next
    /// attempts are alone in their session.
    fn give_back(&mut self, now: Duration, task: TaskId, lease: &ActiveLease, shared_crash: bool) {
        if lease.is_trial {
            self.admission.lost_trial();
        }
        self.emit(now, Entry::Returned { task, shared_crash });
    }

    fn failed(
        &mut self,
        now: Duration,
        task: TaskId,
        lease: &ActiveLease,
        failure: Failure,
        receipt: Option<Receipt>,
        retry_after: Option<Duration>,
    ) {
        match failure.kind.fault() {
            Fault::Site => {
                let is_first = self.tasks.state(task).is_some_and(|state| is_first_attempt(state.counts()));
                let of_site = SiteFailure { kind: failure.kind, retry_after, was_trial: lease.is_trial, is_first };
                self.blame_site(now, of_site, &failure.message);
            }
            Fault::Task => self.admission.on_success(),
            Fault::Session | Fault::Host | Fault::Nobody => {
                if lease.is_trial {
                    self.admission.lost_trial();
                }
            }
        }
        let Some(state) = self.tasks.state(task) else { return };
        let (counts, retry) = (state.counts(), &self.config.retry);
        let kind = self.admission.kind_for_retry(failure.kind);
        let delay = || retry_delay(retry, kind, counts, retry_after, task, self.config.seed);
        let (counted, delay) = match retry_decision(kind, counts, retry.limit) {
            RetryDecision::Settle => {
                let receipt = state.receipt_with(receipt);
                return self.finalize(now, task, final_outcome(failure, receipt));
            }
            RetryDecision::Quarantine => {
                let message = format!(
                    "skipped: this order crashed a browser again, alone in a fresh one; last error: {}",
                    failure.message
                );
                let receipt = state.receipt_with(receipt);
                return self.finalize(now, task, Outcome::Skipped(Failure { message, ..failure }, receipt));
            }
            RetryDecision::RetryNow | RetryDecision::RetryAlone => (true, Duration::ZERO),
            RetryDecision::RetryLater => (true, delay()),
            RetryDecision::AwaitSite => (false, delay()),
            RetryDecision::LeaveOpen => (false, Duration::ZERO),
            RetryDecision::StopRun => {
                let kind = match failure.kind {
                    FailureKind::LoginRefused => StopKind::LoginRefused,
                    _ => StopKind::DiskFull,
                };
                self.drain(now, StopReason { kind, message: failure.message.clone() });
                (false, Duration::ZERO)
            }
        };
        // the kind that decided, so that the counts of a replay are those of the run
        let failure = Failure { kind, ..failure };
        self.emit(now + delay, Entry::Postponed { task, failure, counted, receipt });
    }

    fn blame_site(&mut self, now: Duration, failure: SiteFailure, message: &str) {
        if let Some(stop) = self.admission.on_site_failure(now, failure, message) {
            self.drain(now, stop);
        }
    }

    /// Cancels a task that waits; one that a worker has is left alone. Returns whether it did.
    pub(super) fn cancel(&mut self, now: Duration, task: TaskId) -> bool {
        let is_waiting = matches!(self.tasks.place_of(task), Some(Place::Queued { .. }));
        let Some(state) = self.tasks.state(task) else { return false };
        if !is_waiting || self.lifecycle.is_journal_broken() {
            return false;
        }
        let cancelled = Failure::new(FailureKind::Interrupted, "cancelled before a worker took it");
        let outcome = Outcome::Skipped(cancelled, state.receipt().cloned());
        self.finalize(now, task, outcome);
        true
    }

    fn finalize(&mut self, now: Duration, task: TaskId, outcome: Outcome) {
        if let Some(stop) = self.canary_stop(task, &outcome)
            && self.leave_canary_open(now, task, &outcome, stop)
        {
            return;
        }
        // now and not when it is settled: meanwhile another order would be started
        if let Some(stop) = self.admission.on_outcome(&outcome) {
            self.drain(now, stop);
        }
        if let Some(order) = self.tasks.begin_finalizing(task) {
            self.perform(Effect::Finalize(task, order, Box::new(outcome)));
        }
    }

    pub(super) fn finalized(&mut self, now: Duration, task: TaskId, result: Result<Outcome, Failure>) {
        if self.lifecycle.is_journal_broken() {
            return self.tasks.abandon(task, now);
        }
        if self.tasks.place_of(task) != Some(Place::Finalizing) {
            return;
        }
        match result {
            Ok(outcome) => {
                self.canary_settles(now, task, &outcome);
                self.emit(now, Entry::Settled { task, outcome });
            }
            Err(failure) => {
                self.drain(now, StopReason { kind: StopKind::DiskFull, message: failure.message.clone() });
                match self.tasks.state(task) {
                    Some(TaskState::Leased { .. }) => {
                        self.emit(now, Entry::Postponed { task, failure, counted: false, receipt: None });
                    }
                    // it was cancelled while it waited, and goes on waiting
                    Some(TaskState::Ready { .. } | TaskState::Settled { .. }) | None => self.tasks.requeue(task, now),
                }
            }
        }
    }
}

/// How an order ends whose tries are used up.
fn final_outcome(failure: Failure, receipt: Option<Receipt>) -> Outcome {
    match (failure.kind, receipt) {
        (FailureKind::OrderMissing, receipt) => Outcome::NotFound(failure, receipt),
        (_, Some(receipt)) if !receipt.files.is_empty() => Outcome::Partial(receipt, failure),
        (_, receipt) => Outcome::Failed(failure, receipt),
    }
}

/// `1 attachment`, `2 attachments`.
fn attachments(count: usize) -> String {
    if count == 1 { "1 attachment".to_owned() } else { format!("{count} attachments") }
}
