//! Why an input cannot be used at all. A row that cannot be used is a `RejectedRow`, not an error.

use bytesize::ByteSize;
use thiserror::Error;

/// An input that no order can be taken from. Each message says what to do next.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InputError {
    /// A word of the command line that is neither a file nor a number.
    #[error("{word:?} is neither a file that exists nor a purchase-order number ({why}): check the spelling")]
    NotAnInput {
        /// What was written.
        word: String,
        /// Why it is no number.
        why: &'static str,
    },
    /// The file could not be opened or read.
    #[error("{input} cannot be read: {why}{}", hint(why))]
    Unreadable {
        /// Which input.
        input: String,
        /// What the system says.
        why: std::io::Error,
    },
    /// There is nothing in it.
    #[error("{input} is empty: give a sheet with a PO_NUMBER column, or a list with one number per line")]
    Empty {
        /// Which input.
        input: String,
    },
    /// There are rows, and none of their columns is the one that is needed.
    #[error(
        "{input} has no PO_NUMBER column. Its first row reads: {}. Name the column with the numbers PO_NUMBER \
         (PO, PO_NUM and Purchase Order are understood too)",
        columns.join(" | ")
    )]
    NoPoColumn {
        /// Which input.
        input: String,
        /// The cells of its first row.
        columns: Vec<String>,
    },
    /// More bytes than a list of orders ever has.
    #[error("{input} is larger than {max}: split it, or save only the PO_NUMBER column")]
    TooLarge {
        /// Which input.
        input: String,
        /// The limit.
        max: ByteSize,
    },
    /// More rows than one run takes.
    #[error("{input} has more than {max} rows: split it into several runs")]
    TooManyRows {
        /// Which input.
        input: String,
        /// The limit.
        max: u64,
    },
    /// The workbook is encrypted.
    #[error("{input} is protected by a password: save a copy without one, or as CSV")]
    Locked {
        /// Which input.
        input: String,
    },
    /// It looks like a workbook and is none that can be read.
    #[error("{input} is not a readable workbook ({why}): open it and save it again as .xlsx or .csv")]
    NotAWorkbook {
        /// Which input.
        input: String,
        /// What the reader says.
        why: String,
    },
    /// Neither text nor a workbook.
    #[error("{input} is neither text nor a workbook: give a .csv, .xlsx or .txt file")]
    NotText {
        /// Which input.
        input: String,
    },
}

/// What to do about the commonest reasons.
fn hint(why: &std::io::Error) -> &'static str {
    match why.kind() {
        std::io::ErrorKind::NotFound => "; check the path",
        std::io::ErrorKind::PermissionDenied => "; it may be open in another program, or not yours to read",
        std::io::ErrorKind::IsADirectory => "; give the file inside of it",
        _ => "",
    }
}
