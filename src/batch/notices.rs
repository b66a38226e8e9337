//! A run from its first order to the notice of its end.

use crate::config::PoolConfig;
use crate::notify::{NoticeContext, Notifier, RunFinished};

use crate::batch::run::{Batch, BatchReport, perform, print_summary};
use crate::batch::run_record::RunRecord;
use crate::cli::args::OutputArgs;
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::progress::Progress;

/// Whoever delivers the notices of a run, where somebody wants them.
pub(crate) fn courier(config: &PoolConfig, record: &RunRecord) -> Option<Notifier> {
    let address = config.notify_url.clone()?;
    let place = NoticeContext {
        run: record.run.clone(),
        portal: config.site.base_url.as_ref().map(ToString::to_string),
        output: std::path::absolute(&config.out).unwrap_or_else(|_| config.out.clone()),
    };
    Some(Notifier::start(address, place))
}

/// [`perform`]s the job, shows its summary, and tells how it ended. What becomes of the notice changes nothing.
pub(crate) async fn perform_and_tell(
    mut job: Batch,
    output: &OutputArgs,
    progress: &Progress,
) -> Result<ExitReason, CommandError> {
    let courier = courier(&job.config, &job.record);
    job.mailbox = courier.as_ref().map(Notifier::mailbox);
    let ended = perform(job, progress).await;
    let shown = ended.as_ref().map_or(Ok(()), |finished| print_summary(finished, output, progress));
    tell(courier, run_end(&ended)).await;
    let reason = ended?.reason;
    shown.map(|()| reason)
}

/// Tells of a run that had nothing to do.
pub(crate) async fn tell_idle(courier: Option<Notifier>) {
    let message = Some("there was nothing to fetch".to_owned());
    tell(courier, RunFinished { message, ..plain_end(ExitReason::AllWell) }).await;
}

async fn tell(courier: Option<Notifier>, end: RunFinished) {
    let Some(courier) = courier else { return };
    tokio::select! {
        () = courier.finish(end) => {}
        // whoever sits there need not wait for it
        _ = tokio::signal::ctrl_c() => {}
    }
}

fn run_end(ended: &Result<BatchReport, CommandError>) -> RunFinished {
    match ended {
        Ok(finished) => RunFinished { summary: Some(finished.summary.clone()), ..plain_end(finished.reason) },
        Err(stopped) => RunFinished { message: Some(stopped.message.clone()), ..plain_end(stopped.reason) },
    }
}

fn plain_end(reason: ExitReason) -> RunFinished {
    RunFinished { exit_code: reason.code(), status: reason.word(), message: None, summary: None }
}
