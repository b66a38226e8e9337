//! Identifiers: parsed once at the door, trusted afterwards.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A purchase-order number as people write it.
///
/// `PO15262984`, `PM16928033`, `po15262984`, ` 15262984 ` and `PO-15262984` are all accepted. The prefix is kept for
/// folder names and reports and dropped for the address, so two spellings with the same digits are **the same order**:
/// equality and hashing look at the digits alone.
///
/// ```
/// use coupa_batch::PoNumber;
/// let a: PoNumber = " po-15262984 ".parse()?;
/// assert_eq!(a.to_string(), "PO15262984");
/// assert_eq!(a.digits(), "15262984");
/// assert_eq!(a, "15262984".parse()?);
/// # Ok::<(), coupa_batch::InvalidPoNumber>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoNumber {
    prefix: Prefix,
    digits: Box<str>,
}

#[derive(Clone, Copy, Debug)]
enum Prefix {
    None,
    Po,
    Pm,
}

impl Prefix {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Po => "PO",
            Self::Pm => "PM",
        }
    }
}

/// More digits than this are a pasted bar code or a phone number, not an order.
const MAX_DIGITS: usize = 18;

impl PoNumber {
    /// The digits, as the address of the order page wants them.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.digits
    }
}

impl FromStr for PoNumber {
    type Err = InvalidPoNumber;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| InvalidPoNumber { written: written.trim().to_owned(), reason };
        let text = written.trim();
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        let upper = text.to_ascii_uppercase();
        let (prefix, digits) = [Prefix::Po, Prefix::Pm]
            .into_iter()
            .find_map(|prefix| upper.strip_prefix(prefix.as_str()).map(|rest| (prefix, rest)))
            .map_or((Prefix::None, upper.as_str()), |(prefix, rest)| {
                (prefix, rest.trim_start_matches(['-', ' ', '#', ':']))
            });
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refuse("a number is digits, with or without PO or PM before them"));
        }
        if digits.len() > MAX_DIGITS {
            return Err(refuse("it has more than 18 digits"));
        }
        Ok(Self { prefix, digits: digits.into() })
    }
}

impl fmt::Display for PoNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix.as_str(), self.digits)
    }
}

impl PartialEq for PoNumber {
    fn eq(&self, other: &Self) -> bool {
        self.digits == other.digits
    }
}

impl Eq for PoNumber {}

impl Hash for PoNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digits.hash(state);
    }
}

impl TryFrom<String> for PoNumber {
    type Error = InvalidPoNumber;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PoNumber> for String {
    fn from(po: PoNumber) -> Self {
        po.to_string()
    }
}

/// A text that is no purchase-order number, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPoNumber {
    /// What was written, trimmed.
    pub written: String,
    /// Why it was refused; a fragment that fits after a colon.
    pub reason: &'static str,
}

impl fmt::Display for InvalidPoNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a purchase-order number: {}", self.written, self.reason)
    }
}

impl std::error::Error for InvalidPoNumber {}

/// Names one run of a batch; sorts by time when written by [`RunId::new`]'s callers with a timestamp first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// Keeps ASCII letters, digits, `-` and `_` of `text`: a run id is part of folder names.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect())
    }

    /// The id as text, safe in a path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The admission number of a task: counts up from 1 within a run and decides who was first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

/// A worker's place in the pool, from 1. A replaced session keeps its worker's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub u16);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.0)
    }
}

/// Which try at a task this is, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptNo(pub u32);

impl fmt::Display for AttemptNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_portal_notes_is_read() {
        for (written, shown) in [
            ("PO15262984", "PO15262984"),
            ("PM16928033", "PM16928033"),
            ("po15262984", "PO15262984"),
            (" 15262984 ", "15262984"),
            ("PO-15262984", "PO15262984"),
            ("PO 15262984", "PO15262984"),
            ("\u{feff}15262984".trim_start_matches('\u{feff}'), "15262984"),
        ] {
            assert_eq!(written.parse::<PoNumber>().unwrap().to_string(), shown, "{written:?}");
        }
    }

    #[test]
    fn junk_is_refused_with_a_reason() {
        for junk in ["", "  ", "N/A", "PO-ABC", "PO", "12 34", "1234.5", "-5", "PO../1", "1234567890123456789", "١٢٣"]
        {
            let refused = junk.parse::<PoNumber>().unwrap_err();
            assert!(!refused.reason.is_empty(), "{junk:?}");
        }
    }

    #[test]
    fn prefix_does_not_make_another_order() {
        let with: PoNumber = "PO7".parse().unwrap();
        let without: PoNumber = "7".parse().unwrap();
        assert_eq!(with, without);
        assert_eq!(std::collections::HashSet::from([with, without]).len(), 1);
    }
}
