//! Reads a journal, while its owner is running or after it has ended.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::replay::{Replay, damaged};
use super::runs::{PriorOutcome, RunInfo};
use super::schema;
use super::schema::RunKey;
use crate::backend::{History, JournalError};
use crate::journal::lock;
use crate::journal::schema::fault;
use crate::model::{Entry, OrderStatus, PoNumber, RejectedRow, RunId};

/// Reader of a journal that another program may own. It never blocks the owner. Each result shows the journal at one moment.
///
/// Every call blocks; call it from async code on a thread for blocking work.
#[derive(Debug)]
pub struct JournalReader {
    connection: Connection,
    path: PathBuf,
}

impl JournalReader {
    /// Opens the journal at `path` for reading.
    ///
    /// # Errors
    /// [`JournalError::Missing`] when there is no journal, [`JournalError::NotAJournal`],
    /// [`JournalError::TooNew`], or what keeps the file from being read.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Ok(Self { connection: schema::open_to_read(path)?, path: path.to_owned() })
    }

    /// The program that writes the journal now, such as `process 4711 since 2026-11-21T01:00:00Z`. If it is `None`, a run
    /// without an end was killed; on a disk without locks it is always `None`.
    #[must_use]
    pub fn owner(&self) -> Option<String> {
        lock::at_work(&self.path)
    }

    /// All runs, oldest first.
    ///
    /// # Errors
    /// [`JournalError`] when the file cannot be read.
    pub fn runs(&self) -> Result<Vec<RunInfo>, JournalError> {
        self.read_runs().map_err(|error| fault(&self.path, &error))
    }

    /// The newest run that can be resumed (see [`RunInfo::is_unfinished`]), if there is one.
    ///
    /// # Errors
    /// [`JournalError`] when the file cannot be read.
    pub fn last_unfinished(&self) -> Result<Option<RunInfo>, JournalError> {
        Ok(self.runs()?.into_iter().rev().find(RunInfo::is_unfinished))
    }

    /// Every task of `run` with its state, from its entries.
    ///
    /// # Errors
    /// [`JournalError::NoSuchRun`], [`JournalError::Damaged`] naming the entry that contradicts the ones before it, or
    /// what keeps the file from being read.
    pub fn history(&self, run: &RunId) -> Result<History, JournalError> {
        let (key, _) = self.find(run)?;
        read_history(&self.connection, &self.path, run, key)
    }

    /// The rejected rows of the input of `run`.
    ///
    /// # Errors
    /// [`JournalError::NoSuchRun`], or what keeps the file from being read.
    pub fn rejects(&self, run: &RunId) -> Result<Vec<RejectedRow>, JournalError> {
        let (_, rejects) = self.find(run)?;
        serde_json::from_str(&rejects)
            .map_err(|why| JournalError::Damaged(format!("the rejected rows of run {run}: {why}")))
    }

    /// The latest outcome of each order, of any run and however its number was written. Orders that were never settled are not included.
    ///
    /// # Errors
    /// [`JournalError`] when the file cannot be read.
    pub fn latest_all(&self) -> Result<HashMap<PoNumber, PriorOutcome>, JournalError> {
        let failed = |error| fault(&self.path, &error);
        // the innermost query only reads the index; of two spellings of a number the later row replaces the earlier one
        let sql = "SELECT t.shown, t.po, r.name, e.seq, e.at, e.entry
             FROM (SELECT max(settled) AS seq, po FROM tasks WHERE settled IS NOT NULL GROUP BY po) n
             JOIN entries e ON e.seq = n.seq JOIN runs r ON r.run = e.run
             JOIN tasks t ON t.po = n.po AND t.settled = n.seq
             ORDER BY e.seq";
        let mut query = self.connection.prepare(sql).map_err(failed)?;
        let rows = query.query_map([], settled).map_err(failed)?;
        rows.map(|row| past(row.map_err(failed)?)).collect()
    }

    fn find(&self, run: &RunId) -> Result<(RunKey, String), JournalError> {
        self.connection
            .query_row("SELECT run, rejects FROM runs WHERE name = ?1", [run.as_str()], |row| {
                Ok((RunKey(row.get(0)?), row.get(1)?))
            })
            .optional()
            .map_err(|error| fault(&self.path, &error))?
            .ok_or_else(|| JournalError::NoSuchRun(run.clone()))
    }

    fn read_runs(&self) -> rusqlite::Result<Vec<RunInfo>> {
        // both queries see the same moment
        let moment = self.connection.unchecked_transaction()?;
        let mut counts: HashMap<i64, (BTreeMap<OrderStatus, u64>, u64)> = HashMap::new();
        let mut query = moment.prepare("SELECT run, state, status, count(*) FROM tasks GROUP BY run, state, status")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (state, status): (String, Option<String>) = (row.get(1)?, row.get(2)?);
            let count = row.get::<_, i64>(3)?.cast_unsigned();
            let status = match status {
                None => OrderStatus::NotDone,
                Some(word) => serde_json::from_value(word.into()).map_err(|why| not_read(2, why))?,
            };
            let (by_status, leased_count) = counts.entry(row.get(0)?).or_default();
            *by_status.entry(status).or_default() += count;
            *leased_count += if state == "leased" { count } else { 0 };
        }
        let sql =
            "SELECT run, name, started_at, finished_at, base_url, version, stopped, options FROM runs ORDER BY run";
        let mut query = moment.prepare(sql)?;
        let mut rows = query.query([])?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next()? {
            let (by_status, leased_count) = counts.remove(&row.get(0)?).unwrap_or_default();
            let finished: Option<i64> = row.get(3)?;
            let (stopped, options): (Option<String>, String) = (row.get(6)?, row.get(7)?);
            runs.push(RunInfo {
                run: RunId::new(&row.get::<_, String>(1)?),
                started_at: time(2, row.get(2)?)?,
                finished_at: finished.map(|at| time(3, at)).transpose()?,
                base_url: row.get(4)?,
                version: row.get(5)?,
                stopped: stopped.map(|text| serde_json::from_str(&text)).transpose().map_err(|why| not_read(6, why))?,
                options: serde_json::from_str(&options).map_err(|why| not_read(7, why))?,
                by_status,
                leased_count,
            });
        }
        Ok(runs)
    }
}

/// The entries of `run`, replayed.
pub(crate) fn read_history(
    connection: &Connection,
    path: &Path,
    run: &RunId,
    key: RunKey,
) -> Result<History, JournalError> {
    let failed = |error| fault(path, &error);
    let sql = "SELECT seq, at, entry FROM entries WHERE run = ?1 ORDER BY seq";
    let mut query = connection.prepare(sql).map_err(failed)?;
    let mut rows = query.query(params![key.0]).map_err(failed)?;
    let mut replay = Replay::of(run.clone());
    while let Some(row) = rows.next().map_err(failed)? {
        let seq = row.get(0).map_err(failed)?;
        // an unreadable value is damage of this entry, not of the file
        let at = row.get(1).and_then(|at| time(1, at)).map_err(|why| damaged(run, seq, &why))?;
        let text = row.get_ref(2).map_err(failed)?.as_str().map_err(|why| damaged(run, seq, &why))?;
        replay.push(seq, at, text)?;
    }
    Ok(replay.finish())
}

/// A settled task with the entry that settled it.
struct SettledRow {
    shown: String,
    key: String,
    run: RunId,
    seq: i64,
    at: Timestamp,
    entry: String,
}

fn settled(row: &Row<'_>) -> rusqlite::Result<SettledRow> {
    Ok(SettledRow {
        shown: row.get(0)?,
        key: row.get(1)?,
        run: RunId::new(&row.get::<_, String>(2)?),
        seq: row.get(3)?,
        at: time(4, row.get(4)?)?,
        entry: row.get(5)?,
    })
}

fn past(found: SettledRow) -> Result<(PoNumber, PriorOutcome), JournalError> {
    let SettledRow { shown, key, run, seq, at, entry } = found;
    let po = PoNumber::try_from(shown).map_err(|why| damaged(&run, seq, &why))?;
    let po = if key.contains(':') { po.distinct() } else { po };
    match serde_json::from_str(&entry) {
        Ok(Entry::Settled { outcome, .. }) => {
            Ok((po, PriorOutcome { run, status: outcome.status(), settled_at: at, outcome }))
        }
        Ok(Entry::Reused { outcome, from, .. }) => {
            Ok((po, PriorOutcome { run: from, status: outcome.status(), settled_at: at, outcome }))
        }
        Ok(other) => Err(damaged(&run, seq, &format!("{other:?} is not an outcome"))),
        Err(why) => Err(damaged(&run, seq, &why)),
    }
}

fn time(column: usize, milliseconds: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds)
        .map_err(|why| rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(why)))
}

fn not_read(column: usize, why: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(why))
}
