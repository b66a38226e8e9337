//! The thread that owns the connection: takes what waits, checks it, writes it in one transaction, answers.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::mpsc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::reader::read_history;
use super::runs::{RunEnd, RunStart};
use crate::backend::{History, JournalError};
use crate::journal::lock::JournalLock;
use crate::journal::schema::RunKey;
use crate::journal::schema::fault;
use crate::model::{Entry, PoNumber, RunId, TaskId, TaskState};

/// Most batches of one transaction: bounds how long the first of them waits for the others.
const GROUP: usize = 256;

/// Where an answer goes. Whoever asked may have stopped waiting: then nobody needs it.
pub(crate) type WriterReply<T> = mpsc::SyncSender<Result<T, JournalError>>;

/// What the thread is asked.
pub(crate) enum WriterCommand {
    Append { run: RunKey, entries: Vec<Entry>, reply: WriterReply<()> },
    Begin { run: RunId, facts: Box<RunStart>, reply: WriterReply<RunKey> },
    Resume { run: RunId, reply: WriterReply<(RunKey, History)> },
    Finish { run: RunId, end: RunEnd, reply: WriterReply<()> },
    Close { reply: WriterReply<()> },
}

/// A batch that was found legal.
struct CheckedBatch {
    run: RunKey,
    entries: Vec<Entry>,
    reply: WriterReply<()>,
}

/// What is remembered of a run that is written, to tell a legal entry from another one.
struct RunState {
    name: RunId,
    open: HashMap<TaskId, TaskState>,
    // nothing may follow an outcome, so the outcomes themselves need not be kept
    settled: HashSet<TaskId>,
}

type StagedStates = HashMap<(RunKey, TaskId), TaskState>;

pub(crate) struct Writer {
    connection: Connection,
    path: PathBuf,
    next: i64,
    runs: HashMap<RunKey, RunState>,
    // last: the lock goes after the connection is closed
    _owner: JournalLock,
}

impl Writer {
    pub(crate) fn new(connection: Connection, path: PathBuf, owner: JournalLock) -> Result<Self, JournalError> {
        let last: Option<i64> = connection
            .query_row("SELECT max(seq) FROM entries", [], |row| row.get(0))
            .map_err(|error| fault(&path, &error))?;
        Ok(Self { connection, path, next: last.unwrap_or(0) + 1, runs: HashMap::new(), _owner: owner })
    }

    /// Until somebody closes the journal, or nobody is left who could write to it.
    pub(crate) fn work(mut self, commands: &mpsc::Receiver<WriterCommand>) {
        let mut put_back = None;
        while let Some(command) = put_back.take().or_else(|| commands.recv().ok()) {
            match command {
                WriterCommand::Append { .. } => put_back = self.group(command, commands),
                WriterCommand::Begin { run, facts, reply } => answer(&reply, self.begin(&run, &facts)),
                WriterCommand::Resume { run, reply } => answer(&reply, self.resume(&run)),
                WriterCommand::Finish { run, end, reply } => answer(&reply, self.finish(&run, &end)),
                WriterCommand::Close { reply } => return answer(&reply, self.close()),
            }
        }
        // an error has nobody left to hear it, and costs no more than a log to be read at the next start
        let _ = self.close();
    }

    /// Takes every batch that waits already, so that all share one flush of the disk. Returns the command that ended
    /// the group.
    fn group(&mut self, first: WriterCommand, commands: &mpsc::Receiver<WriterCommand>) -> Option<WriterCommand> {
        let mut accepted: Vec<CheckedBatch> = Vec::new();
        let mut staged = StagedStates::new();
        let mut next = Some(first);
        while let Some(command) = next.take() {
            let WriterCommand::Append { run, entries, reply } = command else {
                self.write(accepted, staged);
                return Some(command);
            };
            match self.check(run, &entries, &staged) {
                Ok(changed) => {
                    staged.extend(changed);
                    accepted.push(CheckedBatch { run, entries, reply });
                }
                Err(why) => answer(&reply, Err(why)),
            }
            if accepted.len() < GROUP {
                next = commands.try_recv().ok();
            }
        }
        self.write(accepted, staged);
        None
    }

    /// The states that the entries lead to, or why they may not follow the ones before.
    fn check(&self, run: RunKey, entries: &[Entry], staged: &StagedStates) -> Result<StagedStates, JournalError> {
        let standing = self
            .runs
            .get(&run)
            .ok_or_else(|| JournalError::Unusable("the run has ended: nothing can be added to it".to_owned()))?;
        let mut changed = StagedStates::with_capacity(entries.len());
        for entry in entries {
            let key = (run, entry.task());
            if standing.settled.contains(&key.1) {
                let RunState { name, .. } = standing;
                return Err(JournalError::Damaged(format!(
                    "{entry:?} is not allowed: task {} of run {name} already has its outcome",
                    key.1
                )));
            }
            let before = changed
                .remove(&key)
                .or_else(|| staged.get(&key).cloned())
                .or_else(|| standing.open.get(&key.1).cloned());
            let after = TaskState::apply(before, entry)?;
            changed.insert(key, after);
        }
        Ok(changed)
    }

    fn write(&mut self, batches: Vec<CheckedBatch>, staged: StagedStates) {
        if batches.is_empty() {
            return;
        }
        let written = self.commit(&batches, &staged).map_err(|error| fault(&self.path, &error));
        if let Ok(next) = &written {
            self.next = *next;
            for ((run, task), state) in staged {
                let Some(standing) = self.runs.get_mut(&run) else { continue };
                if state.outcome().is_some() {
                    standing.open.remove(&task);
                    standing.settled.insert(task);
                } else {
                    standing.open.insert(task, state);
                }
            }
        }
        for batch in batches {
            answer(&batch.reply, written.as_ref().map(drop).map_err(Clone::clone));
        }
    }

    /// One transaction; an error rolls all of it back. Returns the next free sequence number.
    fn commit(&mut self, batches: &[CheckedBatch], staged: &StagedStates) -> rusqlite::Result<i64> {
        let now = Timestamp::now().as_millisecond();
        let mut seq = self.next;
        let mut settled = HashMap::new();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut insert = transaction.prepare("INSERT INTO entries (seq, run, at, entry) VALUES (?1, ?2, ?3, ?4)")?;
        for CheckedBatch { run, entries, .. } in batches {
            for entry in entries {
                let text = serde_json::to_string(entry)
                    .map_err(|why| rusqlite::Error::ToSqlConversionFailure(Box::new(why)))?;
                insert.execute(params![seq, run.0, now, text])?;
                if matches!(entry, Entry::Settled { .. } | Entry::Reused { .. }) {
                    settled.insert((*run, entry.task()), seq);
                }
                seq += 1;
            }
        }
        drop(insert);
        let mut put = transaction.prepare(
            "INSERT INTO tasks (run, task, po, shown, state, spent, started, status, settled)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (run, task) DO UPDATE SET state = excluded.state, spent = excluded.spent,
                 started = excluded.started, status = excluded.status, settled = excluded.settled",
        )?;
        for ((run, task), state) in staged {
            let po = &state.order().po;
            let counts = state.counts();
            let name = match state {
                TaskState::Ready { .. } => "ready",
                TaskState::Leased { .. } => "leased",
                TaskState::Settled { .. } => "settled",
            };
            let status = state.outcome().map(|outcome| outcome.status().as_str());
            put.execute(params![
                run.0,
                task.0.cast_signed(),
                key_of(po),
                po.to_string(),
                name,
                counts.counted,
                counts.started,
                status,
                settled.get(&(*run, *task)),
            ])?;
        }
        drop(put);
        transaction.commit()?;
        Ok(seq)
    }

    fn begin(&mut self, run: &RunId, facts: &RunStart) -> Result<RunKey, JournalError> {
        if self.key(run)?.is_some() {
            return Err(JournalError::RunExists(run.clone()));
        }
        let json = |value: serde_json::Result<String>| value.map_err(|why| JournalError::Unusable(why.to_string()));
        let (rejects, options) =
            (json(serde_json::to_string(&facts.rejects))?, json(serde_json::to_string(&facts.options))?);
        self.connection
            .execute(
                "INSERT INTO runs (name, started_at, base_url, version, rejects, options)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    run.as_str(),
                    facts.started_at.as_millisecond(),
                    facts.base_url,
                    facts.version,
                    rejects,
                    options
                ],
            )
            .map_err(|error| fault(&self.path, &error))?;
        let key = RunKey(self.connection.last_insert_rowid());
        self.runs.insert(key, RunState { name: run.clone(), open: HashMap::new(), settled: HashSet::new() });
        Ok(key)
    }

    fn resume(&mut self, run: &RunId) -> Result<(RunKey, History), JournalError> {
        let key = self.key(run)?.ok_or_else(|| JournalError::NoSuchRun(run.clone()))?;
        let history = read_history(&self.connection, &self.path, run, key)?;
        self.connection
            .execute("UPDATE runs SET finished_at = NULL, stopped = NULL WHERE run = ?1", [key.0])
            .map_err(|error| fault(&self.path, &error))?;
        let open = history.open_tasks().map(|(task, state)| (task, state.clone())).collect();
        let settled = history.settled_at.keys().copied().collect();
        self.runs.insert(key, RunState { name: run.clone(), open, settled });
        Ok((key, history))
    }

    fn finish(&mut self, run: &RunId, end: &RunEnd) -> Result<(), JournalError> {
        let key = self.key(run)?.ok_or_else(|| JournalError::NoSuchRun(run.clone()))?;
        let stopped = end
            .stopped
            .as_ref()
            .map(serde_json::to_string)
            .transpose()
            .map_err(|why| JournalError::Unusable(why.to_string()))?;
        self.connection
            .execute(
                "UPDATE runs SET finished_at = ?2, stopped = ?3 WHERE run = ?1",
                params![key.0, end.finished_at.as_millisecond(), stopped],
            )
            .map_err(|error| fault(&self.path, &error))?;
        self.runs.remove(&key);
        Ok(())
    }

    fn key(&self, run: &RunId) -> Result<Option<RunKey>, JournalError> {
        self.connection
            .query_row("SELECT run FROM runs WHERE name = ?1", [run.as_str()], |row| row.get(0).map(RunKey))
            .optional()
            .map_err(|error| fault(&self.path, &error))
    }

    /// Everything into the file itself, and the lock given back.
    fn close(self) -> Result<(), JournalError> {
        // a reader that is in the middle of something keeps the log alive: the next owner brings it in
        let log = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let closed = self.connection.close().map_err(|(_, error)| error);
        log.and(closed).map_err(|error| fault(&self.path, &error))
    }
}

/// What tells an order from others: its digits, behind the prefix where that makes another order.
fn key_of(po: &PoNumber) -> String {
    if po.is_distinct() { format!("{}:{}", po.prefix(), po.digits()) } else { po.digits().to_owned() }
}

fn answer<T>(reply: &WriterReply<T>, with: Result<T, JournalError>) {
    // full never (one question, one answer); closed when whoever asked has stopped waiting
    let _ = reply.try_send(with);
}
