//! Settings about orders: the filter of attachments, and the canary.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use bytesize::ByteSize;
use wildmatch::WildMatchPattern;

use crate::config::error::InvalidValue;
use crate::model::{InvalidPoNumber, PoNumber};

/// Pattern with `*` for anything and `?` for one character.
type Pattern = WildMatchPattern<'*', '?'>;

/// Filter of attachments by name, type and size; default all. The report lists what it leaves out, which is not a
/// failure.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Filter {
    /// File name extensions without the dot, in lower case; empty for all.
    pub types: Vec<String>,
    /// Pattern of names; `*` for anything, `?` for one character, case is ignored.
    pub name: Option<String>,
    /// Largest size.
    pub max_size: Option<ByteSize>,
}

impl Filter {
    /// Why an attachment with this name and extension (in lower case, without the dot) is left out; `None` if it is
    /// not. A name or an extension that is not known yet refuses nothing.
    #[must_use]
    pub fn refuses(&self, name: Option<&str>, ending: Option<&str>) -> Option<String> {
        if let (Some(ending), false) = (ending, self.types.is_empty())
            && !self.types.iter().any(|wanted| wanted == ending)
        {
            return Some(format!("its type, {ending}, is not one of {}", self.types.join(", ")));
        }
        match (name, &self.name) {
            (Some(name), Some(wanted)) if !Pattern::new_case_insensitive(wanted).matches(name) => {
                Some(format!("its name does not match {wanted:?}"))
            }
            _ => None,
        }
    }
}

/// Equal filters give the same text; the text of no filter is empty.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.types.is_empty() {
            let mut types = self.types.clone();
            types.sort();
            parts.push(format!("types {}", types.join(",")));
        }
        parts.extend(self.name.as_ref().map(|name| format!("name {name:?}")));
        parts.extend(self.max_size.map(|size| format!("at most {} bytes", size.as_u64())));
        f.write_str(&parts.join(", "))
    }
}

/// Reads extensions as people list them: `pdf, .MSG`.
pub(crate) fn read_types(text: &str) -> Vec<String> {
    let ending = |part: &str| part.trim().trim_start_matches("*.").trim_start_matches('.').to_lowercase();
    text.split([',', ';', ' ']).map(ending).filter(|ending| !ending.is_empty()).collect()
}

/// An order with known attachments, and how many files it must yield at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The order.
    pub po: PoNumber,
    /// How many attachments of the order's own page must arrive; default 1.
    pub min_files: NonZeroUsize,
}

impl FromStr for Canary {
    type Err = InvalidValue;

    /// Reads `PO15262984`, or `PO15262984=5`.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let (po, min_files) = match text.split_once('=') {
            None => (text, NonZeroUsize::MIN),
            Some((po, count)) => {
                let count = count.trim();
                let min_files = count.parse().map_err(|why| {
                    let text = format!("{count:?} is not a number of files from 1 on: write it like PO15262984=5");
                    InvalidValue::new(text).caused_by(why)
                })?;
                (po, min_files)
            }
        };
        Ok(Self {
            po: PoNumber::try_from(po.to_owned())
                .map_err(|why: InvalidPoNumber| InvalidValue::new(why.to_string()).caused_by(why))?,
            min_files,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_compared_whatever_their_case() {
        let filter = Filter { types: read_types("PDF, .msg;*.txt"), name: Some("Invoice*".to_owned()), max_size: None };
        assert_eq!(filter.types, ["pdf", "msg", "txt"]);
        assert_eq!(filter.refuses(Some("invoice 12.pdf"), Some("pdf")), None);
        assert!(filter.refuses(Some("Offer.pdf"), Some("pdf")).unwrap().contains("Invoice*"));
        assert!(filter.refuses(Some("Invoice.zip"), Some("zip")).unwrap().contains("pdf, msg, txt"));
        assert_eq!(filter.refuses(None, None), None, "what is not known yet is no reason");
        assert_eq!(Filter::default().refuses(Some("x"), Some("exe")), None);
    }

    #[test]
    fn the_same_filter_reads_the_same() {
        let one = Filter { types: read_types("msg,pdf"), ..Filter::default() };
        let other = Filter { types: read_types("pdf msg"), ..Filter::default() };
        assert_eq!(one.to_string(), other.to_string());
        assert_eq!(Filter::default().to_string(), "");
    }

    #[test]
    fn a_canary_has_a_number_of_files_or_means_one() {
        for (text, po, min_files) in
            [("PO15262984", "PO15262984", 1), (" po7 = 5 ", "PO7", 5), ("US0158122", "US0158122", 1)]
        {
            let canary: Canary = text.parse().unwrap();
            assert_eq!((canary.po.to_string().as_str(), canary.min_files.get()), (po, min_files));
        }
        for (text, part) in [("PO7=0", "from 1 on"), ("PO7=many", "PO15262984=5"), ("PO7=", "from 1 on"), ("=5", "")] {
            let told = text.parse::<Canary>().unwrap_err().to_string();
            assert!(told.contains(part) && !told.is_empty(), "{told}");
        }
    }
}
