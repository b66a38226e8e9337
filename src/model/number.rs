//! Purchase-order numbers.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// A purchase-order number as people write it.
///
/// `PO15262984`, `PM16928033`, `po15262984`, ` 15262984 ` and `PO-15262984` are all accepted;
/// [`PoNumberFormat`](crate::model::PoNumberFormat) accepts other prefixes too. The prefix is kept for folder names and
/// reports and dropped for the address, so two spellings of the same number are **the same order**: equality and
/// hashing look at the digits alone, without leading zeros. Where a portal has other orders under another prefix,
/// [`PoNumber::distinct`] says so.
///
/// ```
/// use coupa_batch::PoNumber;
/// let a: PoNumber = " po-15262984 ".parse()?;
/// assert_eq!(a.to_string(), "PO15262984");
/// assert_eq!(a.digits(), "15262984");
/// assert_eq!(a, "15262984".parse()?);
/// assert_eq!(a, "015262984".parse()?);
/// # Ok::<(), coupa_batch::InvalidPoNumber>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoNumber {
    prefix: Box<str>,
    digits: Box<str>,
    is_distinct: bool,
}

/// More digits than this are a pasted bar code or a phone number, not an order.
const MAX_DIGITS: usize = 18;
/// Longest prefix: it becomes part of folder names.
pub(super) const MAX_PREFIX: usize = 12;

impl PoNumber {
    /// The digits, as the address of the order page wants them.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// What precedes the digits, such as `PO`; empty for a bare number.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The same number on a portal where the prefix makes another order: equal only to one that was told so, too, and
    /// has the same prefix. Its text does not show it.
    #[must_use]
    pub fn distinct(self) -> Self {
        Self { is_distinct: true, ..self }
    }

    /// Whether its prefix counts.
    #[must_use]
    pub fn is_distinct(&self) -> bool {
        self.is_distinct
    }

    /// What makes two numbers the same order.
    fn identity(&self) -> (bool, &str, &str) {
        (self.is_distinct, if self.is_distinct { &self.prefix } else { "" }, self.value())
    }

    /// The digits without the zeros before them.
    fn value(&self) -> &str {
        self.digits.trim_start_matches('0')
    }
}

impl fmt::Display for PoNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix, self.digits)
    }
}

impl PartialEq for PoNumber {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for PoNumber {}

impl Hash for PoNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl From<PoNumber> for String {
    fn from(po: PoNumber) -> Self {
        po.to_string()
    }
}

/// A text that is not a purchase-order number, and why.
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

pub(super) fn number(prefix: &str, digits: &str) -> Result<PoNumber, &'static str> {
    if digits.len() > MAX_DIGITS {
        return Err("it has more than 18 digits");
    }
    Ok(PoNumber { prefix: prefix.into(), digits: digits.into(), is_distinct: false })
}

/// Whether `text` can precede digits, also in the name of a folder. An empty one can.
pub(super) fn is_prefix(text: &str) -> bool {
    text.is_empty()
        || (text.len() <= MAX_PREFIX
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphabetic() || c == '-')
            && text.bytes().any(|byte| byte.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_makes_another_order_only_where_it_counts() {
        let po = |text: &str| text.parse::<PoNumber>().unwrap();
        assert_eq!(po("PO7"), po("PM7"));
        assert_ne!(po("PO7").distinct(), po("PM7").distinct());
        assert_ne!(po("PO7").distinct(), po("7").distinct());
        assert_ne!(po("PO7").distinct(), po("PO7"), "nothing is known of what was not told so");
        assert_eq!(po("PO7").distinct(), po("po-007").distinct());
        assert_eq!(po("PO7").distinct().to_string(), "PO7");
    }

    #[test]
    fn every_spelling_of_the_portal_notes_is_read() {
        for (written, shown) in [
            ("PO15262984", "PO15262984"),
            ("PM16928033", "PM16928033"),
            ("po15262984", "PO15262984"),
            (" 15262984 ", "15262984"),
            ("PO-15262984", "PO15262984"),
            ("PO 15262984", "PO15262984"),
            ("PO/15262984", "PO15262984"),
            ("PO_15262984", "PO15262984"),
            ("PO No. 15262984", "PO15262984"),
            ("P.O. 15262984", "PO15262984"),
            ("PO.15262984", "PO15262984"),
            ("\u{feff}15262984".trim_start_matches('\u{feff}'), "15262984"),
        ] {
            assert_eq!(written.parse::<PoNumber>().unwrap().to_string(), shown, "{written:?}");
        }
    }

    #[test]
    fn junk_is_refused_with_a_reason() {
        for junk in [
            "",
            "  ",
            "N/A",
            "PO-ABC",
            "PO",
            "12 34",
            "1234.5",
            "-5",
            "PO../1",
            "1234567890123456789",
            "١٢٣",
            "US7",
            "PO----7",
            "7-2",
            "PO7-2",
        ] {
            let refused = junk.parse::<PoNumber>().unwrap_err();
            assert!(!refused.reason.is_empty(), "{junk:?}");
        }
    }

    #[test]
    fn neither_prefix_nor_zeros_make_another_order() {
        let [with, without, zeros]: [PoNumber; 3] = ["PO7", "7", "007"].map(|text| text.parse().unwrap());
        assert_eq!(with, without);
        assert_eq!(with, zeros);
        assert_eq!(zeros.digits(), "007", "written as it was");
        assert_eq!(std::collections::HashSet::from([with, without, zeros]).len(), 1);
    }

    #[test]
    fn a_stored_number_is_read_whatever_its_prefix() {
        for text in ["US0158122", "2D-15262984", "PO7", "7", "007", "GG80711310"] {
            assert_eq!(PoNumber::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        for text in ["", "x", "../7", "A B7", "Ä7", "ABCDEFGHIJKLM7", "7a", "1234567890123456789"] {
            assert!(PoNumber::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
