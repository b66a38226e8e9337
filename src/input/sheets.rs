//! Which sheets of a book are read: all visible ones with orders, and hidden ones only if no visible one has any.

use crate::input::book::{Book, SheetInfo, SheetRow};
use crate::input::cell::Cell;
use crate::input::cell::words::shorten;
use crate::input::error::{InputError, SheetError, listed};
use crate::input::intake::IntakeBuilder;
use crate::input::table::{Ambiguous, Head, SAMPLE_ROWS, SheetKind, judge, take_list, take_table};

/// Bounds of the rows that are held to judge a sheet, in bytes.
const MAX_SAMPLE: usize = 32 * 1024 * 1024;
const CELL_SIZE: usize = size_of::<(usize, Cell)>();

/// What a look at the beginning of each sheet tells.
struct JudgedSheet {
    at: usize,
    info: SheetInfo,
    verdict: Verdict,
}

enum Verdict {
    /// A head with a column of order numbers. It may have no row.
    Table {
        head: Head,
        has_rows: bool,
    },
    List,
    Ambiguous(Vec<String>),
    Unknown(Vec<String>),
    Blank,
}

impl JudgedSheet {
    fn has_orders(&self) -> bool {
        matches!(self.verdict, Verdict::Table { has_rows: true, .. } | Verdict::Ambiguous(_))
    }

    fn is_list(&self) -> bool {
        matches!(self.verdict, Verdict::List)
    }

    fn name(&self) -> String {
        format!("{:?}", shorten(&self.info.name))
    }
}

/// Takes the orders of a book.
pub(crate) fn take_book(book: &mut dyn Book, builder: &mut IntakeBuilder<'_>) -> Result<(), InputError> {
    let mut sheets = judge_all(book, builder)?;
    let chosen = choose(&sheets, builder.options().sheet.is_some());
    if chosen.is_empty() {
        return Err(no_orders(sheets, builder));
    }
    let (mut read, rest): (Vec<_>, Vec<_>) = sheets.drain(..).partition(|sheet| chosen.contains(&sheet.at));
    let has_several = read.len() + rest.len() > 1;
    say_rest(&rest, builder);
    let mut counts = Vec::new();
    for sheet in &mut read {
        let before = builder.row_count();
        builder.begin_sheet(has_several.then_some(sheet.info.name.as_str()));
        take_sheet(book, sheet, builder)?;
        counts.push(format!("{} ({})", sheet.name(), rows(builder.row_count() - before)));
    }
    if read.iter().any(|sheet| sheet.info.is_hidden) {
        let which = if builder.options().sheet.is_some() { "" } else { ", since no visible sheet has orders" };
        builder.say(format!("orders are read from hidden sheets{which}: {}", listed(&counts, ", ")));
    } else if counts.len() > 1 {
        builder.say(format!(
            "orders are read from {} sheets: {}; --sheet picks one",
            counts.len(),
            listed(&counts, ", ")
        ));
    }
    Ok(())
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

/// Looks at each sheet, or at the one that the caller named.
fn judge_all(book: &mut dyn Book, builder: &IntakeBuilder<'_>) -> Result<Vec<JudgedSheet>, InputError> {
    let options = builder.options();
    let infos = book.sheets().to_vec();
    let is_wanted = |info: &SheetInfo| {
        options.sheet.as_ref().is_none_or(|name| name.trim().to_lowercase() == info.name.trim().to_lowercase())
    };
    let mut judged = Vec::new();
    for (at, info) in infos.iter().enumerate().filter(|(_, info)| is_wanted(info) || info.name.is_empty()) {
        let failed = |why: SheetError| why.of(builder.input());
        let filled = book.rows(at).map_err(failed)?.filter(|row| !row.as_ref().is_ok_and(|row| row.cells.is_empty()));
        let sample = sample(filled).map_err(failed)?;
        let verdict = match judge(&sample, options) {
            Ok(SheetKind::Table(head)) => {
                let has_rows = sample.last().is_some_and(|last| last.line > head.last);
                Verdict::Table { head, has_rows }
            }
            Ok(SheetKind::List) => Verdict::List,
            Ok(SheetKind::Unknown(columns)) => Verdict::Unknown(columns),
            Ok(SheetKind::Blank) => Verdict::Blank,
            Err(Ambiguous(columns)) => Verdict::Ambiguous(columns),
        };
        judged.push(JudgedSheet { at, info: info.clone(), verdict });
    }
    if let (true, Some(sheet)) = (judged.is_empty(), &options.sheet) {
        let sheets = infos.iter().map(|info| shorten(&info.name)).collect();
        return Err(InputError::NoSuchSheet { input: builder.input().to_owned(), sheet: sheet.clone(), sheets });
    }
    Ok(judged)
}

/// The first rows, as many as are needed to judge a sheet, and no more than fit into memory.
fn sample(rows: impl Iterator<Item = Result<SheetRow, SheetError>>) -> Result<Vec<SheetRow>, SheetError> {
    let (mut sample, mut size) = (Vec::new(), 0);
    for row in rows.take(SAMPLE_ROWS) {
        let row = row?;
        size += row.cells.iter().map(|(_, cell)| CELL_SIZE + cell.text_len()).sum::<usize>();
        sample.push(row);
        if size > MAX_SAMPLE {
            break;
        }
    }
    Ok(sample)
}

/// The sheets to read: tables before lists, visible ones before hidden ones. A table without rows is read if there is
/// nothing else, so that it is not called empty.
fn choose(sheets: &[JudgedSheet], is_named: bool) -> Vec<usize> {
    let are = |is_right: &dyn Fn(&JudgedSheet) -> bool| -> Vec<usize> {
        sheets.iter().filter(|sheet| is_right(sheet)).map(|sheet| sheet.at).collect()
    };
    let is_seen = |sheet: &JudgedSheet| is_named || !sheet.info.is_hidden;
    let is_table = |sheet: &JudgedSheet| matches!(sheet.verdict, Verdict::Table { .. });
    [
        are(&|sheet| is_seen(sheet) && sheet.has_orders()),
        are(&|sheet| is_seen(sheet) && sheet.is_list()),
        are(&JudgedSheet::has_orders),
        are(&JudgedSheet::is_list),
        are(&is_table),
    ]
    .into_iter()
    .find(|chosen| !chosen.is_empty())
    .unwrap_or_default()
}

fn take_sheet(book: &mut dyn Book, sheet: &JudgedSheet, builder: &mut IntakeBuilder<'_>) -> Result<(), InputError> {
    let mut rows = match &sheet.verdict {
        Verdict::Ambiguous(columns) => {
            return Err(InputError::AmbiguousColumn { input: builder.place(), columns: columns.clone() });
        }
        Verdict::Unknown(_) | Verdict::Blank => return Ok(()),
        Verdict::Table { .. } | Verdict::List => book.rows(sheet.at).map_err(|why| why.of(builder.input()))?,
    };
    match &sheet.verdict {
        Verdict::Table { head, .. } => {
            if head.first < head.last {
                builder.say(format!("the headings take two rows: {} and {}", head.first, head.last));
            }
            if let Some(other) = &head.passed_over {
                builder.say(format!(
                    "the numbers are read from the column {:?}, since the cells of {other:?} are not all order numbers",
                    head.po_name()
                ));
            }
            take_table(head.clone(), &mut rows, builder)
        }
        _ => take_list(&mut rows, builder),
    }
}

/// Says of sheets that hold something, and are not read, that they are not.
fn say_rest(rest: &[JudgedSheet], builder: &mut IntakeBuilder<'_>) {
    let names = |is_right: &dyn Fn(&JudgedSheet) -> bool| -> Option<String> {
        let names: Vec<_> = rest.iter().filter(|sheet| is_right(sheet)).map(JudgedSheet::name).collect();
        (!names.is_empty()).then(|| listed(&names, ", "))
    };
    let has_orders = |sheet: &JudgedSheet| sheet.has_orders() || sheet.is_list();
    if let Some(names) = names(&|sheet| sheet.info.is_hidden && has_orders(sheet)) {
        builder.say(format!("hidden sheets with orders are not read: {names}; --sheet reads one"));
    }
    if let Some(names) = names(&|sheet| !sheet.info.is_hidden && sheet.is_list()) {
        builder.say(format!(
            "sheets with numbers, but without a heading for them, are not read: {names}; --sheet reads one"
        ));
    }
    if let Some(names) = names(&|sheet| !sheet.info.is_hidden && matches!(sheet.verdict, Verdict::Unknown(_))) {
        builder.say(format!("sheets without a column of order numbers are not read: {names}"));
    }
    let is_heading = |sheet: &JudgedSheet| matches!(sheet.verdict, Verdict::Table { has_rows: false, .. });
    if let Some(names) = names(&|sheet| !sheet.info.is_hidden && is_heading(sheet)) {
        builder.say(format!("sheets with headings, but without a row below them: {names}"));
    }
}

/// Why a book without any order is refused: by its first sheet that holds anything.
fn no_orders(sheets: Vec<JudgedSheet>, builder: &IntakeBuilder<'_>) -> InputError {
    let input = builder.input().to_owned();
    let columns = sheets.into_iter().find_map(|sheet| match sheet.verdict {
        Verdict::Unknown(columns) => Some(columns),
        Verdict::Table { .. } | Verdict::List | Verdict::Ambiguous(_) | Verdict::Blank => None,
    });
    match (columns, &builder.options().column) {
        (Some(columns), Some(column)) => InputError::NoSuchColumn { input, column: column.clone(), columns },
        (Some(columns), None) => InputError::NoPoColumn { input, columns },
        (None, _) => InputError::Empty { input },
    }
}
