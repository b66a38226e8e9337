//! Which attachments are wanted, by their names and sizes.

use std::fmt;

use bytesize::ByteSize;
use wildmatch::WildMatchPattern;

/// `*` for anything, `?` for one character, whatever their case.
type Pattern = WildMatchPattern<'*', '?'>;

/// Which attachments are wanted; default all. What a filter leaves out is told in the report and missed by nobody.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Filter {
    /// Endings of names without the dot, in lower case; empty for all.
    pub types: Vec<String>,
    /// What names must match; `*` for anything, `?` for one character, case ignored.
    pub name: Option<String>,
    /// Largest size.
    pub max_size: Option<ByteSize>,
}

impl Filter {
    /// Why an attachment of this name and ending (in lower case, without the dot) is not wanted; none if it may be. A name
    /// or an ending that is not known refuses nothing.
    #[must_use]
    pub fn refuses(&self, name: Option<&str>, ending: Option<&str>) -> Option<String> {
        if let (Some(ending), false) = (ending, self.types.is_empty())
            && !self.types.iter().any(|wanted| wanted == ending)
        {
            return Some(format!("its type, {ending}, is none of {}", self.types.join(", ")));
        }
        match (name, &self.name) {
            (Some(name), Some(wanted)) if !Pattern::new_case_insensitive(wanted).matches(name) => {
                Some(format!("its name does not match {wanted:?}"))
            }
            _ => None,
        }
    }
}

/// The same text for the same filter; empty for none.
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

/// Endings as people list them: `pdf, .MSG`.
pub(crate) fn read_types(text: &str) -> Vec<String> {
    let ending = |part: &str| part.trim().trim_start_matches("*.").trim_start_matches('.').to_lowercase();
    text.split([',', ';', ' ']).map(ending).filter(|ending| !ending.is_empty()).collect()
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
}
