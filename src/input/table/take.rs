//! The rows of a table to orders and rejected rows. Each row that holds anything becomes exactly one of them.

use std::str::FromStr;

use super::Head;
use super::head::head_of_row;
use super::kinds::is_heading_of_lines;
use crate::input::book::{SheetRow, cell_of};
use crate::input::cell::number::{NO_NUMBER, po_number};
use crate::input::cell::words::column_name;
use crate::input::error::{InputError, SheetError};
use crate::input::intake::{IntakeBuilder, RemarkKind};
use crate::model::TaskPriority;

/// Of so many digits at least is an order number that stands above the head; fewer are a year or the number of a page.
const LONG_NUMBER: usize = 5;

type Rows<'a> = dyn Iterator<Item = Result<SheetRow, SheetError>> + 'a;

/// Takes the orders of a table.
pub(crate) fn take_table(head: Head, rows: &mut Rows<'_>, builder: &mut IntakeBuilder<'_>) -> Result<(), InputError> {
    let mut taker = Taker { is_below_head: head.last == 0, head, lines_from: None, builder };
    let mut next = taker.next_row(rows)?;
    while let Some(row) = next {
        next = taker.next_row(rows)?;
        taker.take(&row, next.as_ref())?;
    }
    Ok(())
}

struct Taker<'a, 'b> {
    head: Head,
    is_below_head: bool,
    /// The head of a table of lines that has begun below the orders.
    lines_from: Option<u64>,
    builder: &'a mut IntakeBuilder<'b>,
}

impl Taker<'_, '_> {
    /// The next row that holds anything.
    fn next_row(&self, mut rows: &mut Rows<'_>) -> Result<Option<SheetRow>, InputError> {
        let filled = Iterator::find(&mut rows, |row| !row.as_ref().is_ok_and(SheetRow::is_blank));
        filled.transpose().map_err(|why| why.of(self.builder.input()))
    }

    fn take(&mut self, row: &SheetRow, next: Option<&SheetRow>) -> Result<(), InputError> {
        if !self.is_below_head {
            self.is_below_head = row.line == self.head.last;
            if !(self.head.first..=self.head.last).contains(&row.line) {
                self.take_above(row)?;
            }
            return self.take_inner(row);
        }
        if !row.cells.is_empty() {
            self.builder.count_row(row.line, row.is_hidden)?;
            match self.why_none(row, next) {
                Some(reason) => self.builder.reject(row.line, &row.shown(), reason),
                None => self.take_order(row),
            }
        }
        self.take_inner(row)
    }

    /// A row above the head is a title, unless it has an order number.
    fn take_above(&mut self, row: &SheetRow) -> Result<(), InputError> {
        let format = &self.builder.options().numbers;
        let is_order = |(at, cell): &(usize, _)| {
            let found = po_number(cell, format).ok();
            found.is_some_and(|found| {
                found.po.digits().len() >= LONG_NUMBER && (*at == self.head.po || !found.po.prefix().is_empty())
            })
        };
        if row.cells.iter().any(is_order) {
            self.builder.count_row(row.line, row.is_hidden)?;
            let reason = format!("it stands above the headings, which are in line {}", self.head.first);
            self.builder.reject(row.line, &row.shown(), reason);
        }
        Ok(())
    }

    /// Why a row is none of the table's orders, whatever its number is.
    fn why_none(&mut self, row: &SheetRow, next: Option<&SheetRow>) -> Option<String> {
        if let Some(kind) = self.head.records.as_ref().and_then(|records| records.other_kind(row)) {
            return Some(format!("it is a record of the kind {kind:?}, not an order"));
        }
        let cell = row.cell(self.head.po);
        let is_number = cell.is_some_and(|cell| po_number(cell, &self.builder.options().numbers).is_ok());
        if !is_number && let Some(reason) = self.another_head(row, next) {
            return Some(reason);
        }
        if let Some(line) = self.lines_from {
            return Some(format!("it belongs to the table of lines that begins in line {line}"));
        }
        if cell.is_some_and(is_heading_of_lines) {
            self.lines_from = Some(row.line);
            return Some("with it begins a table of lines, not of orders".to_owned());
        }
        None
    }

    /// A head in the middle of the table: the same again, or one of another table, by which the rows below it are read.
    fn another_head(&mut self, row: &SheetRow, next: Option<&SheetRow>) -> Option<String> {
        let name = row.cell(self.head.po).and_then(|cell| cell.as_text()).map(column_name);
        let is_same = name.is_some_and(|name| name == column_name(self.head.po_name()) && !name.is_empty());
        let Some(head) = head_of_row(row) else { return is_same.then(|| "it is the heading again".to_owned()) };
        // a row may have the word PO in any column; a heading has an order below it
        let options = self.builder.options();
        let is_head = is_same || next.is_some_and(|next| next.is_order(head.po, options));
        if !is_head {
            return None;
        }
        self.lines_from = None;
        if is_same && head.po == self.head.po {
            return Some("it is the heading again".to_owned());
        }
        let name = head.po_name().to_owned();
        self.head = head;
        Some(format!("it is another heading; below it, the numbers are read from {name:?}"))
    }

    fn take_order(&mut self, row: &SheetRow) {
        let Some(cell) = row.cell(self.head.po) else {
            return self.builder.reject(row.line, &row.shown(), NO_NUMBER);
        };
        let found = match po_number(cell, &self.builder.options().numbers) {
            Ok(found) => found,
            Err(why) => return self.builder.reject(row.line, &cell.shown(), why),
        };
        if let Some(change) = found.change {
            self.builder.remark(RemarkKind::from(change), row.line, &cell.shown());
        }
        let wish = self.head.priority.and_then(|at| row.cell(at)).map(|cell| cell.shown());
        let priority = wish.as_ref().map(|wish| TaskPriority::from_str(wish));
        if let (Some(wish), Some(Err(_))) = (&wish, &priority) {
            self.builder.remark(RemarkKind::ForeignPriority, row.line, wish);
        }
        let priority = priority.and_then(Result::ok);
        self.builder.take(row.line, found.po, priority, self.head.notes(&row.cells));
    }

    /// Lines inside of a cell of the row that look like rows themselves.
    fn take_inner(&mut self, row: &SheetRow) -> Result<(), InputError> {
        for cells in &row.inner {
            let Some(cell) = cell_of(cells, self.head.po) else { continue };
            if po_number(cell, &self.builder.options().numbers).is_ok() {
                self.builder.count_row(row.line, row.is_hidden)?;
                let reason = "it stands inside of a cell in quotation marks: if it is an order, a quotation mark before \
                              it is not closed";
                self.builder.reject(row.line, &cell.shown(), reason);
            }
        }
        Ok(())
    }
}
