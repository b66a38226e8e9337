//! What becomes of an order, from admission to its outcome.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::heart::{ActiveLease, Phase, Scheduler, TaskRecord, index};
use crate::backend::{AttemptError, History};
use crate::model::PriorResult;
use crate::model::{
    AttemptCounts, AttemptEnd, Entry, Failure, FailureKind, Fault, OrderStatus, Outcome, PoTask, Receipt, Stage,
    StopKind, StopReason, TaskId, TaskState, Totals,
};
use crate::policy::{Permit, RetryDecision, SiteFailure, is_first_attempt, retry_decision, retry_delay};
use crate::pool::control::{PoolControl, SubmitError};
use crate::pool::runtime::lease::LeaseId;
use crate::pool::scheduler::messages::Effect;
use crate::pool::scheduler::stage::stop_for;
use crate::pool::task_handle::{TaskCell, TaskHandle, TaskStatus};

impl Scheduler {
    pub(crate) fn submit(
        &mut self,
        now: Duration,
        tasks: Vec<PoTask>,
        control: &PoolControl,
    ) -> Result<Vec<TaskHandle>, SubmitError> {
        self.check_open()?;
        self.records.reserve(tasks.len());
        Ok(tasks.into_iter().map(|order| self.admit(now, order, None, control)).collect())
    }

    fn check_open(&self) -> Result<(), SubmitError> {
        if !self.rules.has_site {
            return Err(SubmitError::NoSite);
        }
        if self.stage != Stage::Running {
            let why = self.stop.as_ref().map_or_else(|| "it is shutting down".to_owned(), ToString::to_string);
            return Err(SubmitError::Closed(why));
        }
        Ok(())
    }

    pub(crate) fn submit_with_past(
        &mut self,
        now: Duration,
        orders: Vec<(PoTask, Option<PriorResult>)>,
        control: &PoolControl,
    ) -> Result<Vec<TaskHandle>, SubmitError> {
        self.check_open()?;
        let take = |(order, earlier): (PoTask, Option<PriorResult>)| {
            let (outcome, receipt) = match earlier {
                Some(PriorResult::Ended(outcome, from)) => (Some((outcome, from)), None),
                Some(PriorResult::Begun(receipt)) => (None, Some(receipt)),
                None => (None, None),
            };
            let (is_open, priority) = (self.open.contains_key(&order.po), order.priority);
            let handle = self.admit(now, order, receipt, control);
            if let Some((outcome, from)) = outcome.filter(|_| !is_open) {
                self.queue.remove(handle.id(), priority, now);
                self.totals.pending -= 1;
                self.entries.push(Entry::Reused { task: handle.id(), outcome: outcome.clone(), from });
                self.settle(handle.id(), outcome);
            }
            handle
        };
        Ok(orders.into_iter().map(take).collect())
    }

    /// Takes over the tasks of an unfinished run. Those that were in work when it ended were interrupted, which costs
    /// them nothing. Their admission numbers must count from 1 without a gap, as every run's do.
    pub(crate) fn restore(&mut self, history: History) {
        for (task, state) in history.tasks {
            self.totals.admitted += 1;
            let (cell, mut tally) = (TaskCell::new(), state.tally());
            let receipt = if state.outcome().is_none() { state.receipt().cloned() } else { None };
            let (order, phase) = match state {
                TaskState::Settled { order, outcome, .. } => {
                    self.count(&outcome);
                    cell.tell(TaskStatus::Settled(Arc::new(outcome)));
                    (order, Phase::Settled)
                }
                TaskState::Ready { order, .. } => (order, Phase::Waiting { due: Duration::ZERO }),
                TaskState::Leased { order, .. } => {
                    let failure =
                        Failure::new(FailureKind::Interrupted, "the program ended in the middle of the order");
                    tally = tally.after_failure(failure.kind, false);
                    self.entries.push(Entry::Postponed { task, failure, counted: false, receipt: None });
                    (order, Phase::Waiting { due: Duration::ZERO })
                }
            };
            if let Phase::Waiting { due } = phase {
                self.queue.push(task, order.priority, due);
                self.open.insert(order.po.clone(), task);
                self.totals.pending += 1;
            }
            self.records.push(TaskRecord { order, cell, tally, phase, receipt, evicted_count: 0, is_cancelled: false });
        }
    }

    /// Handles to all tasks that have no outcome yet, in the order of their admission.
    pub(crate) fn open_handles(&self, control: &PoolControl) -> Vec<TaskHandle> {
        let with_numbers = self.records.iter().zip(1..);
        let open = with_numbers.filter(|(record, _)| record.phase != Phase::Settled);
        open.map(|(record, number)| {
            let (po, cell) = (record.order.po.clone(), Arc::clone(&record.cell));
            TaskHandle::new(TaskId(number), po, cell, control.clone())
        })
        .collect()
    }

    fn admit(&mut self, now: Duration, order: PoTask, receipt: Option<Receipt>, control: &PoolControl) -> TaskHandle {
        // two tasks for one open order would put two workers into one folder
        let known = self.open.get(&order.po).and_then(|task| Some((*task, self.records.get(index(*task))?)));
        if let Some((task, record)) = known {
            return TaskHandle::new(task, record.order.po.clone(), Arc::clone(&record.cell), control.clone());
        }
        let task = TaskId(self.records.len() as u64 + 1);
        let cell = TaskCell::new();
        self.entries.push(Entry::Admitted { task, order: order.clone(), receipt: receipt.clone() });
        self.queue.push(task, order.priority, now);
        self.open.insert(order.po.clone(), task);
        self.totals.admitted += 1;
        self.totals.pending += 1;
        let handle = TaskHandle::new(task, order.po.clone(), Arc::clone(&cell), control.clone());
        let phase = Phase::Waiting { due: now };
        self.records.push(TaskRecord {
            order,
            cell,
            tally: AttemptCounts::default(),
            phase,
            receipt,
            evicted_count: 0,
            is_cancelled: false,
        });
        handle
    }

    pub(crate) fn cancel(&mut self, now: Duration, task: TaskId) -> bool {
        let Some(record) = self.records.get_mut(index(task)) else { return false };
        let Phase::Waiting { due } = record.phase else { return false };
        record.is_cancelled = true;
        self.queue.remove(task, record.order.priority, due);
        let cancelled = Failure::new(FailureKind::Interrupted, "cancelled before a worker took it");
        self.totals.pending -= 1;
        self.totals.running += 1;
        let receipt = record.receipt.clone();
        self.finalize(now, task, Outcome::Skipped(cancelled, receipt));
        true
    }

    pub(crate) fn ended(&mut self, now: Duration, lease: LeaseId, end: AttemptEnd, retry_after: Option<Duration>) {
        let Some(holder) = self.leases.remove(&lease) else { return }; // fenced off
        let view = self.worker(holder.worker);
        view.po = None;
        view.attempt_count += u64::from(end != AttemptEnd::Returned);
        let Some(task) = holder.task else { return };
        match end {
            AttemptEnd::Done(receipt) if !receipt.is_complete() => {
                // COMPLETED is said here and nowhere else
                let (listed, arrived) = (receipt.listed_count - receipt.repeated_count, receipt.arrived_count());
                let message = format!("the portal lists {listed} attachments and {arrived} arrived");
                let failure = Failure::new(FailureKind::DownloadCorrupt, message);
                self.failed(now, task, holder, failure, Some(receipt), None);
            }
            AttemptEnd::Done(receipt) => {
                self.gate.on_success();
                self.pace.on_success();
                let is_empty = receipt.listed_count == 0;
                let outcome = if is_empty { Outcome::NoAttachments(receipt) } else { Outcome::Completed(receipt) };
                self.finalize(now, task, outcome);
            }
            AttemptEnd::NotBegun(failure) => {
                self.blame_site(now, &failure, retry_after, holder.is_probe, false);
                if failure.kind == FailureKind::LoginRefused {
                    self.drain(now, StopReason { kind: StopKind::LoginRefused, message: failure.message });
                }
                self.give_back(now, task);
            }
            AttemptEnd::Returned => self.give_back_unheard(now, task, holder),
            // what the attempt says of the site or the order, it says of a browser that was killed under it
            AttemptEnd::Failed(..) if holder.is_evicted => self.give_back_unheard(now, task, holder),
            AttemptEnd::Failed(failure, receipt) => self.failed(now, task, holder, failure, receipt, retry_after),
        }
    }

    pub(crate) fn failed(
        &mut self,
        now: Duration,
        task: TaskId,
        holder: ActiveLease,
        failure: Failure,
        receipt: Option<Receipt>,
        retry_after: Option<Duration>,
    ) {
        match failure.kind.fault() {
            Fault::Site => {
                let is_first = self.records.get(index(task)).is_some_and(|record| is_first_attempt(record.tally));
                self.blame_site(now, &failure, retry_after, holder.is_probe, is_first);
            }
            Fault::Task => {
                self.gate.on_success();
                self.pace.on_success();
            }
            Fault::Session | Fault::Host | Fault::Nobody => {
                if holder.is_probe {
                    self.gate.on_trial_lost();
                }
            }
        }
        let limit = self.rules.retry.limit;
        let Some(record) = self.records.get_mut(index(task)) else { return };
        let learned = receipt.clone();
        record.receipt = match (record.receipt.take(), receipt) {
            (Some(earlier), Some(later)) => Some(together(earlier, later)),
            (earlier, later) => later.or(earlier),
        };
        let kind = self.gate.kind_for_retry(failure.kind);
        let decision = retry_decision(kind, record.tally, limit);
        let (is_counted, delay) = match decision {
            RetryDecision::Settle => {
                let outcome = self.final_outcome(task, failure);
                return self.finalize(now, task, outcome);
            }
            RetryDecision::Quarantine => {
                let message = format!(
                    "skipped: this order crashed a browser again, alone in a new one; last error: {}",
                    failure.message
                );
                let receipt = record.receipt.take();
                return self.finalize(now, task, Outcome::Skipped(Failure { message, ..failure }, receipt));
            }
            RetryDecision::RetryNow | RetryDecision::RetryAlone => (true, Duration::ZERO),
            RetryDecision::RetryLater => {
                (true, retry_delay(&self.rules.retry, kind, record.tally, retry_after, task, self.rules.seed))
            }
            RetryDecision::AwaitSite => {
                (false, retry_delay(&self.rules.retry, kind, record.tally, retry_after, task, self.rules.seed))
            }
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
        let Some(record) = self.records.get_mut(index(task)) else { return };
        record.tally = record.tally.after_failure(failure.kind, is_counted);
        self.entries.push(Entry::Postponed { task, failure, counted: is_counted, receipt: learned });
        self.requeue(task, now + delay);
    }

    fn blame_site(
        &mut self,
        now: Duration,
        failure: &Failure,
        retry_after: Option<Duration>,
        is_probe: bool,
        is_first: bool,
    ) {
        if matches!(failure.kind, FailureKind::Throttled | FailureKind::SiteDown) {
            self.pace.on_overload(now);
        }
        // what was under way when the gate closed says nothing new
        let is_news = is_probe || retry_after.is_some() || self.gate.permit(now) == Permit::Allowed;
        let given_up =
            self.gate.on_failure(now, SiteFailure { kind: failure.kind, retry_after, was_trial: is_probe, is_first });
        if is_news && self.gate.permit(now) != Permit::Allowed {
            self.gate_reason.clone_from(&failure.message);
            // a login that says when to come back is a person's to make
            self.gate_wants_person = failure.kind == FailureKind::LoginRequired && retry_after.is_some();
        }
        if let Some(given_up) = given_up {
            self.drain(now, stop_for(given_up, failure));
        }
    }

    fn give_back_unheard(&mut self, now: Duration, task: TaskId, holder: ActiveLease) {
        if holder.is_probe {
            self.gate.on_trial_lost();
        }
        self.give_back(now, task);
    }

    /// As if the attempt had never been started.
    fn give_back(&mut self, now: Duration, task: TaskId) {
        if let Some(record) = self.records.get_mut(index(task)) {
            record.tally.started -= 1;
        }
        self.entries.push(Entry::Returned { task });
        self.requeue(task, now);
    }

    /// How an order ends whose tries are used up.
    pub(crate) fn final_outcome(&mut self, task: TaskId, failure: Failure) -> Outcome {
        let receipt = self.records.get_mut(index(task)).and_then(|record| record.receipt.take());
        match (failure.kind, receipt) {
            (FailureKind::OrderMissing, receipt) => Outcome::NotFound(failure, receipt),
            (_, Some(receipt)) if !receipt.files.is_empty() => Outcome::Partial(receipt, failure),
            (_, receipt) => Outcome::Failed(failure, receipt),
        }
    }

    pub(crate) fn requeue(&mut self, task: TaskId, due: Duration) {
        let Some(record) = self.records.get_mut(index(task)) else { return };
        record.phase = Phase::Waiting { due };
        self.queue.push(task, record.order.priority, due);
        self.totals.running -= 1;
        self.totals.pending += 1;
        self.acts.push(Effect::Tell(Arc::clone(&record.cell), TaskStatus::Pending));
    }

    pub(crate) fn finalize(&mut self, now: Duration, task: TaskId, outcome: Outcome) {
        self.watch_failures(now, &outcome); // now, and not when it is settled: meanwhile another one would be started
        let Some(record) = self.records.get_mut(index(task)) else { return };
        record.phase = Phase::Concluding;
        let order = record.order.clone();
        self.concluding += 1;
        self.acts.push(Effect::Conclude(task, order, outcome));
    }

    pub(crate) fn concluded(&mut self, now: Duration, task: TaskId, result: Result<Outcome, AttemptError>) {
        self.concluding -= 1;
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => {
                let Some(record) = self.records.get(index(task)) else { return };
                // a cancelled task was with no worker: it stays as it was
                if !record.is_cancelled {
                    self.entries.push(Entry::Postponed {
                        task,
                        failure: error.to_failure(),
                        counted: false,
                        receipt: None,
                    });
                }
                self.drain(now, StopReason { kind: StopKind::DiskFull, message: error.to_string() });
                return self.requeue(task, now);
            }
        };
        self.totals.running -= 1;
        self.worked_count += 1;
        self.entries.push(Entry::Settled { task, outcome: outcome.clone() });
        self.settle(task, outcome);
    }

    fn settle(&mut self, task: TaskId, outcome: Outcome) {
        let Some(record) = self.records.get_mut(index(task)) else { return };
        record.phase = Phase::Settled;
        let cell = Arc::clone(&record.cell);
        self.open.remove(&record.order.po);
        self.count(&outcome);
        self.acts.push(Effect::Tell(cell, TaskStatus::Settled(Arc::new(outcome))));
    }

    /// A run in which one order after the other fails is hopeless. An order that is not there says nothing about it.
    fn watch_failures(&mut self, now: Duration, outcome: &Outcome) {
        match outcome.status() {
            OrderStatus::Completed | OrderStatus::NoAttachments => self.failed_in_a_row = 0,
            OrderStatus::Failed | OrderStatus::Partial => self.failed_in_a_row += 1,
            OrderStatus::PoNotFound
            | OrderStatus::AccessDenied
            | OrderStatus::PrNotAccessible
            | OrderStatus::Skipped
            | OrderStatus::NotDone => {}
        }
        let is_hopeless = |limit: NonZeroU32| self.failed_in_a_row >= limit.get();
        if self.rules.stop_after.is_some_and(is_hopeless) {
            let message = format!("{} orders in a row failed, so the rest was not tried", self.failed_in_a_row);
            self.drain(now, StopReason { kind: StopKind::TooManyFailures, message });
        }
    }

    fn count(&mut self, outcome: &Outcome) {
        self.totals.files += outcome.files().len() as u64;
        self.totals.bytes += outcome.files().iter().map(|file| file.size).sum::<u64>();
        *counter(&mut self.totals, outcome.status()) += 1;
    }
}

/// What two attempts brought between them: the files of both lie in the order's folder.
fn together(earlier: Receipt, mut later: Receipt) -> Receipt {
    for file in earlier.files {
        if !later.files.iter().any(|other| other.path == file.path) {
            later.missing.retain(|missing| !file.listings.contains(&missing.listing));
            later.files.push(file);
        }
    }
    if later.listed_count < earlier.listed_count {
        (later.listed_count, later.repeated_count) = (earlier.listed_count, earlier.repeated_count);
    }
    if later.folder.is_empty() {
        // it did not come as far as the order's own page
        later.folder = earlier.folder;
    }
    later.supplier = later.supplier.or(earlier.supplier);
    later
}

/// Where an outcome is counted.
pub(crate) fn counter(totals: &mut Totals, status: OrderStatus) -> &mut u64 {
    match status {
        OrderStatus::Completed => &mut totals.completed,
        OrderStatus::NoAttachments => &mut totals.no_attachments,
        OrderStatus::Partial => &mut totals.partial,
        OrderStatus::PoNotFound => &mut totals.not_found,
        OrderStatus::Failed | OrderStatus::AccessDenied | OrderStatus::PrNotAccessible => &mut totals.failed,
        OrderStatus::Skipped | OrderStatus::NotDone => &mut totals.skipped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_of_two_attempts_saw_is_kept() {
        let seen = Receipt { supplier: Some("Acme".to_owned()), ..Receipt::default() };
        let unseen = Receipt { folder: "Acme/PO1__WORK".to_owned(), ..Receipt::default() };
        for (earlier, later) in [(seen.clone(), unseen.clone()), (unseen, seen)] {
            let both = together(earlier, later);
            assert_eq!((both.supplier.as_deref(), both.folder.as_str()), (Some("Acme"), "Acme/PO1__WORK"));
        }
    }
}
