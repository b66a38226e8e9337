//! A plain list: one number per line, `#` begins a comment.

use crate::input::cell::is_empty;

/// What the cells of a row say before a comment begins, empty ones left out. A comment may have been cut into cells.
pub(crate) fn said(cells: &[String]) -> Vec<&str> {
    let mut said = Vec::new();
    for cell in cells {
        let kept = without_comment(cell);
        if !is_empty(kept) {
            said.push(kept);
        }
        if kept.len() < cell.len() {
            break;
        }
    }
    said
}

/// The part of a line before its comment. A `#` inside a word belongs to it: `PO#15262984` is a number.
fn without_comment(line: &str) -> &str {
    let mut before = None;
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_none_or(char::is_whitespace) {
            return &line[..at];
        }
        before = Some(c);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_cut_and_numbers_are_not() {
        for (line, kept) in
            [("# all", ""), ("7 # urgent", "7 "), ("PO#7", "PO#7"), ("PO#7 #8", "PO#7 "), ("", ""), ("  #", "  ")]
        {
            assert_eq!(without_comment(line), kept, "{line:?}");
        }
    }
}
