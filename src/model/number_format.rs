//! How the people of a portal write the numbers of their orders.

use std::str::FromStr;

use super::number::{InvalidPoNumber, MAX_PREFIX, PoNumber, is_prefix, number};

/// The prefixes of every portal.
const USUAL_PREFIXES: [&str; 2] = ["PO", "PM"];
/// What people write between a prefix and the digits.
const SEPARATORS: [char; 6] = ['-', ' ', '#', ':', '/', '_'];
/// So many of them at most: "PO # 7", but no drawing made of dashes.
const MAX_SEPARATORS: usize = 3;
/// Abbreviations of "number" between a prefix and the digits, the longest first.
const NUMBER_WORDS: [&str; 8] = ["NUMBER", "NUM.", "NUM", "NO.", "NR.", "NO", "NR", "№"];

/// How order numbers are written: which prefixes precede the digits, and what may follow them. The default knows `PO`
/// and `PM`, and nothing that follows.
///
/// ```
/// use coupa_batch::model::PoNumberFormat;
/// let format = PoNumberFormat::new(&["US", "2D-"], &["-#"])?;
/// assert_eq!(format.parse("us0158122").unwrap().po.to_string(), "US0158122");
/// let revised = format.parse("2D-15262984-2").unwrap();
/// assert_eq!((revised.po.to_string().as_str(), revised.suffix.as_str()), ("2D-15262984", "-2"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoNumberFormat {
    /// In capitals, the longest first.
    prefixes: Vec<String>,
    /// In capitals; `#` stands for digits.
    suffixes: Vec<String>,
}

impl Default for PoNumberFormat {
    fn default() -> Self {
        Self { prefixes: USUAL_PREFIXES.map(str::to_owned).into(), suffixes: Vec::new() }
    }
}

/// A number that was read, and what followed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenNumber {
    /// The order.
    pub po: PoNumber,
    /// What followed the digits and is not part of the number, such as `-2`; empty if nothing did.
    pub suffix: String,
}

impl PoNumberFormat {
    /// The usual format with more `prefixes`, such as `US` or `2D-`, and these `suffixes`, such as `-#`, in which `#`
    /// stands for digits.
    ///
    /// # Errors
    /// The prefix or suffix that cannot be used, and why.
    pub fn new(prefixes: &[&str], suffixes: &[&str]) -> Result<Self, String> {
        let mut format = Self::default();
        for prefix in prefixes {
            let prefix = prefix.trim().to_ascii_uppercase();
            if prefix.is_empty() || !is_prefix(&prefix) {
                return Err(format!(
                    "{prefix:?} cannot be a prefix: use up to {MAX_PREFIX} letters, digits and dashes, at least one of \
                     them a letter, and no digit at the end"
                ));
            }
            format.prefixes.push(prefix);
        }
        for suffix in suffixes {
            let suffix = suffix.trim().to_ascii_uppercase();
            if !suffix.contains('#') || suffix.starts_with(|c: char| c.is_ascii_digit() || c == '#') {
                return Err(format!("{suffix:?} cannot be a suffix: write a sign and # for digits, such as -# or /#"));
            }
            format.suffixes.push(suffix);
        }
        Ok(format.sorted())
    }

    /// What either of the two formats accepts.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        self.prefixes.extend_from_slice(&other.prefixes);
        self.suffixes.extend_from_slice(&other.suffixes);
        self.sorted()
    }

    fn sorted(mut self) -> Self {
        self.prefixes.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.prefixes.dedup();
        self.suffixes.sort();
        self.suffixes.dedup();
        self
    }

    /// Reads a number.
    ///
    /// # Errors
    /// Why the text is not a number of this format.
    pub fn parse(&self, written: &str) -> Result<WrittenNumber, InvalidPoNumber> {
        let refuse = |reason| InvalidPoNumber { written: written.trim().to_owned(), reason };
        let text = written.trim().to_ascii_uppercase();
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        let (prefix, rest) = self
            .prefixes
            .iter()
            .find_map(|prefix| after_prefix(&text, prefix).map(|rest| (prefix.as_str(), rest)))
            .unwrap_or(("", &text));
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, suffix) = rest.split_at(end);
        if digits.is_empty() || !(suffix.is_empty() || self.suffixes.iter().any(|known| matches(known, suffix.trim())))
        {
            return Err(refuse("a number consists of digits, with or without PO or PM before them"));
        }
        let po = number(prefix, digits).map_err(refuse)?;
        Ok(WrittenNumber { po, suffix: suffix.trim().to_owned() })
    }
}

impl FromStr for PoNumber {
    type Err = InvalidPoNumber;

    /// Reads a number with one of the usual prefixes, `PO` and `PM`, or without any.
    fn from_str(written: &str) -> Result<Self, Self::Err> {
        PoNumberFormat::default().parse(written).map(|found| found.po)
    }
}

impl TryFrom<String> for PoNumber {
    type Error = InvalidPoNumber;

    /// Reads a number that somebody has named on purpose, or that was stored: any prefix is accepted.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let trimmed = text.trim().to_ascii_uppercase();
        let prefix = trimmed.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &trimmed[prefix.len()..];
        if digits.is_empty() || !is_prefix(prefix) {
            return text.parse(); // with a separator, or refused
        }
        number(prefix, digits).map_err(|reason| InvalidPoNumber { written: text.trim().to_owned(), reason })
    }
}

/// What follows `prefix` in `text`, beginning with a digit: separators and the word "number" are skipped.
fn after_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let core = prefix.trim_end_matches('-');
    let rest = text.strip_prefix(core).or_else(|| text.strip_prefix(&dotted(core)))?;
    let rest = without_separators(rest.strip_prefix('.').unwrap_or(rest))?;
    let rest = match NUMBER_WORDS.iter().find_map(|word| rest.strip_prefix(word)) {
        Some(rest) => without_separators(rest)?,
        None => rest,
    };
    rest.starts_with(|c: char| c.is_ascii_digit()).then_some(rest)
}

/// `P.O` of `PO`.
fn dotted(core: &str) -> String {
    core.chars().map(String::from).collect::<Vec<_>>().join(".")
}

fn without_separators(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(SEPARATORS);
    (text.len() - rest.len() <= MAX_SEPARATORS).then_some(rest)
}

/// Whether `text` is what `pattern` says, in which `#` stands for digits.
fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = text;
    for c in pattern.chars() {
        let next = if c == '#' {
            let without = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            (without.len() < rest.len()).then_some(without)
        } else {
            rest.strip_prefix(c)
        };
        match next {
            Some(next) => rest = next,
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_suffixes_of_a_portal_are_read() {
        let format = PoNumberFormat::new(&["us", "2D-", "GG"], &["-#", " rev #"]).unwrap();
        for (written, shown, suffix) in [
            ("US0158122", "US0158122", ""),
            ("us-0158122", "US0158122", ""),
            ("2D-15262984", "2D-15262984", ""),
            ("2d15262984-13", "2D-15262984", "-13"),
            ("PO15262984-2", "PO15262984", "-2"),
            ("15262984 Rev 3", "15262984", "REV 3"),
            ("GG80711310", "GG80711310", ""),
        ] {
            let found = format.parse(written).unwrap();
            assert_eq!((found.po.to_string().as_str(), found.suffix.as_str()), (shown, suffix), "{written:?}");
        }
        assert!(format.parse("US").is_err() && format.parse("15262984/2").is_err() && format.parse("7-").is_err());
        let both = PoNumberFormat::new(&["A"], &[]).unwrap().or(&format);
        assert!(both.parse("A7").is_ok() && both.parse("US7-1").is_ok());
    }

    #[test]
    fn what_could_leave_a_folder_is_no_prefix() {
        for prefix in ["", "../", "A/", "7", "A7", "-", "ABCDEFGHIJKLM", "A B", "Ä"] {
            assert!(PoNumberFormat::new(&[prefix], &[]).is_err(), "{prefix:?}");
        }
        for suffix in ["", "-", "#", "2#", "x"] {
            assert!(PoNumberFormat::new(&[], &[suffix]).is_err(), "{suffix:?}");
        }
    }
}
