//! Standard output: results, for people and for pipes. Everything else goes to standard error.

use std::io::{ErrorKind, Write};

use crate::exit::{ExitReason, Stopped};

/// Writes `text` to standard output. A reader that has heard enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), Stopped> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => {
            Err(Stopped::new(ExitReason::Unexpected, format!("standard output cannot be written: {why}")))
        }
        _ => Ok(()),
    }
}

/// `1 order`, `2 orders`.
pub(crate) fn count(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
