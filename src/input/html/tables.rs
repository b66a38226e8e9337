//! The tables of a page as rows of cells.

use std::collections::BTreeMap;

use super::tags::{Piece, Pieces, attribute, unescaped};
use crate::input::book::{MAX_COLUMNS, MAX_LINES, SheetRow};
use crate::input::cell::Cell;
use crate::input::error::SheetError;

/// Deepest nesting of tables.
const MAX_DEPTH: usize = 64;
/// Largest span that a cell may claim, as browsers have it.
const MAX_COLUMN_SPAN: usize = 1000;
const MAX_ROW_SPAN: u64 = 65_534;

/// Reads all tables that hold anything, in the order of their beginnings. The cells of a table in a cell are its own.
pub(crate) fn read_tables(page: &str) -> Result<Vec<Vec<SheetRow>>, SheetError> {
    let mut reader = Reader { tables: Vec::new(), open: Vec::new() };
    for piece in Pieces(page) {
        match piece {
            Piece::Begin { name, attributes } => reader.begin(&name, attributes)?,
            Piece::End { name } => reader.end(&name)?,
            Piece::Text(text) => reader.text(text),
        }
    }
    if !reader.open.is_empty() {
        return Err(SheetError::Damaged("it ends in the middle of a table".to_owned()));
    }
    Ok(reader.tables.into_iter().filter(|rows| !rows.is_empty()).collect())
}

struct Reader {
    tables: Vec<Vec<SheetRow>>,
    /// The tables that are not closed, the innermost last.
    open: Vec<OpenTable>,
}

struct OpenTable {
    /// Its place among the tables.
    at: usize,
    row: Option<SheetRow>,
    line: u64,
    column: usize,
    cell: Option<OpenCell>,
    /// Columns that a cell of an earlier row reaches into, each with the last such line.
    taken: BTreeMap<usize, u64>,
}

struct OpenCell {
    text: String,
    /// The number that a spreadsheet program keeps beside the text.
    number: Option<f64>,
    columns: usize,
    rows: u64,
}

impl Reader {
    fn begin(&mut self, name: &str, attributes: &str) -> Result<(), SheetError> {
        match name {
            "table" => {
                if self.open.len() == MAX_DEPTH {
                    return Err(SheetError::Damaged("its tables are nested too deeply".to_owned()));
                }
                let at = self.tables.len();
                self.tables.push(Vec::new());
                self.open.push(OpenTable { at, row: None, line: 0, column: 0, cell: None, taken: BTreeMap::new() });
            }
            "tr" => {
                self.end_row()?;
                let is_hidden = is_hidden(attributes);
                self.begin_row(is_hidden);
            }
            "td" | "th" => {
                self.end_cell()?;
                if self.open.last().is_some_and(|table| table.row.is_none()) {
                    self.begin_row(false);
                }
                if let Some(table) = self.open.last_mut() {
                    table.cell = Some(OpenCell::new(attributes));
                }
            }
            "br" | "p" | "div" | "li" => self.push_break(),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), SheetError> {
        match name {
            "td" | "th" => self.end_cell()?,
            "tr" => self.end_row()?,
            "table" => {
                self.end_row()?;
                self.open.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn cell(&mut self) -> Option<&mut OpenCell> {
        self.open.last_mut()?.cell.as_mut()
    }

    fn text(&mut self, text: &str) {
        let Some(cell) = self.cell() else { return };
        // breaks and blanks in the source are one blank on the page
        for (at, word) in unescaped(text).split([' ', '\n', '\t']).enumerate() {
            if at > 0 && !cell.text.ends_with([' ', '\n']) {
                cell.text.push(' ');
            }
            cell.text.push_str(word);
        }
    }

    fn push_break(&mut self) {
        if let Some(cell) = self.cell().filter(|cell| !cell.text.trim().is_empty()) {
            cell.text.push('\n');
        }
    }

    fn begin_row(&mut self, is_hidden: bool) {
        if let Some(table) = self.open.last_mut() {
            table.line += 1;
            table.column = 0;
            table.row = Some(SheetRow { line: table.line, is_hidden, cells: Vec::new(), inner: Vec::new() });
        }
    }

    fn end_cell(&mut self) -> Result<(), SheetError> {
        let Some(table) = self.open.last_mut() else { return Ok(()) };
        let (Some(cell), Some(row)) = (table.cell.take(), &mut table.row) else { return Ok(()) };
        while table.taken.get(&table.column).is_some_and(|last| *last >= row.line) {
            table.column += 1;
        }
        let end = table.column + cell.columns;
        if end > MAX_COLUMNS {
            return Err(SheetError::Damaged(format!("its row {} is too long", row.line)));
        }
        if cell.rows > 1 {
            table.taken.extend((table.column..end).map(|column| (column, row.line + cell.rows - 1)));
        }
        row.cells.extend(cell.value().map(|cell| (table.column, cell)));
        table.column = end;
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), SheetError> {
        self.end_cell()?;
        let Some(table) = self.open.last_mut() else { return Ok(()) };
        let Some(row) = table.row.take() else { return Ok(()) };
        if row.line > MAX_LINES {
            return Err(SheetError::TooManyCells);
        }
        if let (false, Some(rows)) = (row.cells.is_empty(), self.tables.get_mut(table.at)) {
            rows.push(row);
        }
        Ok(())
    }
}

impl OpenCell {
    fn new(attributes: &str) -> Self {
        let span =
            |name| attribute(attributes, name).and_then(|span| span.trim().parse::<usize>().ok()).unwrap_or(1).max(1);
        let number = attribute(attributes, "x:num")
            .and_then(|number| number.trim().parse().ok())
            .filter(|number: &f64| number.is_finite());
        Self {
            text: String::new(),
            number,
            columns: span("colspan").min(MAX_COLUMN_SPAN),
            rows: (span("rowspan") as u64).min(MAX_ROW_SPAN),
        }
    }

    fn value(self) -> Option<Cell> {
        let text = self.text.trim_matches([' ', '\n']);
        match self.number {
            Some(number) if text.is_empty() || shows(text, number) => Some(Cell::Number(number)),
            // a date, whose number is none of an order
            Some(_) | None => Cell::text(text),
        }
    }
}

/// Whether a text is that number, in whatever format.
fn shows(text: &str, number: f64) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let is_rounded = |shown: f64| (shown - number).abs() <= number.abs() / 100.0;
    digits(text).starts_with(&digits(&number.to_string())) || text.replace(',', ".").parse().is_ok_and(is_rounded)
}

fn is_hidden(attributes: &str) -> bool {
    let style = attribute(attributes, "style").unwrap_or_default().to_ascii_lowercase().replace(' ', "");
    style.contains("display:none") || attribute(attributes, "hidden").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(page: &str) -> Vec<Vec<Vec<(usize, String)>>> {
        let row = |row: &SheetRow| row.cells.iter().map(|(at, cell)| (*at, cell.shown().into_owned())).collect();
        read_tables(page).unwrap().iter().map(|rows| rows.iter().map(row).collect()).collect()
    }

    fn cells(cells: &[(usize, &str)]) -> Vec<(usize, String)> {
        cells.iter().map(|(at, text)| (*at, (*text).to_owned())).collect()
    }

    #[test]
    fn rows_and_cells_need_no_end() {
        let page = "<table><tr><th>PO <b>number</b><th>Buyer<tr><td>15262984<td>Ada<tr hidden><td>7</table>";
        let expected =
            [cells(&[(0, "PO number"), (1, "Buyer")]), cells(&[(0, "15262984"), (1, "Ada")]), cells(&[(0, "7")])];
        assert_eq!(tables(page), [expected]);
        let hidden: Vec<_> = read_tables(page).unwrap()[0].iter().map(|row| row.is_hidden).collect();
        assert_eq!(hidden, [false, false, true]);
    }

    #[test]
    fn spans_move_the_cells_that_follow() {
        let page = "<table><tr><td rowspan=2>a<td colspan=2>b<td>c<tr><td>d<td><td>e<tr><td>f</table>";
        let expected = [cells(&[(0, "a"), (1, "b"), (3, "c")]), cells(&[(1, "d"), (3, "e")]), cells(&[(0, "f")])];
        assert_eq!(tables(page), [expected]);
    }

    #[test]
    fn a_table_in_a_cell_is_a_table_of_its_own() {
        let page = "<table><tr><td>a<table><tr><td>b</table> c<td>d</table>";
        assert_eq!(tables(page), [vec![cells(&[(0, "a c"), (1, "d")])], vec![cells(&[(0, "b")])]]);
    }

    #[test]
    fn the_number_beside_the_text_counts_and_breaks_are_kept() {
        let page = "<table><tr><td x:num=15262984>15 262 984<td>a\n  b<br>c</table>";
        assert_eq!(tables(page), [[cells(&[(0, "15262984"), (1, "a b\nc")])]]);
    }

    #[test]
    fn a_number_that_is_shown_as_a_date_is_no_number_and_half_a_page_is_no_page() {
        let page = "<table><tr><td x:num=45356>05.03.2024<td x:num=1526298400>1,53E+09<td x:num=7></table>";
        let read = read_tables(page).unwrap();
        let cells: Vec<_> = read[0][0].cells.iter().map(|(_, cell)| cell.clone()).collect();
        assert_eq!(cells, [Cell::Text("05.03.2024".to_owned()), Cell::Number(1_526_298_400.0), Cell::Number(7.0)]);
        for cut in ["<table><tr><td>7", "<table><tr><td>7<!-- <tr><td>8</table>", "<table><tr><td>7<script></table>"] {
            assert!(read_tables(cut).is_err(), "{cut}");
        }
    }

    #[test]
    fn absurd_spans_and_depths_are_bounded() {
        assert!(read_tables(&"<table><tr><td>".repeat(MAX_DEPTH + 1)).is_err());
        let wide = format!("<table><tr>{}", "<td colspan=99999999>x".repeat(17));
        assert!(read_tables(&wide).is_err());
        assert_eq!(tables("<table><tr><td rowspan=18446744073709551615>x</table>").len(), 1);
    }
}
