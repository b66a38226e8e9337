//! One order of which it is known what it must yield.

use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::model::{InvalidPoNumber, PoNumber};

/// An order, and how many files it must yield at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The order.
    pub po: PoNumber,
    /// How many attachments of the order's own page must arrive; 1 unless said otherwise.
    pub min_files: NonZeroUsize,
}

impl FromStr for Canary {
    type Err = String;

    /// `PO15262984`, or `PO15262984=5`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (po, min_files) = match text.split_once('=') {
            None => (text, NonZeroUsize::MIN),
            Some((po, count)) => {
                let count = count.trim();
                let min_files = count.parse().map_err(|_| {
                    format!("{count:?} is not a number of files from 1 on: write it such as PO15262984=5")
                })?;
                (po, min_files)
            }
        };
        Ok(Self { po: PoNumber::try_from(po.to_owned()).map_err(|why: InvalidPoNumber| why.to_string())?, min_files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_says_how_many_files_it_brings_or_means_one() {
        for (text, po, min_files) in
            [("PO15262984", "PO15262984", 1), (" po7 = 5 ", "PO7", 5), ("US0158122", "US0158122", 1)]
        {
            let canary: Canary = text.parse().unwrap();
            assert_eq!((canary.po.to_string().as_str(), canary.min_files.get()), (po, min_files));
        }
        for (text, part) in [("PO7=0", "from 1 on"), ("PO7=many", "PO15262984=5"), ("PO7=", "from 1 on"), ("=5", "")] {
            let told = text.parse::<Canary>().unwrap_err();
            assert!(told.contains(part) && !told.is_empty(), "{told}");
        }
    }
}
