//! The database file: its tables, their migrations, how it is opened, and what its errors mean.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Error, ErrorCode, OpenFlags, TransactionBehavior, ffi};

use crate::backend::JournalError;

/// Tells a journal from every other SQLite file: `CPBJ`.
const APPLICATION_ID: i32 = 0x4350_424a;

/// How long SQLite waits for another connection: readers hold a lock for moments only, when they find a log that a
/// program left which was killed.
const BUSY: Duration = Duration::from_secs(5);

/// The log is cut back to this after a checkpoint: accepting a large sheet must not keep its size for ever.
const LOG_BYTES: i64 = 16 << 20;

/// What leads from version `n` to `n + 1`. One that was published is never changed: a new one is put after it.
const MIGRATIONS: &[&str] = &[
    // 1: the first one
    "CREATE TABLE runs (
         run INTEGER PRIMARY KEY,
         name TEXT NOT NULL UNIQUE,
         started_at INTEGER NOT NULL, -- milliseconds since 1970, as every time here
         finished_at INTEGER,
         base_url TEXT,
         version TEXT NOT NULL,
         stopped TEXT, -- why it ended before its orders did, JSON
         rejects TEXT NOT NULL, -- JSON
         options TEXT NOT NULL -- JSON
     );
     CREATE TABLE entries (
         seq INTEGER PRIMARY KEY, -- over all runs
         run INTEGER NOT NULL REFERENCES runs,
         at INTEGER NOT NULL,
         entry TEXT NOT NULL -- JSON
     );
     CREATE INDEX entries_by_run ON entries (run);
     CREATE TABLE tasks (
         run INTEGER NOT NULL REFERENCES runs,
         task INTEGER NOT NULL,
         po TEXT NOT NULL, -- the digits, behind the prefix if that makes another order
         shown TEXT NOT NULL,
         state TEXT NOT NULL CHECK (state IN ('ready', 'leased', 'settled')),
         spent INTEGER NOT NULL,
         started INTEGER NOT NULL,
         status TEXT, -- when settled
         settled INTEGER REFERENCES entries, -- the entry with the outcome
         PRIMARY KEY (run, task)
     ) WITHOUT ROWID;
     CREATE INDEX tasks_by_po ON tasks (po, settled) WHERE settled IS NOT NULL;
     -- a partial outcome is a pair of what came and why not more did
     CREATE VIEW files AS
         SELECT t.run, t.task, f.value ->> 'path' AS path, f.value ->> 'name' AS name, f.value ->> 'size' AS size,
                f.value ->> 'sha256' AS sha256, f.value ->> 'source' AS source
         FROM tasks t JOIN entries e ON e.seq = t.settled,
              json_each(coalesce(e.entry -> '$.outcome.what.files', e.entry -> '$.outcome.what[0].files')) f;",
];

/// The newest schema that this program knows.
pub(crate) const VERSION: i32 = MIGRATIONS.len() as i32;

/// The owner's connection, which migrates the file to the newest schema. The file must exist.
pub(crate) fn open_to_write(path: &Path) -> Result<Connection, JournalError> {
    let failed = |error| fault(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    // before anything is written: a file of another program or version is left as it is
    let found = version(path, &connection)?;
    if found > VERSION {
        return Err(JournalError::TooNew { path: path.to_owned(), found, known: VERSION });
    }
    prepare(&connection).map_err(failed)?;
    migrate(&mut connection, MIGRATIONS).map_err(failed)?;
    Ok(connection)
}

/// A read-only connection, while an owner is running or later.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, JournalError> {
    let missing = || JournalError::Missing { path: path.to_owned() };
    if !path.exists() {
        return Err(missing());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = match look(path, path, flags) {
        // SQLite makes files beside the one that it reads. Where it cannot, and no log is there, nobody is at work and
        // all of it is in that one file, which is read as it is. An owner that comes during a question writes to its
        // log first, and leaves the file alone until its log has grown long or it ends.
        Err(JournalError::ReadOnly { .. } | JournalError::Full { .. }) if !has_log(path) => {
            look(path, as_it_is(path)?.as_ref(), flags | OpenFlags::SQLITE_OPEN_URI)
        }
        opened => opened,
    };
    match opened? {
        // its owner has only just made it
        (_, 0) => Err(missing()),
        (_, found) if found > VERSION => Err(JournalError::TooNew { path: path.to_owned(), found, known: VERSION }),
        (connection, _) => Ok(connection),
    }
}

fn look(path: &Path, name: &Path, flags: OpenFlags) -> Result<(Connection, i32), JournalError> {
    let failed = |error| fault(path, &error);
    let connection = Connection::open_with_flags(name, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let version = version(path, &connection)?;
    Ok((connection, version))
}

/// Whether a program writes the journal, or was killed when it did.
fn has_log(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    // an empty one is what looking at a journal leaves on a full disk
    Path::new(&name).metadata().is_ok_and(|log| log.len() > 0)
}

/// The name under which SQLite takes a file for one that nobody changes.
fn as_it_is(path: &Path) -> Result<String, JournalError> {
    let absolute = std::path::absolute(path).map_err(|why| io_fault(path, &why))?;
    let no_address = || JournalError::Unusable(format!("{} cannot be read where it is", path.display()));
    let mut address = url::Url::from_file_path(absolute).map_err(|()| no_address())?;
    address.set_query(Some("immutable=1"));
    Ok(address.into())
}

fn version(path: &Path, connection: &Connection) -> Result<i32, JournalError> {
    let read = || -> rusqlite::Result<(i32, i32, bool)> {
        let id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let is_empty = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((id, version, is_empty))
    };
    match read().map_err(|error| fault(path, &error))? {
        (APPLICATION_ID, version, _) => Ok(version),
        (0, 0, true) => Ok(0),
        _ => Err(JournalError::NotAJournal { path: path.to_owned() }),
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // macOS: a flush that reaches the disk itself, and not only its cache; nothing elsewhere
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)
}

/// Each step in a transaction of its own, together with its number.
fn migrate(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let Some(step) = usize::try_from(version).ok().and_then(|version| steps.get(version)) else { return Ok(()) };
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
}

/// A run's number within its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RunKey(pub(crate) i64);

/// Turns an error of the database at `path` into what a person can do about it.
pub(crate) fn fault(path: &Path, error: &Error) -> JournalError {
    let path = path.to_owned();
    // SQLite has no proper code for a disk too full for the index of its log, which it makes whenever it opens a
    // journal
    if error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE) {
        return JournalError::Full { path };
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => JournalError::Full { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            JournalError::ReadOnly { path, why: error.to_string() }
        }
        Some(ErrorCode::NotADatabase) => JournalError::NotAJournal { path },
        Some(ErrorCode::DatabaseCorrupt) => JournalError::Damaged(format!(
            "the file {} is damaged ({error}); move it away, together with the files whose names begin like its own, and \
             start a new run: fetched files stay where they are",
            path.display()
        )),
        _ => JournalError::Unusable(format!("{}: {error}", path.display())),
    }
}

/// The same for an error of the file system.
pub(crate) fn io_fault(path: &Path, error: &io::Error) -> JournalError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JournalError::Full { path },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            JournalError::ReadOnly { path, why: error.to_string() }
        }
        _ => JournalError::Unusable(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(folder: &tempfile::TempDir) -> std::path::PathBuf {
        let path = folder.path().join("journal.db");
        fs::write(&path, "").unwrap();
        path
    }

    fn names(connection: &Connection) -> Vec<String> {
        let mut query = connection.prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn version_0_becomes_version_1() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open_to_write(&file(&folder)).unwrap();
        let mut names = names(&connection);
        names.sort();
        assert_eq!(names, ["entries", "entries_by_run", "files", "runs", "tasks", "tasks_by_po"]);
        let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, 1);
    }

    #[test]
    fn every_switch_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open_to_write(&file(&folder)).unwrap();
        let text = |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0)).unwrap();
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(text("journal_mode"), "wal");
        assert_eq!((number("synchronous"), number("foreign_keys"), number("busy_timeout")), (2, 1, 5000));
    }

    #[test]
    fn a_further_migration_keeps_what_is_there_and_one_that_fails_leaves_the_version() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open_to_write(&file(&folder)).unwrap();
        let row = "INSERT INTO runs VALUES (1, 'a', 0, NULL, NULL, '', NULL, '[]', '{}')";
        connection.execute(row, []).unwrap();
        let version = |connection: &Connection| -> i32 {
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
        };
        let broken = [MIGRATIONS, &["CREATE TABLE next (a); CREATE TABLE runs (a)"]].concat();
        migrate(&mut connection, &broken).unwrap_err();
        assert_eq!(version(&connection), VERSION);
        assert!(!names(&connection).contains(&"next".to_owned()));
        let right = [MIGRATIONS, &["ALTER TABLE runs ADD COLUMN note TEXT"]].concat();
        migrate(&mut connection, &right).unwrap();
        assert_eq!(version(&connection), VERSION + 1);
        let count: i64 = connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn a_newer_journal_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        open_to_write(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
        let before = fs::read(&path).unwrap();
        for refused in [open_to_write(&path).unwrap_err(), open_to_read(&path).unwrap_err()] {
            assert!(matches!(refused, JournalError::TooNew { found, .. } if found == VERSION + 1), "{refused}");
        }
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn other_files_are_told_apart_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.txt");
        fs::write(&text, "not a database, but long enough to be looked at ".repeat(40)).unwrap();
        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE mine (a)").unwrap();
        for path in [text, other] {
            let before = fs::read(&path).unwrap();
            for refused in [open_to_write(&path).unwrap_err(), open_to_read(&path).unwrap_err()] {
                assert!(matches!(refused, JournalError::NotAJournal { .. }), "{refused}");
            }
            assert_eq!(fs::read(&path).unwrap(), before);
        }
    }

    #[test]
    fn a_reader_of_nothing_says_that_there_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none.db");
        for path in [none.clone(), file(&folder)] {
            let refused = open_to_read(&path).unwrap_err();
            assert!(matches!(refused, JournalError::Missing { .. }), "{refused}");
        }
        assert!(!none.exists());
    }
}
