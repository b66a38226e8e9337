//! Attempts at several orders at a time in one session.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tracing::debug;

use super::attempt::{Verdict, interrupted, late, with_interim};
use super::{HEALTH_INTERVAL, LaneStop, Worker};
use crate::backend::{AttemptError, LaneEnd, LaneFeed, Session};
use crate::config::Timeouts;
use crate::model::{FailureKind, SessionAction};
use crate::policy::MAX_PAGE_TIMEOUTS;
use crate::pool::runtime::channel::{Lease, Work};

/// After so many attempts the health of the session is checked, for which the lane has to end: rarely, since its last order
/// is waited for, and often enough that a profile does not outgrow its limit by much.
const CHECK_AFTER: u32 = 100;

/// How an order in a lane ended.
struct Followed {
    lease: Lease,
    end: LaneEnd,
    /// The lane did not say so: it hangs or has ended.
    is_unanswered: bool,
}

impl Worker {
    /// Has the site work on `first` and on what is assigned besides, until the whole session is wanted for something. Then
    /// no further orders are begun, and those in work come to their end. What is assigned meanwhile waits for the next session.
    pub(super) async fn attempt_several(&mut self, session: &mut dyn Session, first: Lease) -> LaneStop {
        let Some(site) = self.context.site.clone() else {
            return LaneStop::Replace("the pool has no portal".to_owned());
        };
        let (kill, page_time) = (session.kill_switch(), session.median_page_time());
        let slot_count = self.context.slot_count;
        let Timeouts { attempt: limit, close: grace, .. } = self.context.timeouts;
        let (feed, orders) = LaneFeed::new(slot_count);
        let mut wanted = feed.wanted();
        let mut lane = site.run_lane(self.id, &mut *session, orders);
        let mut is_lane_over = false;
        let mut running = FuturesUnordered::new();
        self.assigned.push_front(Work::Run(first));
        let mut stop = None;
        let mut attempt_count = 0;
        // the lease with which the session broke, and what follows from it
        let broke: Option<(Lease, Verdict)> = loop {
            while stop.is_none()
                && let Some(work) = self.assigned.pop_front()
            {
                match work {
                    Work::Run(lease) => {
                        let (po, attempt) = (&lease.attempt.order.po, lease.attempt.no);
                        debug!(worker = %self.id, %po, %attempt, "attempt started");
                        self.attempt_count += 1;
                        attempt_count += 1;
                        let end = feed.hand_in(lease.attempt.clone(), lease.is_alone);
                        running.push(follow(lease, end, limit, grace));
                    }
                    Work::RecycleAhead(reason) => self.open_next(reason),
                    work @ (Work::Lend(..) | Work::Recycle(_) | Work::Retire) => stop = Some(LaneStop::Work(work)),
                }
            }
            if stop.is_none() && attempt_count >= CHECK_AFTER {
                stop = Some(LaneStop::CheckHealth);
            }
            let wanted_now = (*wanted.borrow_and_update()).min(slot_count);
            while stop.is_none() && running.len() + self.requests.len() < wanted_now {
                self.request_work(page_time);
            }
            if stop.is_some() && running.is_empty() {
                break None;
            }
            tokio::select! {
                biased;
                Some(followed) = running.next() => {
                    let Followed { lease, end, is_unanswered } = followed;
                    let verdict = self.judge(&lease.attempt, end);
                    if is_unanswered || verdict.action == SessionAction::Replace {
                        break Some((lease, verdict));
                    }
                    lease.end(verdict.end, verdict.retry_after);
                    if self.page_timeouts >= MAX_PAGE_TIMEOUTS {
                        let why = format!("its pages timed out {MAX_PAGE_TIMEOUTS} times in a row");
                        stop = Some(LaneStop::Replace(why));
                    }
                }
                () = &mut lane, if !is_lane_over => {
                    is_lane_over = true; // orders that it has not answered say so
                    if running.is_empty() {
                        stop = Some(LaneStop::Replace("it broke while it had no order".to_owned()));
                    }
                }
                work = self.requests.next() => self.assigned.push_back(work),
                next = self.handover.next(), if stop.is_none() => stop = Some(LaneStop::HandOver(next)),
                Ok(()) = wanted.changed() => {}
                () = tokio::time::sleep(HEALTH_INTERVAL), if running.is_empty() => stop = Some(LaneStop::CheckHealth),
            }
        };
        let Some((lease, verdict)) = broke else {
            drop(feed);
            let has_ended = is_lane_over || tokio::time::timeout(grace, &mut lane).await.is_ok();
            drop(lane);
            return match stop {
                Some(stop) if has_ended && session.is_usable() => stop,
                Some(LaneStop::Replace(why)) => LaneStop::Replace(why),
                stop => {
                    if let Some(LaneStop::Work(work)) = stop {
                        work.give_back();
                    }
                    kill.kill();
                    LaneStop::Replace("it did not respond when its orders had ended".to_owned())
                }
            };
        };
        // before the orders go elsewhere: nothing may write for them any more
        kill.kill();
        drop(lane);
        let why = verdict.why;
        lease.end(verdict.end, verdict.retry_after);
        while let Some(Followed { lease, end, .. }) = running.next().await {
            let verdict = self.judge(&lease.attempt, end);
            lease.end(verdict.end, verdict.retry_after);
        }
        if let Some(LaneStop::Work(work)) = stop {
            work.give_back();
        }
        LaneStop::Replace(why)
    }
}

/// Waits until the lane has ended the order, and cancels it at its deadline. Without an answer within `grace` from then on,
/// or from the abort of the run, the lane counts as hung.
async fn follow(lease: Lease, mut answer: oneshot::Receiver<LaneEnd>, limit: Duration, grace: Duration) -> Followed {
    let cancel = lease.attempt.cancel.clone();
    let (answered, is_late) = tokio::select! {
        biased;
        answered = &mut answer => (Some(answered), false),
        () = cancel.cancelled() => (None, false),
        () = tokio::time::sleep_until(lease.attempt.begun + limit) => (None, true),
    };
    if is_late {
        cancel.cancel();
    }
    let answered = match answered {
        Some(answered) => Some(answered),
        None => tokio::time::timeout(grace, answer).await.ok(),
    };
    let is_stopped = cancel.is_cancelled() && !is_late;
    match answered {
        Some(Ok(end)) if is_late => Followed { lease, end: at_deadline(end, limit), is_unanswered: false },
        Some(Ok(end)) => Followed { lease, end, is_unanswered: false },
        lost => {
            let error = match lost {
                _ if is_stopped => interrupted(),
                Some(_) => AttemptError::new(FailureKind::SessionLost, "the browser ended during the attempt"),
                None => {
                    let (limit, grace) = (humantime::format_duration(limit), humantime::format_duration(grace));
                    let message = format!(
                        "the browser did not let go of the order within {grace} after its {limit} (task_timeout) were over"
                    );
                    AttemptError::new(FailureKind::SessionHung, message)
                }
            };
            let end = LaneEnd { result: Err(with_interim(error, &lease.attempt)), was_begun: true, evidence: None };
            Followed { lease, end, is_unanswered: true }
        }
    }
}

/// An order that was cancelled at its deadline: to the lane that looks like the end of the run.
fn at_deadline(end: LaneEnd, limit: Duration) -> LaneEnd {
    let result = end.result.map_err(|error| match error.kind {
        FailureKind::Interrupted => AttemptError { receipt: error.receipt, ..late(limit) },
        _ => error,
    });
    LaneEnd { result, ..end }
}
