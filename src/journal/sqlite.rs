//! The journal in a SQLite file.

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

/// How long the writer may take for one reply. Far more than a busy disk needs: afterwards it is unknown whether the batch was
/// written.
const WRITER_DEADLINE: Duration = Duration::from_secs(30);

/// How long reading a run may take.
const READ_DEADLINE: Duration = Duration::from_secs(60);

/// A journal that this program owns, with the thread that writes it.
///
/// End it with [`SqliteStore::close`]. Dropping it does not wait: after its last [`RunJournal`] is dropped too, the thread
/// writes what it has, closes the file and releases the lock. Until then, opening the journal again fails with
/// [`JournalError::InUse`].
#[derive(Debug)]
pub struct SqliteStore {
    writer: WriterHandle,
}

impl SqliteStore {
    /// Opens the journal at `path` and migrates it to the newest schema. Creates it with its folder, private to this user, if
    /// it does not exist. Blocks.
    ///
    /// # Errors
    /// [`JournalError::InUse`] naming the program that owns it, [`JournalError::TooNew`],
    /// [`JournalError::NotAJournal`], [`JournalError::Damaged`], [`JournalError::ReadOnly`], [`JournalError::Full`], or
    /// [`JournalError::Unusable`]. The file is unchanged then.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let path = std::path::absolute(path).map_err(|why| io_fault(path, &why))?;
        let owner = JournalLock::take(&path)?;
        let writer = Writer::new(schema::open_to_write(&path)?, path.clone(), owner)?;
        // unbounded, but short: a sender waits for the reply before it sends again
        let (commands, inbox) = mpsc::channel();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.work(&inbox))
            .map_err(|why| io_fault(&path, &why))?;
        Ok(Self { writer: WriterHandle { commands, path } })
    }

    /// The path of the journal.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.writer.path
    }

    /// Starts a run. If the future is dropped, the run may or may not have been recorded.
    ///
    /// # Errors
    /// [`JournalError::RunExists`], or what keeps the journal from being written.
    pub async fn begin(&self, run: RunId, facts: RunStart) -> Result<RunJournal, JournalError> {
        let name = run.clone();
        let key = self.writer.ask(|reply| WriterCommand::Begin { run, facts: Box::new(facts), reply }).await?;
        Ok(RunJournal { writer: self.writer.clone(), run: name, key })
    }

    /// Resumes a run after its last entry; its recorded end, if any, is removed. Tasks that were leased are still leased in the
    /// history: the caller decides about interrupted attempts.
    ///
    /// # Errors
    /// [`JournalError::NoSuchRun`], [`JournalError::Damaged`], or what keeps the journal from being used.
    pub async fn resume(&self, run: &RunId) -> Result<(RunJournal, History), JournalError> {
        let (key, history) = self.writer.ask(|reply| WriterCommand::Resume { run: run.clone(), reply }).await?;
        Ok((RunJournal { writer: self.writer.clone(), run: run.clone(), key }, history))
    }

    /// Records how a run ended. Nothing can be added to it afterwards, unless it is resumed.
    ///
    /// # Errors
    /// [`JournalError::NoSuchRun`], or what keeps the journal from being written.
    pub async fn finish(&self, run: &RunId, end: RunEnd) -> Result<(), JournalError> {
        self.writer.ask(|reply| WriterCommand::Finish { run: run.clone(), end, reply }).await
    }

    /// Waits for pending writes, moves the log into the file, and releases the lock. A remaining [`RunJournal`] can still be
    /// read, but not written.
    ///
    /// # Errors
    /// [`JournalError`] when the log could not be moved into the file (it is kept, and nothing is lost), or when the disk does not
    /// respond.
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
        // on its own connection: reading 100,000 tasks must not delay the next entry
        let (path, run) = (self.writer.path.clone(), self.run.clone());
        Box::pin(async move {
            let reading = tokio::task::spawn_blocking(move || JournalReader::open(&path)?.history(&run));
            match tokio::time::timeout(READ_DEADLINE, reading).await {
                Ok(Ok(history)) => history,
                Ok(Err(broke)) => Err(JournalError::Unusable(format!("reading the journal was interrupted: {broke}"))),
                Err(_elapsed) => Err(JournalError::NoAnswer { after: READ_DEADLINE }),
            }
        })
    }
}

/// Sends commands to the writer's thread.
#[derive(Clone, Debug)]
struct WriterHandle {
    commands: mpsc::Sender<WriterCommand>,
    path: PathBuf,
}

impl WriterHandle {
    /// Sends a command and waits for its reply, at most [`WRITER_DEADLINE`].
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(WriterReply<T>) -> WriterCommand,
    ) -> Result<T, JournalError> {
        let gone = || JournalError::Unusable(format!("{} was closed", self.path.display()));
        let (reply, answer) = mpsc::sync_channel(1);
        self.commands.send(question(reply)).map_err(|_closed| gone())?;
        // with the real clock, on a thread for blocking work: under a test's paused clock a timeout of the runtime passes at
        // once when only the disk is awaited
        let waiting = tokio::task::spawn_blocking(move || answer.recv_timeout(WRITER_DEADLINE));
        match waiting.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(mpsc::RecvTimeoutError::Timeout)) => Err(JournalError::NoAnswer { after: WRITER_DEADLINE }),
            Ok(Err(mpsc::RecvTimeoutError::Disconnected)) => Err(gone()),
            Err(broke) => Err(JournalError::Unusable(format!("waiting for the journal was interrupted: {broke}"))),
        }
    }
}
