//! Spreadsheets of others, from a folder that the variable `SHEETS` names: `docs/CONTRIBUTING.md` says how.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use calamine::{Data, Reader};

use super::take_with;
use crate::input::cell::Cell;
use crate::input::kind::{FileKind, file_kind};
use crate::input::workbook::{open_compound, open_package};
use crate::input::{InputError, InputOptions};

/// A file that takes so long has no end.
const DEADLINE: Duration = Duration::from_secs(180);

fn files() -> Vec<PathBuf> {
    let folder = std::env::var_os("SHEETS").expect("SHEETS names the folder");
    let (mut folders, mut files) = (vec![PathBuf::from(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// What `work` gives; none if it panics.
fn within_deadline<T: Send + 'static>(path: &Path, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    match receiver.recv_timeout(DEADLINE) {
        Ok(result) => Some(result),
        Err(mpsc::RecvTimeoutError::Disconnected) => None,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} does not end", path.display()),
    }
}

/// The kind of an outcome, in words.
fn outcome(read: &Result<crate::input::Intake, InputError>) -> String {
    match read {
        Ok(intake) if intake.tasks.is_empty() => "read, without an order".to_owned(),
        Ok(_) => "read, with orders".to_owned(),
        Err(InputError::AnotherKind { what, .. }) => format!("named: {what}"),
        Err(InputError::NotAWorkbook { why, .. }) => format!("named as unreadable: {why}"),
        Err(InputError::NoPoColumn { .. }) => "read, without a column of orders".to_owned(),
        Err(InputError::NoSuchColumn { .. }) => "read, without the column".to_owned(),
        Err(InputError::Empty { .. }) => "empty".to_owned(),
        Err(other) => other.to_string().split_once(' ').map_or_else(String::new, |(_, why)| why.to_owned()),
    }
}

#[test]
#[ignore = "wants a folder of spreadsheets"]
fn every_file_of_a_folder_is_read_or_named() {
    let mut outcomes: BTreeMap<(String, String), (usize, PathBuf)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut slowest = (Duration::ZERO, PathBuf::new());
    let files = files();
    for path in &files {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let bytes = std::fs::read(path).unwrap();
        // the first column takes all rows to orders or rejected rows
        for column in [None, Some("1".to_owned())] {
            let (bytes, started) = (bytes.clone(), Instant::now());
            let options = InputOptions { column: column.clone(), ..InputOptions::default() };
            let read = within_deadline(path, move || take_with(&bytes, &options));
            slowest = slowest.max((started.elapsed(), path.clone()));
            let Some(read) = read else {
                wrong.push(format!("{}: panicked", path.display()));
                continue;
            };
            match &read {
                Ok(intake) if !intake.row_counts.iter().all(|counts| counts.is_complete()) => {
                    wrong.push(format!("{}: {:?}", path.display(), intake.row_counts));
                }
                Err(why @ InputError::Miscounted { .. }) => wrong.push(format!("{}: {why}", path.display())),
                Ok(_) | Err(_) => {}
            }
            if column.is_none() {
                let counted = outcomes.entry((ending.clone(), outcome(&read))).or_insert((0, path.clone()));
                counted.0 += 1;
            }
        }
    }
    for ((ending, outcome), (count, example)) in &outcomes {
        println!("{count:6} .{ending}: {outcome}   ({})", example.file_name().unwrap_or_default().to_string_lossy());
    }
    println!("{} files, the slowest took {:?}: {}", files.len(), slowest.0, slowest.1.display());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The cells of each sheet by name, as text.
type Sheets = BTreeMap<String, BTreeMap<(u64, usize), String>>;

fn own(bytes: &[u8]) -> Option<Sheets> {
    let mut book = match file_kind(bytes) {
        FileKind::Package => open_package(bytes).ok()?,
        FileKind::Compound => open_compound(bytes).ok()?,
        _ => return None,
    };
    let mut sheets = Sheets::new();
    for (at, info) in book.sheets().to_vec().into_iter().enumerate() {
        let cells = sheets.entry(info.name).or_default();
        for row in book.rows(at).ok()? {
            let row = row.ok()?;
            let shown = row.cells.iter().filter(|(_, cell)| **cell_kind(cell) == *"cell");
            cells.extend(shown.map(|(column, cell)| ((row.line, *column), cell.shown().trim().to_owned())));
        }
    }
    Some(sheets)
}

/// Formulas without a value are nothing to calamine.
fn cell_kind(cell: &Cell) -> &'static &'static str {
    if *cell == Cell::NoValue { &"no value" } else { &"cell" }
}

fn theirs(bytes: &[u8]) -> Option<Sheets> {
    let mut book = calamine::open_workbook_auto_from_rs(Cursor::new(bytes)).ok()?;
    let mut sheets = Sheets::new();
    for name in book.sheet_names() {
        let Ok(range) = book.worksheet_range(&name) else { continue };
        let (top, left) = range.start().unwrap_or_default();
        let cells = sheets.entry(name).or_default();
        for (row, column, value) in range.used_cells() {
            let text = match value {
                Data::Float(number) => Cell::Number(*number).shown().into_owned(),
                Data::Bool(flag) => Cell::Flag(*flag).shown().into_owned(),
                Data::DateTime(_) | Data::DateTimeIso(_) | Data::DurationIso(_) => "a date".to_owned(),
                other => other.to_string(),
            };
            if !text.trim().is_empty() {
                cells.insert((u64::from(top) + row as u64 + 1, left as usize + column), text.trim().to_owned());
            }
        }
    }
    Some(sheets)
}

#[test]
#[ignore = "wants a folder of spreadsheets"]
fn cells_of_workbooks_are_those_that_another_reader_finds() {
    let (mut same, mut different, mut only_one) = (0, Vec::new(), Vec::new());
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        if !matches!(file_kind(&bytes), FileKind::Package | FileKind::Compound) {
            continue;
        }
        let copy = bytes.clone();
        let ours = within_deadline(&path, move || own(&bytes)).flatten();
        let theirs = within_deadline(&path, move || theirs(&copy)).flatten();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (Some(ours), Some(theirs)) = (&ours, &theirs) else {
            if ours.is_some() != theirs.is_some() {
                only_one.push(format!("{name}: read by {}", if ours.is_some() { "this one" } else { "calamine" }));
            }
            continue;
        };
        let differing = theirs.iter().find_map(|(sheet, cells)| {
            let own = ours.get(sheet);
            let at = cells.iter().find(|(place, text)| {
                let found = own.and_then(|own| own.get(place));
                *text != "a date"
                    && found != Some(text)
                    && !(text.starts_with('#') && found.is_some_and(|own| own.starts_with('#')))
                    || found.is_none()
            });
            at.map(|(place, text)| {
                format!("{name}, {sheet}, {place:?}: {:?}, not {text:?}", own.and_then(|own| own.get(place)))
            })
        });
        match differing {
            Some(difference) => different.push(difference),
            None => same += 1,
        }
    }
    println!("{same} workbooks have the same cells\n{different:#?}\n{only_one:#?}");
}
