//! The canary: an order with known attachments that is fetched before all others. If it no longer yields them, the recipe
//! no longer fits the portal, and every order would wrongly be reported as empty.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::assembly::{OneLogin, StartOptions};
use crate::config::{Canary, PoolConfig};
use crate::download::OutputLock;
use crate::model::Outcome;
use crate::model::PoTask;
use crate::model::{FileOrigin, Receipt, RunId, StopKind, StopReason};
use crate::pool::PersistentWorkerPool;
use crate::pool::ShutdownHandler;
use crate::pool::TaskHandle;

use crate::batch::event::{BatchError, BatchEvent, Observer};
use crate::batch::stop::{TimeLimit, drain_at_limit, event_of};

/// Fetches the canary with one browser of its own and returns its receipt. The run that follows uses the same login.
///
/// # Errors
/// [`BatchError`] when the canary does not yield its files, or the run was stopped meanwhile.
pub(crate) async fn send(
    config: &PoolConfig,
    claim: &Arc<OutputLock>,
    run: &RunId,
    login: &OneLogin,
    canary: &Canary,
    closing: Option<&TimeLimit>,
    observer: &Observer,
) -> Result<Receipt, BatchError> {
    let po = &canary.po;
    observer(&BatchEvent::CanaryStarted(po.clone()));
    let drain = config.deadlines.drain;
    let mut config = config.clone();
    config.fix_workers(NonZeroUsize::MIN);
    let setup = StartOptions {
        claim: Some(Arc::clone(claim)),
        run: run.clone(),
        login: login.clone(),
        ..StartOptions::default()
    };
    let pool = PersistentWorkerPool::start_with(config, setup).await?;
    let control = pool.control();
    // a signal drains this pool as it would the other one, and so does the end of the run's time
    let mut signals = match ShutdownHandler::new(control.clone()).listen() {
        Ok(signals) => signals,
        Err(why) => {
            if let Err(closing) = pool.shutdown().await {
                tracing::warn!("the pool of the canary was not closed in order: {closing}");
            }
            return Err(BatchError::Signals(why));
        }
    };
    let fetching = async {
        let outcome = match pool.submit_tasks(vec![PoTask::new(po.clone())]).await {
            Ok(handles) => {
                // not the handle alone: an order that an abort leaves open never gets an outcome
                if let Err(why) = pool.wait_for_completion(None).await {
                    tracing::debug!(%why, "the canary has no outcome");
                }
                handles.first().and_then(TaskHandle::outcome)
            }
            Err(why) => {
                tracing::debug!(%why, "the canary was not taken");
                None
            }
        };
        let stopped = pool.status().stopped_because.clone();
        if let Err(why) = pool.shutdown().await {
            tracing::debug!(%why, "the canary's journal, which nobody reads");
        }
        (outcome, stopped)
    };
    tokio::pin!(fetching);
    let time_is_up = drain_at_limit(closing, &control, observer);
    tokio::pin!(time_is_up);
    let mut is_up = false;
    let (outcome, stopped) = loop {
        tokio::select! {
            ended = &mut fetching => break ended,
            () = &mut time_is_up, if !is_up => is_up = true,
            Some(step) = signals.recv() => observer(&event_of(step, drain)),
        }
    };
    if let (Some(_), Some(stop)) = (&outcome, stopped.as_ref().filter(|stop| is_requested(stop))) {
        let message = format!("the run was stopped while the canary was being fetched: {}", stop.message);
        return Err(BatchError::Canary(StopReason { kind: stop.kind, message }));
    }
    match outcome.as_deref() {
        Some(outcome) => judge(canary, outcome).map_err(BatchError::Canary),
        None => {
            let stop = stopped.unwrap_or_else(|| StopReason {
                kind: StopKind::Requested,
                message: format!("the run was stopped before the canary {po} was fetched"),
            });
            Err(BatchError::Canary(stop))
        }
    }
}

/// The receipt of a canary that brought what it should; otherwise why the run stops.
fn judge(canary: &Canary, outcome: &Outcome) -> Result<Receipt, StopReason> {
    match outcome {
        Outcome::Completed(receipt) if own_count(receipt) >= canary.min_files.get() => Ok(receipt.clone()),
        other => Err(drifted(canary, other)),
    }
}

/// Whether a person or the time limit stopped the run, rather than the canary itself.
fn is_requested(stop: &StopReason) -> bool {
    matches!(stop.kind, StopKind::Requested | StopKind::TimeUp)
}

/// How many attachments of the order's own page were fetched; a file that is listed twice counts twice. Attachments that a
/// filter left out do not count, since nothing shows that they could have been fetched.
fn own_count(receipt: &Receipt) -> usize {
    receipt.files.iter().filter(|file| file.source == FileOrigin::Order).map(|file| file.listings.len().max(1)).sum()
}

fn drifted(canary: &Canary, outcome: &Outcome) -> StopReason {
    let Canary { po, min_files } = canary;
    let how = match outcome {
        Outcome::Completed(receipt) => {
            let mut how = format!("with {} of its own page", files(own_count(receipt)));
            let elsewhere = receipt.files.iter().filter(|file| file.source != FileOrigin::Order).count();
            if elsewhere > 0 {
                let _ = write!(how, ", {elsewhere} of its requisition"); // cannot fail on a String
            }
            if !receipt.left_out.is_empty() {
                let _ = write!(how, ", {} left out as not wanted", receipt.left_out.len());
            }
            format!("{how}, where at least {min_files} should arrive")
        }
        other => format!("as {}", other.status()),
    };
    let why = outcome.failure().map(|failure| format!(" ({failure})")).unwrap_or_default();
    StopReason {
        kind: StopKind::PagesChanged,
        message: format!(
            "the canary {po} ended {how}{why}, so no other order was tried: the portal may have changed; see \
             `coupa-batch recipe check --po {po}`"
        ),
    }
}

/// `1 file`, `2 files`.
fn files(number: usize) -> String {
    if number == 1 { "1 file".to_owned() } else { format!("{number} files") }
}

#[cfg(test)]
mod tests {
    use crate::model::{ExcludedFile, Failure, FailureKind, FileRecord, ListingId};

    use super::*;

    fn file(source: FileOrigin) -> FileRecord {
        FileRecord { source, listings: vec![ListingId::new("1")], ..FileRecord::default() }
    }

    #[test]
    fn a_canary_is_judged_by_the_files_of_its_own_page() {
        let two: Canary = "PO7=2".parse().unwrap();
        let own = vec![file(FileOrigin::Order), file(FileOrigin::Order)];
        let completed = |files| Outcome::Completed(Receipt { files, ..Receipt::default() });
        assert_eq!(judge(&two, &completed(own.clone())).unwrap().files, own);

        let too_few = judge(&two, &completed(own[..1].to_vec())).unwrap_err().message;
        assert!(too_few.contains("with 1 file of its own page, where at least 2 should arrive"), "{too_few}");
        let elsewhere = judge(&two, &completed(vec![file(FileOrigin::Requisition); 3])).unwrap_err().message;
        assert!(elsewhere.contains("with 0 files of its own page, 3 of its requisition"), "{elsewhere}");
        let left_out = ExcludedFile {
            name: "a.pdf".to_owned(),
            listing: ListingId::new("1"),
            source: FileOrigin::Order,
            reason: "its type is not wanted".to_owned(),
        };
        let filtered = Outcome::Completed(Receipt { left_out: vec![left_out; 2], ..Receipt::default() });
        let filtered = judge(&two, &filtered).unwrap_err().message;
        assert!(filtered.contains("with 0 files of its own page, 2 left out"), "{filtered}");
    }

    #[test]
    fn a_canary_that_failed_says_why() {
        let failure = Failure::new(FailureKind::PageChanged, "the page is a garden");
        let failed = Outcome::Failed(failure, None);
        let stop = judge(&"PO7".parse().unwrap(), &failed).unwrap_err();
        assert_eq!(stop.kind, StopKind::PagesChanged);
        assert!(stop.message.contains("ended as FAILED (") && stop.message.contains("a garden"), "{stop}");
    }
}
