//! One order with known attachments, fetched before all others: if it no longer yields them, the recipe no longer fits the
//! portal, and a thousand orders would be called empty.

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
use crate::pool::StartError;

use crate::batch::run::{drain_when_over, tell_step};
use crate::batch::stop::TimeLimit;
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::output::count;
use crate::cli::progress::Progress;

/// Why nothing else was started.
pub(crate) enum CanaryError {
    /// The pool did not start.
    NotStarted(StartError),
    /// Nobody could have stopped it.
    Unwatched(String),
    /// It did not yield what it should, or was not come to.
    CommandError(StopReason, ExitReason),
}

impl From<StartError> for CanaryError {
    fn from(error: StartError) -> Self {
        Self::NotStarted(error)
    }
}

/// Fetches the canary with one browser of its own, and returns what it yielded. The run that follows goes on with its login.
pub(crate) async fn send(
    config: &PoolConfig,
    claim: &Arc<OutputLock>,
    run: &RunId,
    login: &OneLogin,
    canary: &Canary,
    closing: Option<&TimeLimit>,
    progress: &Progress,
) -> Result<Receipt, CanaryError> {
    let po = &canary.po;
    progress.say(&format!("fetching the canary {po} first"));
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
    let mut signals = ShutdownHandler::new(control.clone())
        .listen()
        .map_err(|why| CanaryError::Unwatched(format!("signals cannot be watched: {why}")))?;
    let fetching = async {
        let outcome = match pool.submit_tasks(vec![PoTask::new(po.clone())]).await {
            Ok(handles) => match handles.first() {
                Some(handle) => handle.wait(None).await,
                None => None,
            },
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
    let time_is_up = drain_when_over(closing, &control, progress);
    tokio::pin!(time_is_up);
    let mut is_up = false;
    let (outcome, stopped) = loop {
        tokio::select! {
            ended = &mut fetching => break ended,
            () = &mut time_is_up, if !is_up => is_up = true,
            Some(step) = signals.recv() => {
                tell_step(step, progress, drain);
            }
        }
    };
    if let (Some(_), Some(stop)) = (&outcome, stopped.as_ref().filter(|stop| is_meant_for_the_run(stop))) {
        let message = format!("the run was stopped while the canary was out: {}", stop.message);
        return Err(CanaryError::CommandError(StopReason { kind: stop.kind, message }, ExitReason::StoppedEarly));
    }
    match outcome.as_deref() {
        Some(Outcome::Completed(receipt)) if own_count(receipt) >= canary.min_files.get() => Ok(receipt.clone()),
        Some(outcome) => Err(CanaryError::CommandError(drifted(canary, outcome), ExitReason::StoppedEarly)),
        None => {
            let stop = stopped.unwrap_or_else(|| StopReason {
                kind: StopKind::Requested,
                message: format!("the run was stopped before the canary {po} was back"),
            });
            let reason = match stop.kind {
                StopKind::NeverReached | StopKind::LoginRefused => ExitReason::BadCall,
                StopKind::NoWorkers => ExitReason::NoBrowser,
                _ => ExitReason::StoppedEarly,
            };
            Err(CanaryError::CommandError(stop, reason))
        }
    }
}

/// Whoever stopped the canary meant the run, unless it was the canary itself that led to it.
fn is_meant_for_the_run(stop: &StopReason) -> bool {
    matches!(stop.kind, StopKind::Requested | StopKind::TimeUp)
}

/// How many attachments of the order's own page are there; two that are one file count twice. What a filter leaves out
/// does not count: that it can be fetched was not seen.
fn own_count(receipt: &Receipt) -> usize {
    receipt.files.iter().filter(|file| file.source == FileOrigin::Order).map(|file| file.listings.len().max(1)).sum()
}

fn drifted(canary: &Canary, outcome: &Outcome) -> StopReason {
    let Canary { po, min_files } = canary;
    let how = match outcome {
        Outcome::Completed(receipt) => {
            let mut how = format!("with {} of its own page", count(own_count(receipt) as u64, "file"));
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

/// What there is to say, and the number to end with.
impl From<CanaryError> for CommandError {
    fn from(silent: CanaryError) -> Self {
        match silent {
            CanaryError::NotStarted(error) => crate::batch::run::not_started(error),
            CanaryError::Unwatched(why) => Self::new(ExitReason::Unexpected, why),
            CanaryError::CommandError(stop, reason) => Self::new(reason, stop.message),
        }
    }
}
