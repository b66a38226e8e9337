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
        /// Why it is not a number.
        why: String,
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
         (PO, PO_NUM and Purchase Order are understood too), or say which one it is with --column",
        listed(columns, " | ")
    )]
    NoPoColumn {
        /// Which input.
        input: String,
        /// The cells of its first row.
        columns: Vec<String>,
    },
    /// The column that the caller named is not there.
    #[error("{input} has no column {column:?}. Its first row reads: {}", listed(columns, " | "))]
    NoSuchColumn {
        /// Which input.
        input: String,
        /// What was named.
        column: String,
        /// The cells of its first row.
        columns: Vec<String>,
    },
    /// Several columns could be meant, and they hold different numbers.
    #[error(
        "{input} has several columns with order numbers: {}. Say which column is meant with --column",
        listed(columns, ", ")
    )]
    AmbiguousColumn {
        /// Which input.
        input: String,
        /// Their headings.
        columns: Vec<String>,
    },
    /// The sheet that the caller named is not there.
    #[error("{input} has no sheet {sheet:?}. It has: {}", listed(sheets, ", "))]
    NoSuchSheet {
        /// Which input.
        input: String,
        /// What was named.
        sheet: String,
        /// The names of its sheets.
        sheets: Vec<String>,
    },
    /// A quotation mark that is never closed makes one cell of all that follows.
    #[error(
        "{input}, line {line}: a quotation mark in this line is not closed, so the rows below it cannot be told apart. \
         Close it, remove it, or write it twice"
    )]
    OpenQuote {
        /// Which input.
        input: String,
        /// Where the mark stands.
        line: u64,
    },
    /// More bytes than a list of orders ever has.
    #[error("{input} is larger than {max}: split it, or save only the PO_NUMBER column")]
    TooLarge {
        /// Which input.
        input: String,
        /// The limit.
        max: ByteSize,
    },
    /// A workbook that is small only while it is compressed.
    #[error("{input} holds more than {max} when it is unpacked: save only the PO_NUMBER column")]
    TooLargeUnpacked {
        /// Which input.
        input: String,
        /// The limit.
        max: ByteSize,
    },
    /// A workbook with more cells than a list of orders ever has.
    #[error("{input} has more cells than can be read: save only the PO_NUMBER column")]
    TooManyCells {
        /// Which input.
        input: String,
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
    /// It looks like a workbook but cannot be read.
    #[error("{input} is not a readable workbook ({why}): open it and save it again as .xlsx or .csv")]
    NotAWorkbook {
        /// Which input.
        input: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is recognised as something other than a sheet or list.
    #[error("{input} is {what}, which cannot be read: give a .csv, .xlsx, .ods or .txt file")]
    AnotherKind {
        /// Which input.
        input: String,
        /// What it is.
        what: String,
    },
    /// Neither text nor a workbook.
    #[error("{input} is neither text nor a workbook: give a .csv, .xlsx or .txt file")]
    NotText {
        /// Which input.
        input: String,
    },
    /// Rows were lost while they were read.
    #[error(
        "{input} was not read completely: not every row became an order or a rejected row. Nothing was started; please report this"
    )]
    Miscounted {
        /// Which input.
        input: String,
    },
}

/// How many names a message lists.
const MAX_LISTED: usize = 12;

/// Names for a message, with a count of those that are too many to be listed.
pub(crate) fn listed(names: &[String], separator: &str) -> String {
    let shown = names.get(..MAX_LISTED).unwrap_or(names).join(separator);
    match names.len().saturating_sub(MAX_LISTED) {
        0 => shown,
        more => format!("{shown}{separator}and {more} more"),
    }
}

/// What to do about the commonest reasons.
fn hint(why: &std::io::Error) -> &'static str {
    match why.kind() {
        std::io::ErrorKind::NotFound => "; check the path",
        std::io::ErrorKind::PermissionDenied => {
            "; it may be open in another program, or you may not be allowed to read it"
        }
        std::io::ErrorKind::IsADirectory => "; give the file in it",
        _ => "",
    }
}

/// Largest sum of what one part of a workbook unpacks to: ten million cells.
pub(crate) const MAX_UNPACKED: ByteSize = ByteSize::mb(800);

/// Why the rows of a sheet cannot be read. It does not know yet which input it is of.
#[derive(Debug)]
pub(crate) enum SheetError {
    /// A quotation mark is never closed.
    OpenQuote { line: u64 },
    /// The file is damaged, or not what it seems to be; the reason.
    Damaged(String),
    /// It is something else; what.
    AnotherKind(&'static str),
    /// It is protected by a password.
    Locked,
    /// It unpacks to more than [`MAX_UNPACKED`].
    TooLarge,
    /// It has more cells, or rows, than a sheet of orders ever has.
    TooManyCells,
}

impl SheetError {
    /// The error of this input.
    pub(crate) fn of(self, input: &str) -> InputError {
        let input = input.to_owned();
        match self {
            Self::OpenQuote { line } => InputError::OpenQuote { input, line },
            Self::Damaged(why) => InputError::NotAWorkbook { input, why },
            Self::AnotherKind(what) => InputError::AnotherKind { input, what: what.to_owned() },
            Self::Locked => InputError::Locked { input },
            Self::TooManyCells => InputError::TooManyCells { input },
            Self::TooLarge => InputError::TooLargeUnpacked { input, max: MAX_UNPACKED },
        }
    }
}
