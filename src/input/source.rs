//! A word of the command line: a file, standard input or a number.

use std::convert::Infallible;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytesize::ByteSize;

use super::InputError;
use crate::model::PoNumber;

/// Endings that say "file" even when there is none of that name: a missing file must not be read as a bad number.
const FILE_ENDINGS: [&str; 11] = ["csv", "tsv", "txt", "xlsx", "xlsm", "xls", "xlsb", "ods", "fods", "xml", "html"];

/// Where orders come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    Path(PathBuf),
    /// Standard input, written as `-`.
    Stdin,
    /// The number itself, as it was written.
    Argument(String),
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if word == "-" {
            return Ok(Self::Stdin);
        }
        let path = Path::new(word);
        let has_ending =
            path.extension().is_some_and(|ending| FILE_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)));
        // a folder is reported as one, unless it has the name of an order
        let is_file = has_ending || path.is_file() || (path.is_dir() && word.parse::<PoNumber>().is_err());
        Ok(if is_file || word.contains(std::path::is_separator) {
            Self::Path(path.to_owned())
        } else {
            Self::Argument(word.to_owned())
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
            Self::Argument(_) => f.write_str("argument"),
        }
    }
}

/// Everything that `from` holds, unless it is more than `max`.
pub(crate) fn read_all(from: &Source, max: ByteSize) -> Result<Vec<u8>, InputError> {
    let unreadable = |why| InputError::Unreadable { input: from.to_string(), why };
    let mut bytes = Vec::new();
    // one byte more than allowed tells "full" from "too much" without trusting a length that may change
    let limit = max.as_u64().saturating_add(1);
    match from {
        Source::Path(path) => {
            let file = std::fs::File::open(path).map_err(unreadable)?;
            file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?
        }
        Source::Stdin => std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(unreadable)?,
        Source::Argument(_) => 0,
    };
    if bytes.len() as u64 > max.as_u64() {
        return Err(InputError::TooLarge { input: from.to_string(), max });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        assert_eq!("-".parse::<Source>().unwrap(), Source::Stdin);
        for path in ["orders.csv", "ORDERS.XLSX", "./15262984", "missing.txt"] {
            assert_eq!(path.parse::<Source>().unwrap(), Source::Path(path.into()), "{path}");
        }
        for number in ["15262984", "po-15262984", "PM7", "orders"] {
            assert_eq!(number.parse::<Source>().unwrap(), Source::Argument(number.to_owned()));
        }
        let sources = ["orders".parse().unwrap()];
        let refused = crate::input::read(&sources, &crate::input::InputOptions::default()).unwrap_err().to_string();
        assert!(refused.contains("\"orders\"") && refused.contains("neither a file"), "{refused}");
    }

    #[test]
    fn an_existing_file_wins_over_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("15262984");
        std::fs::write(&file, "7").unwrap();
        assert_eq!(file.to_str().unwrap().parse::<Source>().unwrap(), Source::Path(file));
    }

    #[test]
    fn too_much_is_refused_without_being_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large.csv");
        std::fs::write(&file, "1234567890").unwrap();
        let source = Source::Path(file);
        assert_eq!(read_all(&source, ByteSize(10)).unwrap().len(), 10);
        assert!(matches!(read_all(&source, ByteSize(9)), Err(InputError::TooLarge { .. })));
    }

    #[test]
    fn a_missing_file_says_so() {
        let shown = read_all(&Source::Path("no/such.csv".into()), ByteSize(9)).unwrap_err().to_string();
        assert!(shown.contains("no/such.csv") && shown.contains("check the path"), "{shown}");
    }
}
