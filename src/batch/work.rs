//! The part of a batch that has a pool: orders in, events out, until the last browser is closed.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::batch::event::{BatchError, BatchEvent, BatchStatus, Observer};
use crate::batch::selection::Selection;
use crate::batch::stop::{StopSignals, TimeLimit, drain_at_limit, event_of};
use crate::model::{StopKind, StopReason};
use crate::pool::{PersistentWorkerPool, PoolClosed, ShutdownReport, ShutdownStep, SubmitError, TaskHandle};
use crate::report::Summary;

/// Time for the last outcomes to arrive after the pool has closed.
const OUTCOME_DEADLINE: Duration = Duration::from_secs(5);

/// Submits the orders and waits until the last browser is closed. The flag says whether a third signal killed the browsers.
pub(crate) async fn work(
    pool: PersistentWorkerPool,
    selection: Selection,
    observer: &Observer,
    signals: StopSignals,
    grace: Duration,
    time_limit: Option<&TimeLimit>,
) -> Result<(ShutdownReport, bool), BatchError> {
    let handles = submit(&pool, selection).await.unwrap_or_else(|why| {
        // a pool that stopped before it could take any order says why in its status
        tracing::warn!("{why}");
        Vec::new()
    });
    // only now: an order that is not in the journal could not be left open there
    let mut steps = signals.follow(pool.control());
    let mut is_killed = false;
    let outcomes = report_outcomes(handles, observer);
    tokio::pin!(outcomes);
    let mut all_reported = false;
    let control = pool.control();
    let limit = drain_at_limit(time_limit, &control, observer);
    tokio::pin!(limit);
    let mut is_over = false;
    let ending = async {
        if let Err(why) = pool.wait_for_completion(None).await {
            tracing::debug!(%why, "the pool stopped early"); // the report says so, and why
        }
        pool.shutdown().await
    };
    tokio::pin!(ending);
    let end = loop {
        tokio::select! {
            end = &mut ending => break end?,
            () = &mut outcomes, if !all_reported => all_reported = true,
            () = &mut limit, if !is_over => is_over = true,
            Some(step) = steps.recv() => {
                is_killed |= step == ShutdownStep::Killed;
                observer(&event_of(step, grace));
            }
        }
    };
    // the last outcomes come together with the end; a closed pool answers every handle
    if !all_reported && tokio::time::timeout(OUTCOME_DEADLINE, outcomes).await.is_err() {
        tracing::debug!("an order has neither an outcome nor an end");
    }
    Ok((end, is_killed))
}

/// Submits the orders; returns the handles of all open orders, those of a resumed run included.
async fn submit(pool: &PersistentWorkerPool, selection: Selection) -> Result<Vec<TaskHandle>, SubmitError> {
    let control = pool.control();
    control.submit_with_prior(selection.orders).await?;
    control.open_tasks().await.map_err(|PoolClosed| SubmitError::Closed { stop: None })
}

/// One event per order as it ends.
async fn report_outcomes(handles: Vec<TaskHandle>, observer: &Observer) {
    let total = handles.len() as u64;
    let mut ends: FuturesUnordered<_> =
        handles.iter().map(|handle| async move { (handle.po().clone(), handle.wait(None).await) }).collect();
    let mut settled = 0;
    while let Some((po, outcome)) = ends.next().await {
        if let Ok(outcome) = outcome {
            settled += 1;
            observer(&BatchEvent::OrderFinished { po, outcome, settled, total });
        }
    }
}

/// Why the pool stopped early; `None` if all orders have an outcome.
pub(crate) fn early_stop(end: &ShutdownReport) -> Option<&StopReason> {
    let is_complete = end.history.tasks.values().all(|state| state.outcome().is_some());
    let because = end.status.stopped_because.as_ref()?;
    (!is_complete || end.history.tasks.is_empty()).then_some(because)
}

pub(crate) fn status_of(end: &ShutdownReport, summary: &Summary) -> BatchStatus {
    let has_settled = summary.open_count() < summary.orders;
    let has_worked = end.status.workers.values().any(|worker| worker.attempt_count > 0);
    match early_stop(end).map(|stop| stop.kind) {
        None => BatchStatus::of(summary),
        Some(StopKind::JournalUnusable) => BatchStatus::JournalUnusable,
        // when no order at all came through, the address or the login is wrong
        Some(StopKind::NeverReached | StopKind::LoginRefused) if !has_settled => BatchStatus::PortalUnusable,
        Some(StopKind::NoWorkers) if !has_settled && !has_worked => BatchStatus::NoBrowser,
        Some(_) => BatchStatus::StoppedEarly,
    }
}
