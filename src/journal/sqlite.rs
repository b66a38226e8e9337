//! The journal in a file: who may write it, and to which run.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::reader::JournalReader;
use super::runs::{RunEnd, RunStart};
use super::schema;
use super::schema::RunKey;
use super::writer::{Writer, WriterCommand, WriterReply};
use crate::backend::{BoxFuture, History, Journal, JournalError};
use crate::journal::lock::JournalLock;
use crate::journal::schema::io_fault;
use crate::model::{Entry, RunId};

/// How long the writer may take for one answer. Far more than a busy disk needs, so that only a dead one is taken for
/// one: after it, whether the batch was written is not known.
const WRITER_DEADLINE: Duration = Duration::from_secs(30);

/// How long reading a run back may take.
const READ_DEADLINE: Duration = Duration::from_secs(60);

/// A journal that this program owns, with the thread that writes it.
///
/// End it with [`SqliteStore::close`]. Dropping it waits for nothing: once its last [`RunJournal`] is dropped too, the
/// thread writes what it was given, closes the file and gives the lock back, all by itself; until then, opening the same
/// journal again is answered with [`JournalError::InUse`].
#[derive(Debug)]
pub struct SqliteStore {
    writer: WriterHandle,
}

impl SqliteStore {
    /// Opens the journal at `path`, which is made, with its folder, for this user alone when it is not there. Brings it
    /// to the newest schema. Blocks while it does.
    ///
    /// # Errors
    /// [`JournalError::InUse`] naming the program that owns it, [`JournalError::TooNew`],
    /// [`JournalError::NotAJournal`], [`JournalError::Damaged`], [`JournalError::ReadOnly`], [`JournalError::Full`], or
    /// [`JournalError::Unusable`]. The file is as it was before.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let path = std::path::absolute(path).map_err(|why| io_fault(path, &why))?;
        let owner = JournalLock::take(&path)?;
        let writer = Writer::new(schema::open_to_write(&path)?, path.clone(), owner)?;
        // unbounded, yet never long: whoever sends waits for the answer before sending again
        let (commands, inbox) = mpsc::channel();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.work(&inbox))
            .map_err(|why| io_fault(&path, &why))?;
        Ok(Self { writer: WriterHandle { commands, path } })
    }

    /// Where the journal lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.writer.path
    }

    /// Begins a run. Dropping the future leaves it open whether the run is there.
    ///
    /// # Errors
    /// [`JournalError::RunExists`], or what keeps the journal from being written.
    pub async fn begin(&self, run: RunId, facts: RunStart) -> Result<RunJournal, JournalError> {
        let name = run.clone();
        let key = self.writer.ask(|reply| WriterCommand::Begin { run, facts: Box::new(facts), reply }).await?;
        Ok(RunJournal { writer: self.writer.clone(), run: name, key })
    }

    /// Takes up a run where its last entry left it; its end, if one was written, is forgotten. Tasks that were leased
    /// are still leased in the history: what becomes of an interrupted attempt is for the caller to say.
    ///
    /// # Errors
    /// [`JournalError::NoSuchRun`], [`JournalError::Damaged`], or what keeps the journal from being used.
    pub async fn resume(&self, run: &RunId) -> Result<(RunJournal, History), JournalError> {
        let (key, history) = self.writer.ask(|reply| WriterCommand::Resume { run: run.clone(), reply }).await?;
        Ok((RunJournal { writer: self.writer.clone(), run: run.clone(), key }, history))
    }

    /// Writes how a run ended; nothing can be added to it afterwards, unless it is resumed.
    ///
    /// # Errors
    /// [`JournalError::NoSuchRun`], or what keeps the journal from being written.
    pub async fn finish(&self, run: &RunId, end: RunEnd) -> Result<(), JournalError> {
        self.writer.ask(|reply| WriterCommand::Finish { run: run.clone(), end, reply }).await
    }

    /// Waits for what was sent before, brings the log into the file, and gives the lock back. A [`RunJournal`] that is
    /// left can still be read, and not be written any more.
    ///
    /// # Errors
    /// [`JournalError`] when the log could not be brought in (it is kept, and nothing is lost), or when the disk does
    /// not answer.
    pub async fn close(self) -> Result<(), JournalError> {
        self.writer.ask(|reply| WriterCommand::Close { reply }).await
    }
}

/// The journal of one run.
#[derive(Clone, Debug)]
pub struct RunJournal {
    writer: WriterHandle,
    run: RunId,
    key: RunKey,
}

impl Journal for RunJournal {
    fn append(&self, batch: Vec<Entry>) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            if batch.is_empty() {
                return Ok(());
            }
            self.writer.ask(|reply| WriterCommand::Append { run: self.key, entries: batch, reply }).await
        })
    }

    fn history(&self) -> BoxFuture<'_, Result<History, JournalError>> {
        // with a connection of its own: reading 100,000 tasks must not hold up the next grant
        let (path, run) = (self.writer.path.clone(), self.run.clone());
        Box::pin(async move {
            let reading = tokio::task::spawn_blocking(move || JournalReader::open(&path)?.history(&run));
            match tokio::time::timeout(READ_DEADLINE, reading).await {
                Ok(Ok(history)) => history,
                Ok(Err(broke)) => Err(JournalError::Unusable(format!("reading it broke off: {broke}"))),
                Err(_elapsed) => Err(JournalError::NoAnswer { after: READ_DEADLINE }),
            }
        })
    }
}

/// The way to the writer's thread.
#[derive(Clone, Debug)]
struct WriterHandle {
    commands: mpsc::Sender<WriterCommand>,
    path: PathBuf,
}

impl WriterHandle {
    /// Sends a question and waits for its answer, at most [`WRITER_DEADLINE`].
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(WriterReply<T>) -> WriterCommand,
    ) -> Result<T, JournalError> {
        let gone = || JournalError::Unusable(format!("{} was closed", self.path.display()));
        let (reply, answer) = mpsc::sync_channel(1);
        self.commands.send(question(reply)).map_err(|_closed| gone())?;
        // by the real clock, on a thread for blocking work: a disk does not know of a test's paused one, under which a
        // timeout of the runtime passes at once whenever nothing but the disk is awaited
        let waiting = tokio::task::spawn_blocking(move || answer.recv_timeout(WRITER_DEADLINE));
        match waiting.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(mpsc::RecvTimeoutError::Timeout)) => Err(JournalError::NoAnswer { after: WRITER_DEADLINE }),
            Ok(Err(mpsc::RecvTimeoutError::Disconnected)) => Err(gone()),
            Err(broke) => Err(JournalError::Unusable(format!("waiting for it broke off: {broke}"))),
        }
    }
}
