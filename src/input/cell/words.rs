//! Texts of cells: what can be seen of them, and the names of columns.

/// Longest piece of a cell that is repeated in a message.
pub(crate) const MAX_SHOWN: usize = 60;

/// The name of a column without case, blanks and punctuation.
pub(crate) fn column_name(cell: &str) -> String {
    cell.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// A piece of a cell, short enough for a message and on one line.
pub(crate) fn shorten(cell: &str) -> String {
    let text: String = cell.trim_matches(is_blank).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether nothing can be seen in the cell.
pub(crate) fn is_empty(cell: &str) -> bool {
    cell.chars().all(is_blank)
}

/// White space, and what is as invisible.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || is_invisible(c)
}

/// Marks without a width that are copied along from web pages and mails: joiners, directions, soft hyphens.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_columns_are_compared_without_case_and_punctuation() {
        assert_eq!(column_name(" Po-Number\u{a0}#"), "PONUMBER");
        assert_eq!(column_name("Größe (m²)"), "GRÖSSEM²");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_short_and_on_one_line(cell in "\\PC{0,200}|[\n\t a]{0,90}") {
            let shown = shorten(&cell);
            prop_assert!(shown.chars().count() <= MAX_SHOWN + 1 && !shown.contains('\n'), "{shown:?}");
        }
    }
}
