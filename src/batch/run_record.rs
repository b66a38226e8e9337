//! The journal of one run: a new one, or one that is resumed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::{History, JournalError};
use crate::batch::event::BatchError;
use crate::config::PoolConfig;
use crate::fs::blocking::blocking;
use crate::journal::{JournalReader, RunEnd, RunInfo, RunJournal, RunStart, SqliteStore};
use crate::model::{RejectedRow, RunId, StopReason};
use jiff::Timestamp;

/// The journal of an output folder, unless another one is named.
pub(crate) fn path(journal: Option<&Path>, out: &Path) -> PathBuf {
    journal.map_or_else(|| out.join(".coupa-batch").join("journal.db"), Path::to_owned)
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
    pub(crate) async fn open(path: PathBuf) -> Result<SqliteStore, BatchError> {
        Ok(blocking("opening the journal", move || SqliteStore::open(&path)).await??)
    }

    /// Begins a run.
    pub(crate) async fn begin(
        store: SqliteStore,
        config: &PoolConfig,
        rejects: Vec<RejectedRow>,
    ) -> Result<Self, BatchError> {
        let started = Timestamp::now();
        let run = run_id(started);
        let facts = RunStart {
            started_at: started,
            base_url: config.site.base_url.as_ref().map(ToString::to_string),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rejects: rejects.clone(),
            options: serde_json::Value::Null,
        };
        let journal = Arc::new(store.begin(run.clone(), facts).await?);
        Ok(Self { store, run, journal, history: History::default(), started, rejects })
    }

    /// Resumes an unfinished run.
    pub(crate) async fn resume(store: SqliteStore, info: &RunInfo) -> Result<Self, BatchError> {
        let (path, run) = (store.path().to_owned(), info.run.clone());
        let rejects = blocking("reading the journal", move || JournalReader::open(&path)?.rejects(&run)).await??;
        let (journal, history) = store.resume(&info.run).await?;
        let (run, started) = (info.run.clone(), info.started_at);
        Ok(Self { store, run, journal: Arc::new(journal), history, started, rejects })
    }

    /// Records how the run ended and closes the journal.
    pub(crate) async fn finish(self, stopped: Option<StopReason>) -> Result<(), JournalError> {
        let end = RunEnd { finished_at: Timestamp::now(), stopped };
        self.store.finish(&self.run, end).await?;
        drop(self.journal);
        self.store.close().await
    }
}

/// The time, readable and sortable, with a suffix that distinguishes two runs in the same second.
fn run_id(started: Timestamp) -> RunId {
    RunId::new(&format!("{}-{}", started.strftime("%Y%m%dT%H%M%SZ"), std::process::id()))
}
