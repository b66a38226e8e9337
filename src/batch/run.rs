//! A batch from its orders to its report.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::assembly::{OneLogin, StartOptions};
use crate::backend::{History, Journal};
use crate::config::PoolConfig;
use crate::download::OutputLock;
use crate::fs::blocking::blocking;
use crate::journal::{JournalReader, RunInfo, SqliteStore};
use crate::model::{Entry, PoNumber, PoTask, RejectedRow, StopKind, StopReason, TaskId};
use crate::pool::PersistentWorkerPool;
use crate::pool::ShutdownHandler;
use crate::pool::TaskHandle;
use crate::pool::{PriorResult, ShutdownReport, ShutdownStep, SubmitError};
use crate::report::{self, RunFacts, Summary};
use crate::site::evidence_folder;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::batch::canary;
use crate::batch::error::BatchError;
use crate::batch::event::{BatchEvent, BatchReport, BatchStatus, Observer};
use crate::batch::run_record::{self, RunRecord};
use crate::batch::selection::{OrderFilter, Selection, select};
use crate::batch::stop::{TimeLimit, drain_at_limit, event_of};

/// Time for the last outcomes to arrive after the pool has closed.
const OUTCOME_DEADLINE: Duration = Duration::from_secs(5);

/// A batch: what it works with. Nothing starts before [`Batch::run`] or [`Batch::resume`].
pub(crate) struct Batch {
    config: PoolConfig,
    lock: Arc<OutputLock>,
    journal: PathBuf,
    time_limit: Option<TimeLimit>,
    observer: Observer,
}

impl Batch {
    /// A batch in an output folder that is locked already. Default: the journal in that folder, no time limit, no observer.
    pub(crate) fn new(config: PoolConfig, lock: Arc<OutputLock>) -> Self {
        let journal = run_record::path(None, &config.out);
        Self { config, lock, journal, time_limit: None, observer: Arc::new(|_| {}) }
    }

    /// Uses another journal than that of the output folder.
    pub(crate) fn journal(mut self, path: PathBuf) -> Self {
        self.journal = path;
        self
    }

    /// Starts no more orders once `limit` is reached; none means never.
    pub(crate) fn time_limit(mut self, limit: Option<TimeLimit>) -> Self {
        self.time_limit = limit;
        self
    }

    /// Calls `observer` with each event.
    pub(crate) fn observe(mut self, observer: impl Fn(&BatchEvent) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Fetches the orders that `filter` selects, and writes journal and report. An unfinished run of the same portal is
    /// continued, unless the filter selects less than all. Returns none when there was nothing to fetch.
    ///
    /// Dropping the future kills the browsers; the run stays unfinished.
    ///
    /// # Errors
    /// [`BatchError`]; there is no new report then.
    pub(crate) async fn run(
        self,
        tasks: Vec<PoTask>,
        rejects: Vec<RejectedRow>,
        filter: OrderFilter,
    ) -> Result<Option<BatchReport>, BatchError> {
        let store = RunRecord::open(self.journal.clone()).await?;
        let (record, selection) = self.plan(store, tasks, rejects, filter).await?;
        if record.history.tasks.is_empty() && selection.orders.is_empty() {
            record.finish(None).await?;
            (self.observer)(&BatchEvent::NothingToFetch);
            return Ok(None);
        }
        self.perform(record, selection).await.map(Some)
    }

    /// Continues the unfinished run `info` with the orders that it has.
    ///
    /// # Errors
    /// As for [`Batch::run`].
    pub(crate) async fn resume(self, info: &RunInfo) -> Result<BatchReport, BatchError> {
        let store = RunRecord::open(self.journal.clone()).await?;
        let record = self.continue_run(store, info).await?;
        self.perform(record, Selection::default()).await
    }

    async fn continue_run(&self, store: SqliteStore, info: &RunInfo) -> Result<RunRecord, BatchError> {
        let (run, open, orders) = (info.run.clone(), info.open_count(), info.order_count());
        (self.observer)(&BatchEvent::Resumed { run, open, orders });
        let record = RunRecord::resume(store, info).await?;
        (self.observer)(&BatchEvent::RunOpened(record.run.clone()));
        Ok(record)
    }

    /// Opens a new run or continues an unfinished one, and selects the orders to fetch.
    async fn plan(
        &self,
        store: SqliteStore,
        tasks: Vec<PoTask>,
        rejects: Vec<RejectedRow>,
        filter: OrderFilter,
    ) -> Result<(RunRecord, Selection), BatchError> {
        let config = &self.config;
        let path = store.path().to_owned();
        let (unfinished, past) = blocking("reading the journal", move || {
            let reader = JournalReader::open(&path)?;
            Ok::<_, BatchError>((reader.last_unfinished()?, reader.latest_all()?))
        })
        .await??;
        let base_url = config.site.base_url.as_ref().map(ToString::to_string);
        let unfinished = unfinished.filter(|info| filter.is_all() && info.base_url == base_url);
        let mut record = match &unfinished {
            Some(info) => self.continue_run(store, info).await?,
            None => {
                let record = RunRecord::begin(store, config, rejects.clone()).await?;
                (self.observer)(&BatchEvent::RunOpened(record.run.clone()));
                record
            }
        };
        if unfinished.is_some() {
            let known: HashSet<_> = record.rejects.iter().map(ToString::to_string).collect();
            record.rejects.extend(rejects.into_iter().filter(|reject| !known.contains(&reject.to_string())));
        }
        // orders of the unfinished run are in the journal already
        let own: HashSet<PoNumber> = record.history.tasks.values().map(|state| state.order().po.clone()).collect();
        let tasks: Vec<_> = tasks.into_iter().filter(|task| !own.contains(&task.po)).collect();
        let (out, files) = (config.out.clone(), config.site.filter.to_string());
        let selection = blocking("checking the files of earlier runs", move || {
            select(tasks, &past, filter, &files, &out, Timestamp::now())
        })
        .await?;
        if selection.reused_count() > 0 {
            (self.observer)(&BatchEvent::Reused(selection.reused_count()));
        }
        if selection.left_out > 0 {
            (self.observer)(&BatchEvent::LeftOut(selection.left_out));
        }
        Ok((record, selection))
    }

    /// Fetches the selected orders, and writes journal and report whatever happens.
    async fn perform(self, mut record: RunRecord, mut selection: Selection) -> Result<BatchReport, BatchError> {
        let Self { config, lock, time_limit, observer, .. } = self;
        let out = config.out.clone();
        report::sweep(&out); // the folder is locked: nobody else writes a report there
        let base_url = config.site.base_url.as_ref().map(ToString::to_string);
        let drain = config.deadlines.drain;
        let setup = StartOptions {
            claim: Some(Arc::clone(&lock)),
            journal: record.journal.clone(),
            run: record.run.clone(),
            history: std::mem::take(&mut record.history),
            order_count: None,
            login: OneLogin::default(),
        };
        let is_idle = selection.reused_count() == selection.orders.len() && setup.history.open_tasks().next().is_none();
        if is_idle {
            return settle_without_browsers(&out, base_url, record, selection, setup.history, &observer).await;
        }
        let open = selection.orders.len() - selection.reused_count() + setup.history.open_tasks().count();
        let setup = StartOptions { order_count: Some(open), ..setup };
        if let Some(canary) = config.site.canary.clone() {
            match canary::send(&config, &lock, &record.run, &setup.login, &canary, time_limit.as_ref(), &observer).await
            {
                Ok(receipt) => selection.take_over(&canary.po, receipt),
                Err(error) => {
                    let stop = match &error {
                        BatchError::Canary(stop) => stop.clone(),
                        BatchError::Start(why) => StopReason { kind: StopKind::NoWorkers, message: why.to_string() },
                        other => StopReason { kind: StopKind::Requested, message: other.to_string() },
                    };
                    record.finish(Some(stop)).await?;
                    return Err(error);
                }
            }
        }
        let pool = match PersistentWorkerPool::start_with(config, setup).await {
            Ok(pool) => pool,
            Err(error) => {
                // otherwise the journal would show the run as running for ever
                let stop = StopReason { kind: StopKind::NoWorkers, message: error.to_string() };
                record.finish(Some(stop)).await?;
                return Err(error.into());
            }
        };
        let (end, is_killed) = match ShutdownHandler::new(pool.control()).listen() {
            Ok(mut signals) => {
                observer(&BatchEvent::PoolStarted(pool.watch()));
                work(pool, selection, &observer, &mut signals, drain, time_limit.as_ref()).await?
            }
            Err(why) => {
                pool.shutdown().await?;
                return Err(BatchError::Signals(why));
            }
        };
        let (run, started, rejects) = (record.run.clone(), record.started, std::mem::take(&mut record.rejects));
        if let Err(why) = record.finish(early_stop(&end).cloned()).await {
            // the report can be written all the same, and holds more than the journal could
            observer(&BatchEvent::JournalUnfinished(why));
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
            observer(&BatchEvent::LeftBehind(leftover.to_string()));
        }
        let (files, summary) = report::write(&out, &end.history, &facts)?;
        observer(&BatchEvent::ReportWritten(files.clone()));
        let status = if is_killed { BatchStatus::Killed } else { status_of(&end, &summary) };
        drop(lock); // until here nobody else may write into the folder
        let evidence = Some(evidence_folder(&out, &facts.run)).filter(|folder| folder.is_dir());
        Ok(BatchReport { summary, files, history: end.history, status, evidence })
    }
}

/// Ends a batch whose orders were all completed before: no browser is started.
async fn settle_without_browsers(
    out: &Path,
    base_url: Option<String>,
    mut record: RunRecord,
    selection: Selection,
    history: History,
    observer: &Observer,
) -> Result<BatchReport, BatchError> {
    let first = history.tasks.len() as u64 + 1;
    let entries = (first..).map(TaskId).zip(selection.orders).flat_map(|(task, (order, earlier))| {
        let taken_over = match earlier {
            Some(PriorResult::Ended(outcome, from)) => Some(Entry::Reused { task, outcome, from }),
            Some(PriorResult::Begun(_)) | None => None,
        };
        std::iter::once(Entry::Admitted { task, order, receipt: None }).chain(taken_over)
    });
    record.journal.append(entries.collect()).await?;
    let history = record.journal.history().await?;
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
    let (files, summary) = report::write(out, &history, &facts)?;
    observer(&BatchEvent::ReportWritten(files.clone()));
    Ok(BatchReport { status: BatchStatus::of(&summary), summary, files, history, evidence: None })
}

/// From the first submission to the last closed browser. The flag is set when a third signal killed the browsers.
async fn work(
    pool: PersistentWorkerPool,
    selection: Selection,
    observer: &Observer,
    signals: &mut mpsc::Receiver<ShutdownStep>,
    grace: Duration,
    time_limit: Option<&TimeLimit>,
) -> Result<(ShutdownReport, bool), BatchError> {
    let handles = submit(&pool, selection).await.unwrap_or_else(|why| {
        // a pool that stopped before it could take any order says why in its status
        tracing::warn!("{why}");
        Vec::new()
    });
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
            Some(step) = signals.recv() => {
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

/// Hands the orders to the pool; the handles are those of all that are open then.
async fn submit(pool: &PersistentWorkerPool, selection: Selection) -> Result<Vec<TaskHandle>, SubmitError> {
    let control = pool.control();
    control.submit_with_prior(selection.orders).await?;
    control.open_tasks().await.map_err(|why| SubmitError::Closed(why.to_string()))
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

/// Why the pool stopped early; none when all orders were done.
fn early_stop(end: &ShutdownReport) -> Option<&StopReason> {
    let is_complete = end.history.tasks.values().all(|state| state.outcome().is_some());
    let because = end.status.stopped_because.as_ref()?;
    (!is_complete || end.history.tasks.is_empty()).then_some(because)
}

fn status_of(end: &ShutdownReport, summary: &Summary) -> BatchStatus {
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
