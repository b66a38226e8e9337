//! A batch from its orders to its report.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::assembly::StartOptions;
use crate::backend::History;
use crate::config::{Canary, PoolConfig};
use crate::download::OutputLock;
use crate::fs::blocking::blocking;
use crate::journal::{JournalReader, RunInfo, SqliteStore};
use crate::model::{PoNumber, PoTask, RejectedRow, StopKind, StopReason};
use crate::policy::has_passed;
use crate::pool::{PersistentWorkerPool, StartError};
use crate::report::{self, RunFacts};
use crate::site::{evidence_folder, number_rules};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::batch::event::{BatchError, BatchEvent, BatchReport, BatchStatus, Observer};
use crate::batch::run_record::{self, RunRecord};
use crate::batch::selection::{OrderFilter, Selection, select};
use crate::batch::stop::{StopSignals, TimeLimit};
use crate::batch::unsubmitted;
use crate::batch::work::{early_stop, status_of, work};

/// The canary of a run. Where the prefix of a number makes another order, its own does, too.
fn canary(config: &PoolConfig) -> Option<Canary> {
    let counts = number_rules(&config.site.recipe).is_ok_and(|rules| rules.prefix_counts);
    let canary = config.site.canary.clone()?;
    Some(if counts { Canary { po: canary.po.distinct(), ..canary } } else { canary })
}

/// A batch of orders in one output folder. Nothing starts before [`Batch::run`] or [`Batch::resume`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use coupa_batch::{Batch, PoTask, PoolConfig};
///
/// let config = PoolConfig::builder().base_url("https://acme.coupahost.com").out("May").build()?;
/// let tasks = ["PO15262984".parse()?, "PO15262985".parse()?].map(PoTask::new);
/// if let Some(report) = Batch::new(config).run(tasks).await? {
///     println!("{}", report.summary);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Batch {
    config: PoolConfig,
    lock: Option<Arc<OutputLock>>,
    journal: PathBuf,
    time_limit: Option<TimeLimit>,
    /// Counts signals that somebody else receives.
    signals: Option<watch::Receiver<u32>>,
    observer: Observer,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, lock: _, journal, time_limit: _, observer: _, signals: _ } = self;
        f.debug_struct("Batch").field("config", config).field("journal", journal).finish_non_exhaustive()
    }
}

impl Batch {
    /// A batch in the output folder of `config`, with its journal in the same folder.
    #[must_use]
    pub fn new(config: PoolConfig) -> Self {
        let journal = run_record::path(None, &config.out);
        Self { config, lock: None, journal, time_limit: None, signals: None, observer: Arc::new(|_| {}) }
    }

    /// Uses a lock of the output folder that was taken before.
    pub(crate) fn locked(self, lock: Arc<OutputLock>) -> Self {
        Self { lock: Some(lock), ..self }
    }

    /// Uses another journal than that of the output folder.
    #[must_use]
    pub fn journal(self, path: impl Into<PathBuf>) -> Self {
        Self { journal: path.into(), ..self }
    }

    /// Obeys signals that the program itself receives and counts, instead of listening for them a second time.
    pub(crate) fn signals(self, counted: watch::Receiver<u32>) -> Self {
        Self { signals: Some(counted), ..self }
    }

    /// Starts no more orders once `limit` is reached; none means never.
    pub(crate) fn time_limit(self, limit: Option<TimeLimit>) -> Self {
        Self { time_limit: limit, ..self }
    }

    /// Calls `observer` with each event, from a task of the batch. It must not block for long.
    #[must_use]
    pub fn observe(self, observer: impl Fn(&BatchEvent) + Send + Sync + 'static) -> Self {
        Self { observer: Arc::new(observer), ..self }
    }

    /// Fetches the orders, and writes journal and report. Orders that an earlier run completed in this folder are not
    /// fetched again while their files are unchanged. An unfinished run of the same portal is continued. Returns `None`
    /// if there was nothing to fetch.
    ///
    /// Takes over the signals of the process: the first one lets running orders finish, the second one leaves them
    /// open, the third one kills the browsers. Needs a tokio runtime with timers. Dropping the future kills the
    /// browsers; the run stays unfinished and can be resumed.
    ///
    /// # Errors
    /// [`BatchError`]; there is no new report then.
    pub async fn run(self, tasks: impl IntoIterator<Item = PoTask>) -> Result<Option<BatchReport>, BatchError> {
        self.run_selected(tasks.into_iter().collect(), Vec::new(), OrderFilter::default()).await
    }

    /// [`Batch::run`] with the orders that `filter` selects, and the rejected rows of the input for the report. An
    /// unfinished run is only continued if the filter selects all orders.
    pub(crate) async fn run_selected(
        mut self,
        tasks: Vec<PoTask>,
        rejects: Vec<RejectedRow>,
        filter: OrderFilter,
    ) -> Result<Option<BatchReport>, BatchError> {
        let mut signals = StopSignals::listen(self.signals.take())?;
        let lock = self.output_lock().await?;
        let store = RunRecord::open(self.journal.clone()).await?;
        let (record, selection) = self.plan(store, tasks, rejects, filter, &mut signals).await?;
        if record.history.tasks.is_empty() && selection.orders.is_empty() {
            record.finish(None).await?;
            (self.observer)(&BatchEvent::NothingToFetch);
            return Ok(None);
        }
        self.perform(lock, record, selection, signals).await.map(Some)
    }

    /// Continues the unfinished run of the journal with the orders that it has; otherwise as [`Batch::run`].
    ///
    /// # Errors
    /// [`BatchError`], such as [`BatchError::NothingToResume`]; there is no new report then.
    pub async fn resume(self) -> Result<BatchReport, BatchError> {
        let path = self.journal.clone();
        let unfinished = blocking("reading the journal", move || {
            JournalReader::open(&path).and_then(|reader| reader.last_unfinished())
        });
        let Some(info) = unfinished.await?? else { return Err(BatchError::NothingToResume(self.journal)) };
        self.resume_run(&info).await
    }

    /// Continues the unfinished run `info`.
    pub(crate) async fn resume_run(mut self, info: &RunInfo) -> Result<BatchReport, BatchError> {
        let signals = StopSignals::listen(self.signals.take())?;
        let lock = self.output_lock().await?;
        let store = RunRecord::open(self.journal.clone()).await?;
        let record = self.continue_run(store, info).await?;
        self.perform(lock, record, Selection::default(), signals).await
    }

    /// The lock of the output folder: the one that was taken before, or a new one.
    async fn output_lock(&mut self) -> Result<Arc<OutputLock>, BatchError> {
        if let Some(lock) = self.lock.take() {
            return Ok(lock);
        }
        let out = self.config.out.clone();
        let taken = blocking("locking the output folder", move || OutputLock::take(&out)).await?;
        taken.map(Arc::new).map_err(|why| BatchError::Start(StartError::Output(why.into())))
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
        signals: &mut StopSignals,
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
        let selecting = blocking("checking the files of earlier runs", move || {
            select(tasks, &past, filter, &files, &out, Timestamp::now())
        });
        let selection = tokio::select! {
            selection = selecting => selection?,
            () = signals.second(config.deadlines.drain, &self.observer) => return Err(finish_stopped(record).await),
        };
        if selection.reused_count() > 0 {
            (self.observer)(&BatchEvent::Reused(selection.reused_count()));
        }
        if selection.left_out > 0 {
            (self.observer)(&BatchEvent::LeftOut(selection.left_out));
        }
        Ok((record, selection))
    }

    /// Fetches the selected orders, and writes journal and report whatever happens.
    async fn perform(
        self,
        lock: Arc<OutputLock>,
        mut record: RunRecord,
        mut selection: Selection,
        mut signals: StopSignals,
    ) -> Result<BatchReport, BatchError> {
        let Self { config, time_limit, observer, .. } = self;
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
            canary: canary(&config),
        };
        let is_idle = selection.reused_count() == selection.orders.len() && setup.history.open_tasks().next().is_none();
        if is_idle {
            return settle_without_browsers(&out, base_url, record, selection, setup.history, &observer).await;
        }
        let open = selection.orders.len() - selection.reused_count() + setup.history.open_tasks().count();
        let setup = StartOptions { order_count: Some(open), ..setup };
        if let Some(canary) = &setup.canary
            && !setup.history.tasks.values().any(|state| has_passed(canary, state))
        {
            selection.include(&canary.po);
            observer(&BatchEvent::CanaryStarted(canary.po.clone()));
        }
        let canary = setup.canary.as_ref().map(|canary| canary.po.clone());
        let pool = tokio::select! {
            started = PersistentWorkerPool::start_with(config, setup) => started,
            () = signals.second(drain, &observer) => return Err(finish_stopped(record).await),
        };
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => {
                let stop = StopReason { kind: StopKind::NoWorkers, message: error.to_string() };
                return Err(finish_failed(record, stop, error.into()).await);
            }
        };
        observer(&BatchEvent::PoolStarted(pool.watch()));
        let mut orders = selection.orders.clone();
        // what an earlier run brought of the canary shows nothing of the portal of today
        orders.iter_mut().filter(|(order, _)| Some(&order.po) == canary.as_ref()).for_each(|(_, prior)| *prior = None);
        let (mut end, is_killed) = work(pool, selection, &observer, signals, drain, time_limit.as_ref()).await?;
        // a pool that stopped before it could take its orders leaves them open
        let (history, unwritten) = unsubmitted::record(&*record.journal, end.history, orders).await;
        end.history = history;
        if let Some(why) = unwritten {
            observer(&BatchEvent::JournalUnfinished(why));
        }
        let (run, started, rejects) = (record.run.clone(), record.started, std::mem::take(&mut record.rejects));
        if let Err(why) = record.finish(early_stop(&end).cloned()).await {
            // the report can be written anyway, and holds more than the journal could
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

/// Records the end of a run that failed, which the journal would show as running for ever, and returns why it failed.
async fn finish_failed(record: RunRecord, stop: StopReason, error: BatchError) -> BatchError {
    if let Err(why) = record.finish(Some(stop)).await {
        tracing::warn!("the journal could not record the end of the run: {why}");
    }
    error
}

/// Records the end of a run that two signals stopped before its pool had started.
async fn finish_stopped(record: RunRecord) -> BatchError {
    let error = BatchError::Stopped;
    let stop = StopReason { kind: StopKind::Requested, message: error.to_string() };
    finish_failed(record, stop, error).await
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
    let (history, unwritten) = unsubmitted::record(&*record.journal, history, selection.orders).await;
    let is_written = unwritten.is_none();
    let facts = RunFacts {
        run: record.run.clone(),
        started: record.started,
        finished: Timestamp::now(),
        base_url,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rejects: std::mem::take(&mut record.rejects),
        stopped_because: unwritten.as_ref().map(ToString::to_string),
    };
    let unfinished = match unwritten {
        Some(why) => Some(why),
        None => record.finish(None).await.err(),
    };
    if let Some(why) = unfinished {
        // the report can be written all the same, and holds more than the journal could
        observer(&BatchEvent::JournalUnfinished(why));
    }
    let (files, summary) = report::write(out, &history, &facts)?;
    observer(&BatchEvent::ReportWritten(files.clone()));
    let status = if is_written { BatchStatus::of(&summary) } else { BatchStatus::JournalUnusable };
    // of the part before a run was continued
    let evidence = Some(evidence_folder(out, &facts.run)).filter(|folder| folder.is_dir());
    Ok(BatchReport { status, summary, files, history, evidence })
}
