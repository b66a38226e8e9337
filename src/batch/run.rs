//! One batch from its tasks to its report: what `run` and `demo` have in common.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::assembly::{OneLogin, StartOptions};
use crate::backend::{History, Journal};
use crate::config::{PoolConfig, SecretUrl};
use crate::download::OutputLock;
use crate::model::{Entry, RejectedRow, StopKind, StopReason, TaskId};
use crate::notify::NotifierHandle;
use crate::pool::PersistentWorkerPool;
use crate::pool::ShutdownHandler;
use crate::pool::TaskHandle;
use crate::pool::{PoolControl, PriorResult, ShutdownReport, ShutdownStep, StartError, SubmitError};
use crate::report::{self, ReportFiles, RunFacts, Summary};
use crate::site::evidence_folder;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::batch::canary::{self, CanaryError};
use crate::batch::run_record::RunRecord;
use crate::batch::selection::Selection;
use crate::batch::stop::TimeLimit;
use crate::cli::args::OutputArgs;
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::logging::{self, LogOptions};
use crate::cli::progress::{Progress, Style, Terminal};

/// Refused rows that the terminal lists before it points to the report.
const SHOWN_REJECTS: usize = 20;
/// What to do when no browser can be used.
const BROWSER_HINT: &str = "`coupa-batch doctor` says more; `coupa-batch doctor --yes` installs what is missing";
/// Time for background threads (name look-ups, file work) to end after everything else has.
const RUNTIME_DEADLINE: Duration = Duration::from_secs(5);

/// Starts both logs and the display of a command.
pub(crate) fn start_logging(output: &OutputArgs, config: &PoolConfig) -> Result<Progress, CommandError> {
    let surroundings = Terminal::look();
    let progress = Progress::new(surroundings, output.no_progress || output.verbose > 1, output.quiet);
    let password = config.site.credentials.as_ref().map(|login| login.password.clone());
    let hook = config.notify_url.iter().flat_map(SecretUrl::secret_parts);
    let options = LogOptions {
        is_quiet: output.quiet,
        verbosity: output.verbose,
        has_bars: progress.style() == Style::Bars,
        has_colours: surroundings.has_colours,
        file: Some(output.log_file.clone().unwrap_or_else(|| config.out.join("coupa-batch.log"))),
        secrets: password.into_iter().chain(hook).map(|secret| secret.expose_secret().to_owned()).collect(),
    };
    logging::start(&options, progress.bars()).map_err(CommandError::bad_call)?;
    Ok(progress)
}

/// Runs `command` on a runtime of its own.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|why| {
        CommandError::new(ExitReason::Unexpected, format!("the program's threads do not start: {why}"))
    })?;
    let ended = runtime.block_on(command);
    runtime.shutdown_timeout(RUNTIME_DEADLINE);
    ended
}

/// What a batch has come to.
pub(crate) struct BatchReport {
    pub(crate) summary: Summary,
    pub(crate) files: ReportFiles,
    pub(crate) history: History,
    pub(crate) reason: ExitReason,
    /// Where evidence of failed attempts lies, if there is any.
    pub(crate) evidence: Option<PathBuf>,
}

/// What there is to do, and where it is written down.
pub(crate) struct Batch {
    pub(crate) config: PoolConfig,
    pub(crate) claim: Arc<OutputLock>,
    pub(crate) record: RunRecord,
    pub(crate) selection: Selection,
    /// When no more orders are started.
    pub(crate) closing: Option<TimeLimit>,
    /// Who wants to know while it goes on.
    pub(crate) mailbox: Option<NotifierHandle>,
}

/// Fetches what the job asks for, shows how it goes, and writes record and report whatever happens.
pub(crate) async fn perform(job: Batch, progress: &Progress) -> Result<BatchReport, CommandError> {
    let Batch { config, claim, mut record, mut selection, closing, mailbox } = job;
    let out = config.out.clone();
    report::sweep(&out); // the folder is claimed: nobody else writes a report of a run there
    let base_url = config.site.base_url.as_ref().map(ToString::to_string);
    let drain = config.deadlines.drain;
    let setup = StartOptions {
        claim: Some(Arc::clone(&claim)),
        journal: record.journal.clone(),
        run: record.run.clone(),
        history: std::mem::take(&mut record.history),
        order_count: None,
        login: OneLogin::default(),
    };
    let is_idle = selection.reused_count() == selection.orders.len() && setup.history.open_tasks().next().is_none();
    if is_idle {
        return settle_without_browsers(&out, base_url, record, selection, setup.history).await;
    }
    let open = selection.orders.len() - selection.reused_count() + setup.history.open_tasks().count();
    let setup = StartOptions { order_count: Some(open), ..setup };
    if let Some(canary) = config.site.canary.clone() {
        match canary::send(&config, &claim, &record.run, &setup.login, &canary, closing.as_ref(), progress).await {
            Ok(receipt) => selection.take_over(&canary.po, receipt),
            Err(silent) => {
                let stop = match &silent {
                    CanaryError::CommandError(stop, _) => stop.clone(),
                    CanaryError::NotStarted(error) => {
                        StopReason { kind: StopKind::NoWorkers, message: error.to_string() }
                    }
                    CanaryError::Unwatched(why) => StopReason { kind: StopKind::Requested, message: why.clone() },
                };
                record.finish(Some(stop)).await?;
                return Err(silent.into());
            }
        }
    }
    let pool = match PersistentWorkerPool::start_with(config, setup).await {
        Ok(pool) => pool,
        Err(error) => {
            // or the journal would say for ever that the run is at work
            let stop = StopReason { kind: StopKind::NoWorkers, message: error.to_string() };
            record.finish(Some(stop)).await?;
            return Err(not_started(error));
        }
    };
    let signals = ShutdownHandler::new(pool.control())
        .listen()
        .map_err(|why| CommandError::new(ExitReason::Unexpected, format!("signals cannot be watched: {why}")));
    let (end, is_forced) = match signals {
        Ok(mut signals) => {
            if let Some(mailbox) = mailbox {
                tokio::spawn(mailbox.follow(pool.watch())); // ends with the pool
            }
            work(pool, selection, progress, &mut signals, drain, closing.as_ref()).await?
        }
        Err(stopped) => {
            pool.shutdown().await.map_err(journal_unusable)?;
            return Err(stopped);
        }
    };
    let (run, started, rejects) = (record.run.clone(), record.started, std::mem::take(&mut record.rejects));
    if let Err(stopped) = record.finish(early_stop(&end).cloned()).await {
        // the report can be written all the same, and says more than the journal could
        progress.say(&format!("warning: {}", stopped.message));
    }

    let facts = RunFacts {
        run,
        started,
        finished: Timestamp::now(),
        base_url,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rejects,
        stopped_because: early_stop(&end).map(ToString::to_string),
    };
    for leftover in &end.leftovers {
        progress.say(&format!("warning: left behind: {leftover}"));
    }
    let (files, summary) = report::write(&out, &end.history, &facts)
        .map_err(|why| CommandError::new(ExitReason::StoppedEarly, format!("the report cannot be written: {why}")))?;
    for file in [&files.csv, &files.json] {
        if let Some(wanted) = &file.instead_of {
            let (placed, wanted) = (file.path.display(), wanted.display());
            progress.say(&format!("{wanted} is in use by another program, so the report is in {placed}"));
        }
    }
    let reason = if is_forced { ExitReason::Forced } else { reason_of(&end, &summary) };
    drop(claim); // until here nobody else may write into the folder
    let evidence = Some(evidence_folder(&out, &facts.run)).filter(|folder| folder.is_dir());
    Ok(BatchReport { summary, files, history: end.history, reason, evidence })
}

/// A batch of which everything is there already: no browser is started for nothing.
async fn settle_without_browsers(
    out: &Path,
    base_url: Option<String>,
    mut record: RunRecord,
    selection: Selection,
    history: History,
) -> Result<BatchReport, CommandError> {
    let first = history.tasks.len() as u64 + 1;
    let entries = (first..).map(TaskId).zip(selection.orders).flat_map(|(task, (order, earlier))| {
        let taken_over = match earlier {
            Some(PriorResult::Ended(outcome, from)) => Some(Entry::Reused { task, outcome, from }),
            Some(PriorResult::Begun(_)) | None => None,
        };
        std::iter::once(Entry::Admitted { task, order, receipt: None }).chain(taken_over)
    });
    record.journal.append(entries.collect()).await.map_err(journal_unusable)?;
    let history = record.journal.history().await.map_err(journal_unusable)?;
    let facts = RunFacts {
        run: record.run.clone(),
        started: record.started,
        finished: Timestamp::now(),
        base_url,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rejects: std::mem::take(&mut record.rejects),
        stopped_because: None,
    };
    record.finish(None).await?;
    let (files, summary) = report::write(out, &history, &facts)
        .map_err(|why| CommandError::new(ExitReason::StoppedEarly, format!("the report cannot be written: {why}")))?;
    Ok(BatchReport { reason: ExitReason::of(&summary), summary, files, history, evidence: None })
}

/// From the first submission to the last closed browser. The flag tells whether a third signal forced the end.
async fn work(
    pool: PersistentWorkerPool,
    selection: Selection,
    progress: &Progress,
    signals: &mut mpsc::Receiver<ShutdownStep>,
    drain: Duration,
    closing: Option<&TimeLimit>,
) -> Result<(ShutdownReport, bool), CommandError> {
    let mut display = JoinSet::new();
    let (bars, snapshots) = (progress.clone(), pool.watch());
    display.spawn(async move { bars.follow(snapshots).await });
    let mut is_forced = false;
    let handles = submit(&pool, selection).await.unwrap_or_else(|why| {
        // a pool that stopped before it could take anything says why in its status
        tracing::warn!("{why}");
        Vec::new()
    });
    let lines = tell_outcomes(handles, progress);
    tokio::pin!(lines);
    let mut is_told = false;
    let control = pool.control();
    let time_is_up = drain_when_over(closing, &control, progress);
    tokio::pin!(time_is_up);
    let mut is_up = false;
    let ending = async {
        pool.wait_for_completion(None).await;
        pool.shutdown().await
    };
    tokio::pin!(ending);
    let end = loop {
        tokio::select! {
            end = &mut ending => break end.map_err(journal_unusable)?,
            () = &mut lines, if !is_told => is_told = true,
            () = &mut time_is_up, if !is_up => is_up = true,
            Some(step) = signals.recv() => is_forced |= tell_step(step, progress, drain),
        }
    };
    // the last outcomes come together with the end; a closed pool has an answer for every handle
    if !is_told && tokio::time::timeout(RUNTIME_DEADLINE, lines).await.is_err() {
        tracing::debug!("an order has neither an outcome nor an end");
    }
    // its last snapshot has been published
    display.join_all().await;
    Ok((end, is_forced))
}

/// Drains the pool when the run's time is over; never returns when it has no end.
pub(crate) async fn drain_when_over(closing: Option<&TimeLimit>, control: &PoolControl, progress: &Progress) {
    let Some(closing) = closing else { return std::future::pending().await };
    closing.wait().await;
    progress.say(&format!("starting no more orders: {}", closing.why));
    if control.drain_because(StopKind::TimeUp, closing.why.clone()).await.is_err() {
        tracing::debug!("the time was up after the end");
    }
}

/// Hands the orders to the pool; the handles are those of all that are open then.
async fn submit(pool: &PersistentWorkerPool, selection: Selection) -> Result<Vec<TaskHandle>, SubmitError> {
    let control = pool.control();
    control.submit_with_past(selection.orders).await?;
    control.open_tasks().await.map_err(|why| SubmitError::Closed(why.to_string()))
}

/// One line per order as it ends.
async fn tell_outcomes(handles: Vec<TaskHandle>, progress: &Progress) {
    let total = handles.len() as u64;
    let mut ends: FuturesUnordered<_> =
        handles.iter().map(|handle| async move { (handle.po().clone(), handle.wait(None).await) }).collect();
    let mut settled = 0;
    while let Some((po, outcome)) = ends.next().await {
        if let Some(outcome) = outcome {
            settled += 1;
            progress.order_done(&po, &outcome, settled, total);
        }
    }
}

/// Says what a signal led to; returns whether it was the last step.
pub(crate) fn tell_step(step: ShutdownStep, progress: &Progress, drain: Duration) -> bool {
    let drain = humantime::format_duration(drain);
    match step {
        ShutdownStep::Draining => progress.say(&format!(
            "stopping: no new order starts, those in work may finish within {drain}; once more to abort them"
        )),
        ShutdownStep::Aborting => {
            progress.say("aborting: orders in work are left open; once more to kill the browsers")
        }
        ShutdownStep::Killed => progress.say("killed the browsers"),
    }
    step == ShutdownStep::Killed
}

pub(crate) fn show_rejects(rejects: &[RejectedRow], progress: &Progress) {
    for reject in rejects.iter().take(SHOWN_REJECTS) {
        progress.say(&format!("not an order: {reject}"));
    }
    if let Some(more) = rejects.len().checked_sub(SHOWN_REJECTS).filter(|more| *more > 0) {
        progress.say(&format!("and {more} more rows that are not orders: all are listed in report.json"));
    }
}

pub(crate) fn not_started(error: StartError) -> CommandError {
    let reason = match error {
        StartError::Browser(_) => ExitReason::NoBrowser,
        StartError::Recipe(_) | StartError::Output(_) | StartError::Portal(_) => ExitReason::BadCall,
        _ => ExitReason::Unexpected,
    };
    let hint = if reason == ExitReason::NoBrowser { format!("\n{BROWSER_HINT}") } else { String::new() };
    CommandError::new(reason, format!("{error}{hint}"))
}

fn journal_unusable(error: impl std::fmt::Display) -> CommandError {
    CommandError::new(ExitReason::JournalUnusable, error)
}

/// Why the pool stopped, unless it merely closed when everything was done.
fn early_stop(end: &ShutdownReport) -> Option<&StopReason> {
    let is_complete = end.history.tasks.values().all(|state| state.outcome().is_some());
    let because = end.status.stopped_because.as_ref()?;
    (!is_complete || end.history.tasks.is_empty()).then_some(because)
}

fn reason_of(end: &ShutdownReport, summary: &Summary) -> ExitReason {
    let has_settled = summary.open_count() < summary.orders;
    let has_worked = end.status.workers.values().any(|worker| worker.attempt_count > 0);
    match early_stop(end).map(|stop| stop.kind) {
        None => ExitReason::of(summary),
        Some(StopKind::JournalUnusable) => ExitReason::JournalUnusable,
        // when not a single order came through, it is the call that is wrong and not the day
        Some(StopKind::NeverReached | StopKind::LoginRefused) if !has_settled => ExitReason::BadCall,
        Some(StopKind::NoWorkers) if !has_settled && !has_worked => ExitReason::NoBrowser,
        Some(_) => ExitReason::StoppedEarly,
    }
}

/// What is printed at the end, for a person or as one JSON object.
pub(crate) fn print_summary(
    finished: &BatchReport,
    output: &OutputArgs,
    progress: &Progress,
) -> Result<(), CommandError> {
    progress.clear();
    if output.json {
        let object = serde_json::json!({
            "exit_code": finished.reason.code(),
            "report": finished.files.json.path,
            "summary": finished.summary,
        });
        return crate::cli::output::print_json(&object);
    }
    progress.say(finished.summary.to_string().trim_end());
    if finished.reason == ExitReason::NoBrowser {
        progress.say(BROWSER_HINT);
    }
    progress.say(&format!("report: {}", finished.files.csv.path.display()));
    if let Some(evidence) = &finished.evidence {
        progress.say(&format!("what failed attempts saw: {}", evidence.display()));
    }
    Ok(())
}
