//! What people should know about an input. Rows with the same remark are one remark with a count.

use std::fmt;

use crate::input::cell::number::NumberChange;

/// So many different cells are shown as examples.
const MAX_EXAMPLES: usize = 3;

/// What people should know about some rows, or about a whole input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The input, with its sheet if it has several.
    pub source: String,
    /// The first row; none if it is about the whole input.
    pub line: Option<u64>,
    /// How many rows.
    pub count: u64,
    /// What is in the first of them, shortened.
    pub examples: Vec<String>,
    /// What is remarkable.
    pub what: String,
}

impl Remark {
    /// Counts another row.
    pub(crate) fn add(&mut self, example: String) {
        self.count += 1;
        if self.examples.len() < MAX_EXAMPLES && !self.examples.contains(&example) {
            self.examples.push(example);
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        match self.count {
            0 | 1 => {}
            2 => f.write_str(" and 1 more row")?,
            more => write!(f, " and {} more rows", more - 1)?,
        }
        let examples: Vec<_> = self.examples.iter().map(|text| format!("{text:?}")).collect();
        if !examples.is_empty() {
            write!(f, ": {}", examples.join(", "))?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What rows are remarkable for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemarkKind {
    /// A priority that nobody knows.
    ForeignPriority,
    /// The same number with other zeros before it.
    LeadingZeros,
    /// The same digits with another prefix.
    OtherPrefix,
    /// A number that is formatted as a date.
    DateFormat,
    /// Something behind the number was dropped.
    Suffix,
}

impl RemarkKind {
    /// The remark in words; `default` is the priority of orders whose row says nothing.
    pub(crate) fn what(self, default: impl fmt::Display) -> String {
        match self {
            Self::ForeignPriority => {
                return format!("not a priority, so {default} is used; known are urgent, high, normal and low");
            }
            Self::LeadingZeros => "the same order, because leading zeros do not count: it is fetched once",
            Self::OtherPrefix => "the same order, because the prefix does not count: it is fetched once",
            Self::DateFormat => "formatted as a date, but too large to be one: the number itself is used",
            Self::Suffix => "what follows the number is not part of it (po_suffixes)",
        }
        .to_owned()
    }
}

impl From<NumberChange> for RemarkKind {
    fn from(change: NumberChange) -> Self {
        match change {
            NumberChange::DateFormat => Self::DateFormat,
            NumberChange::Suffix => Self::Suffix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_the_same_remark_make_one_line() {
        let mut remark = Remark {
            source: "a.csv".to_owned(),
            line: Some(2),
            count: 1,
            examples: vec!["Alta".to_owned()],
            what: RemarkKind::ForeignPriority.what("normal"),
        };
        assert!(remark.to_string().starts_with("a.csv, line 2: \"Alta\": not a priority, so normal"), "{remark}");
        remark.add("Baixa".to_owned());
        assert!(remark.to_string().starts_with("a.csv, line 2 and 1 more row: \"Alta\", \"Baixa\": "), "{remark}");
        for _ in 0..4998 {
            remark.add("Alta".to_owned());
        }
        assert!(remark.to_string().starts_with("a.csv, line 2 and 4999 more rows: \"Alta\", \"Baixa\": "), "{remark}");
    }
}
