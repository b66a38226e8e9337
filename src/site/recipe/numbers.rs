//! The part of a recipe that says how order numbers are written, and where pages show them.

use serde::Deserialize;

use super::{Addresses, Selector};
use crate::model::{PoNumber, PoNumberFormat};

/// Placeholder for the digits of an order's number in its address.
const DIGITS: &str = "{digits}";

/// Placeholder for an order's number with its prefix in its address.
const NUMBER: &str = "{number}";

/// Where a page shows the number of an order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NumberSource {
    /// What finds the text.
    pub css: Selector,
    /// Words, one of which precedes the number; case is ignored. Text without one of them shows no number. If
    /// there are no words, the text must contain exactly one number.
    #[serde(default)]
    pub after: Vec<String>,
}

/// How a portal's order numbers are written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NumberFormat {
    /// What may precede the digits besides `PO` and `PM`, such as `US` or `2D-`.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// What may follow the digits and is not part of the number, such as `-#` for a revision; `#` stands for digits.
    #[serde(default)]
    pub suffixes: Vec<String>,
    /// Whether two numbers with the same digits and other prefixes are two orders.
    #[serde(default)]
    pub prefix_counts: bool,
}

/// How the order numbers of a portal are written, for whoever reads a sheet.
#[derive(Clone, Debug)]
pub struct NumberRules {
    /// Which numbers there are.
    pub format: PoNumberFormat,
    /// Whether two numbers with the same digits and other prefixes are two orders.
    pub prefix_counts: bool,
}

impl NumberFormat {
    /// The rules for whoever reads a sheet.
    ///
    /// # Errors
    /// The key that cannot be used, and why.
    pub(crate) fn rules(&self) -> Result<NumberRules, (&'static str, String)> {
        let [prefixes, suffixes] =
            [&self.prefixes, &self.suffixes].map(|texts| texts.iter().map(String::as_str).collect::<Vec<_>>());
        let prefixes = PoNumberFormat::new(&prefixes, &[]).map_err(|why| ("order.numbers.prefixes", why))?;
        let suffixes = PoNumberFormat::new(&[], &suffixes).map_err(|why| ("order.numbers.suffixes", why))?;
        Ok(NumberRules { format: prefixes.or(&suffixes), prefix_counts: self.prefix_counts })
    }
}

impl Addresses {
    /// The path of an order's page.
    pub(crate) fn order_path(&self, po: &PoNumber) -> String {
        self.order.replace(DIGITS, po.digits()).replace(NUMBER, &po.to_string())
    }

    /// The path of the page of a number that no order has.
    pub(crate) fn no_order_path(&self) -> String {
        self.order.replace(DIGITS, "0").replace(NUMBER, "0")
    }

    /// What the paths of all orders begin with.
    pub(crate) fn before_number(&self) -> &str {
        self.order.split(DIGITS).next().and_then(|before| before.split(NUMBER).next()).unwrap_or_default()
    }

    /// Whether the path of an order says which one it is.
    pub(crate) fn names_order(&self) -> bool {
        self.order.contains(DIGITS) || self.order.contains(NUMBER)
    }
}
