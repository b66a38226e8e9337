//! A plain list: one number per line, `#` begins a comment.

use crate::input::book::SheetRow;
use crate::input::cell::Cell;
use crate::input::cell::number::po_number;
use crate::input::cell::words::is_empty;
use crate::input::error::{InputError, SheetError};
use crate::input::intake::{IntakeBuilder, RemarkKind};
use crate::input::options::InputOptions;
use crate::model::Metadata;

/// What the cells of a row say before a comment begins. A comment may have been cut into cells.
fn said(row: &SheetRow) -> Vec<Cell> {
    let mut said = Vec::new();
    for (_, cell) in &row.cells {
        let Cell::Text(text) = cell else {
            said.push(cell.clone());
            continue;
        };
        let kept = without_comment(text);
        if !is_empty(kept) {
            said.push(Cell::Text(kept.to_owned()));
        }
        if kept.len() < text.len() {
            break;
        }
    }
    said
}

/// The part of a line before its comment. A `#` inside a word belongs to it: `PO#15262984` is a number.
/// What stands in further lines of a cell is no part of a comment.
fn without_comment(line: &str) -> &str {
    let mut before = None;
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_none_or(char::is_whitespace) && !is_error(&line[at..]) && !line[at..].contains('\n') {
            return &line[..at];
        }
        before = Some(c);
    }
    line
}

/// `#N/A`, `#REF!`: an error of a spreadsheet, which takes the place of a number.
fn is_error(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    let name = word.trim_start_matches('#');
    word == "#N/A"
        || (word.ends_with(['!', '?'])
            && name.len() > 1
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"/_!?".contains(&byte)))
}

/// One cell per row, and at least one of them is a number.
pub(crate) fn is_list(sample: &[SheetRow], options: &InputOptions) -> bool {
    let lines: Vec<_> = sample.iter().map(said).collect();
    lines.iter().all(|line| line.len() <= 1)
        && lines.iter().flatten().any(|cell| po_number(cell, &options.numbers).is_ok())
}

/// Takes the orders of a list.
pub(crate) fn take_list(
    rows: &mut dyn Iterator<Item = Result<SheetRow, SheetError>>,
    builder: &mut IntakeBuilder<'_>,
) -> Result<(), InputError> {
    let format = &builder.options().numbers;
    for row in rows {
        let row = row.map_err(|why| why.of(builder.input()))?;
        let said = said(&row);
        if !said.is_empty() {
            builder.count_row(row.line, row.is_hidden)?;
        }
        match said.as_slice() {
            [] => {}
            [cell] => match po_number(cell, format) {
                Ok(found) => {
                    if let Some(change) = found.change {
                        builder.remark(RemarkKind::from(change), row.line, &cell.shown());
                    }
                    builder.take(row.line, found.po, None, Metadata::new());
                }
                Err(why) => builder.reject(row.line, &cell.shown(), why),
            },
            several => {
                let cells: Vec<_> = several.iter().map(Cell::shown).collect();
                builder.reject(row.line, &cells.join(" "), "a list has one number per line");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_cut_and_numbers_are_not() {
        for (line, kept) in [
            ("# all", ""),
            ("7 # urgent", "7 "),
            ("PO#7", "PO#7"),
            ("PO#7 #8", "PO#7 "),
            ("#N/A", "#N/A"),
            ("#DIV/0!", "#DIV/0!"),
            ("#Late!", ""),
            ("", ""),
            ("  #", "  "),
        ] {
            assert_eq!(without_comment(line), kept, "{line:?}");
        }
    }
}
