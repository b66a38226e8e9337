//! The durable record of a run: begun anew, or taken up where it ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::{History, JournalError};
use crate::config::PoolConfig;
use crate::journal::{JournalReader, RunEnd, RunInfo, RunJournal, RunStart, SqliteStore};
use crate::model::{RejectedRow, RunId, StopReason};
use jiff::Timestamp;

use crate::cli::exit::{CommandError, ExitReason};

/// The journal of an output folder, unless another one is named.
pub(crate) fn path(journal: Option<&Path>, out: &Path) -> PathBuf {
    journal.map_or_else(|| out.join(".coupa-batch").join("journal.db"), Path::to_owned)
}

pub(crate) fn unusable(error: impl std::fmt::Display) -> CommandError {
    CommandError::new(ExitReason::JournalUnusable, error)
}

/// A journal that is not there is a wrong call; anything else is wrong with the journal.
pub(crate) fn unreadable(error: JournalError) -> CommandError {
    match error {
        JournalError::Missing { .. } => CommandError::bad_call(error),
        other => unusable(other),
    }
}

/// Runs `work` where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, CommandError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|broke| unusable(format!("the journal's work broke off: {broke}")))?.map_err(unusable)
}

/// One run's place in the journal, written until [`RunRecord::finish`].
pub(crate) struct RunRecord {
    store: SqliteStore,
    pub(crate) run: RunId,
    pub(crate) journal: Arc<RunJournal>,
    /// What is known of the run from before.
    pub(crate) history: History,
    pub(crate) started: Timestamp,
    pub(crate) rejects: Vec<RejectedRow>,
}

impl RunRecord {
    /// Opens the journal for writing; nobody else writes it until it is finished.
    pub(crate) async fn open(path: PathBuf) -> Result<SqliteStore, CommandError> {
        blocking(move || SqliteStore::open(&path)).await
    }

    /// Begins a run.
    pub(crate) async fn begin(
        store: SqliteStore,
        config: &PoolConfig,
        rejects: Vec<RejectedRow>,
    ) -> Result<Self, CommandError> {
        let started = Timestamp::now();
        let run = run_id(started);
        let facts = RunStart {
            started_at: started,
            base_url: config.site.base_url.as_ref().map(ToString::to_string),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rejects: rejects.clone(),
            options: serde_json::Value::Null,
        };
        let journal = Arc::new(store.begin(run.clone(), facts).await.map_err(unusable)?);
        Ok(Self { store, run, journal, history: History::default(), started, rejects })
    }

    /// Takes up a run that did not come to its end.
    pub(crate) async fn resume(store: SqliteStore, info: &RunInfo) -> Result<Self, CommandError> {
        let (path, run) = (store.path().to_owned(), info.run.clone());
        let rejects = blocking(move || JournalReader::open(&path)?.rejects(&run)).await?;
        let (journal, history) = store.resume(&info.run).await.map_err(unusable)?;
        let (run, started) = (info.run.clone(), info.started_at);
        Ok(Self { store, run, journal: Arc::new(journal), history, started, rejects })
    }

    /// Writes how the run ended and lets go of the journal.
    pub(crate) async fn finish(self, stopped: Option<StopReason>) -> Result<(), CommandError> {
        let end = RunEnd { finished_at: Timestamp::now(), stopped };
        self.store.finish(&self.run, end).await.map_err(unusable)?;
        drop(self.journal);
        self.store.close().await.map_err(unusable)
    }
}

/// The time, readable and sortable, and what tells two runs of one second apart.
fn run_id(started: Timestamp) -> RunId {
    RunId::new(&format!("{}-{}", started.strftime("%Y%m%dT%H%M%SZ"), std::process::id()))
}
