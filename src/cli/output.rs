//! Standard output: results, for people and for pipes. Everything else goes to standard error.

use std::io::{ErrorKind, Write};

use crate::cli::exit::{CommandError, ExitReason};

/// Writes `text` to standard output, [`blanked`]. A reader that has closed the pipe (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    write(&blanked(text))
}

/// Writes `value` to standard output for programs, with every control character in it escaped.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<(), CommandError> {
    let mut text = String::new();
    // JSON leaves DEL and the C1 control characters as they are; they can only be inside strings
    for c in format!("{value:#}\n").chars() {
        match c {
            '\n' => text.push(c),
            c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    write(&text)
}

/// The text with every control character except line feed and tab replaced by a space: names and titles come from a portal and
/// must not control the terminal.
pub(crate) fn blanked(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c }).collect()
}

/// [`blanked`] without line feeds and tabs, for text that must stay in one line.
pub(crate) fn in_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn write(text: &str) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => {
            Err(CommandError::new(ExitReason::Unexpected, format!("standard output cannot be written: {why}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_commands_the_terminal() {
        let named = blanked("a\u{1b}]0;PWNED\u{7}\u{1b}[31mred\r\u{9b}2J.pdf\n\tnext");
        assert_eq!(named, "a ]0;PWNED  [31mred  2J.pdf\n\tnext");
    }
}
