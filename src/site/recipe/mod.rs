//! A recipe: everything about a portal that differs between tenants, as checked types.
pub(crate) mod attachments;
pub(crate) mod hosts;
pub(crate) mod numbers;
pub(crate) mod parse;
pub(crate) mod selectors;
pub(crate) mod validate;

use std::time::Duration;

use serde::{Deserialize, Deserializer};

pub(crate) use self::attachments::Attachments;
pub use self::attachments::{ColumnSelector, Control, Listing, NameSource};
pub(crate) use self::numbers::NumberFormat;
pub use self::numbers::{NumberRules, NumberSource};

/// The shape of a portal. Written as TOML; the built-in ones are in `profiles/sites`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Recipe {
    /// What it is called in logs.
    pub name: String,
    /// Where things are.
    pub address: Addresses,
    /// How one gets in.
    pub login: LoginForm,
    /// The order page.
    pub order: OrderPage,
    /// The requisition page.
    pub requisition: RequisitionPage,
    /// Attachments, on both.
    pub attachments: Attachments,
    /// Pages that say no.
    pub errors: ErrorPages,
    /// When a page counts as read.
    pub settle: Settle,
}

/// Where things are. Paths begin with `/` and follow the portal's base address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Addresses {
    /// An order; `{digits}` stands for the digits of its number, `{number}` for the number with its prefix. May have a
    /// query, which then belongs to the address.
    pub order: String,
    /// A page that needs no login.
    pub login: String,
    /// An address that shows whether a session is logged in: only those who are get a page there, whatever it shows.
    /// Default: the address of an order with the number 0, which no portal has. Older recipes call it `door`.
    #[serde(default, alias = "door")]
    pub login_check: Option<String>,
    /// Beginnings of the paths of login pages.
    pub login_paths: Vec<String>,
    /// Hosts, beside the portal's own, that attachments may come from, as addresses show them: in small letters.
    #[serde(default, deserialize_with = "hosts::read")]
    pub allowed_hosts: Vec<String>,
}

/// The login form, and what gives its page away.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LoginForm {
    /// The form.
    pub form: Selector,
    /// The field of the user name.
    pub username: Selector,
    /// The field of the password.
    pub password: Selector,
    /// The button that sends it.
    pub submit: Selector,
    /// Where the portal says why it refused a login.
    pub refusal: Selector,
    /// What it says there of a user name or password that is wrong, in any case of letters. Where the form is answered with an
    /// error status, only these words are a refusal.
    #[serde(default)]
    pub refusal_texts: Vec<String>,
    /// Texts of which one is in every login page that comes instead of a file.
    pub file_markers: Vec<String>,
}

/// The order page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OrderPage {
    /// Elements of which one is on every order page and on no other.
    pub markers: Vec<Selector>,
    /// Where the supplier is; the first selector that finds text wins.
    pub supplier: Vec<SupplierSource>,
    /// Links to the order's requisitions: each distinct one is followed, and none that is in `comments`.
    #[serde(deserialize_with = "one_or_more")]
    pub requisition: Vec<Selector>,
    /// Where the page shows its number, best first: another one than was asked for is another order.
    #[serde(default)]
    pub number: Vec<NumberSource>,
    /// How the portal's order numbers are written.
    #[serde(default)]
    pub numbers: NumberFormat,
    /// Parts of the page that speak of other orders, such as a list of related ones.
    #[serde(default)]
    pub aside: Vec<Selector>,
    /// Where people write: what is there says nothing about the page.
    #[serde(default)]
    pub comments: Vec<Selector>,
    /// Parts of the page where a requisition that is linked may be another order's: its files are taken only if its own
    /// page names this order.
    #[serde(default)]
    pub mentions: Vec<Selector>,
}

/// Where a page shows the supplier: a selector alone, or with more about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "WrittenSupplier")]
#[non_exhaustive]
pub struct SupplierSource {
    /// What finds the element.
    pub css: Selector,
    /// The attributes that hold the name, best first; then its text.
    pub attributes: Vec<String>,
    /// Whether a number may precede the name, as in `10023 - ACME LTDA`.
    pub is_numbered: bool,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a CSS selector, or a table of css, attributes and is_numbered")]
enum WrittenSupplier {
    Alone(Selector),
    Table(SupplierTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SupplierTable {
    css: Selector,
    #[serde(default)]
    attributes: Vec<String>,
    #[serde(default)]
    is_numbered: bool,
}

impl From<WrittenSupplier> for SupplierSource {
    fn from(written: WrittenSupplier) -> Self {
        match written {
            WrittenSupplier::Alone(css) => Self { css, attributes: Vec::new(), is_numbered: false },
            WrittenSupplier::Table(SupplierTable { css, attributes, is_numbered }) => {
                Self { css, attributes, is_numbered }
            }
        }
    }
}

/// The requisition page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RequisitionPage {
    /// Elements of which one is on every requisition page.
    pub markers: Vec<Selector>,
    /// Where the page names the orders that came of it: if it names some, the order in question must be among them.
    #[serde(default)]
    pub orders: Vec<NumberSource>,
}

/// One selector, or several in a list.
fn one_or_more<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<Selector>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a CSS selector or a list of them")]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    let texts = match OneOrMore::deserialize(value)? {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    };
    texts.into_iter().map(|text| Selector::try_from(text).map_err(serde::de::Error::custom)).collect()
}

/// Pages that say no although their status is 200.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ErrorPages {
    /// Where the error is shown.
    pub css: Vec<Selector>,
    /// Parts of texts that say that there is no such order, in any case of letters.
    pub not_found: Vec<String>,
    /// Parts of texts that say that this login may not see it.
    pub not_allowed: Vec<String>,
}

/// When a page counts as read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settle {
    /// Not before this long after it has loaded.
    pub after_load: RecipeDuration,
    /// Not before what is looked for has been the same, and no request of the page pending, for this long.
    pub unchanged_for: RecipeDuration,
    /// How long a page may go on changing or saying that it is busy. A pending request is waited for until
    /// `page_timeout`.
    pub at_most: RecipeDuration,
    /// So much longer must a page be still that lists nothing, before it counts as one without attachments.
    #[serde(default = "RecipeDuration::of_emptiness")]
    pub empty_for: RecipeDuration,
    /// Parts of the addresses of requests that stay open until the portal has news: they are not waited for.
    #[serde(default)]
    pub long_polls: Vec<String>,
    /// A request that has been open for this long is taken for such a one, unless it names a number of the page's own
    /// address or attachments.
    #[serde(default = "RecipeDuration::of_a_long_poll")]
    pub long_poll_after: RecipeDuration,
}

/// A time span such as `1200ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RecipeDuration(pub Duration);

impl RecipeDuration {
    fn of_emptiness() -> Self {
        Self(Duration::from_secs(3))
    }

    fn of_a_long_poll() -> Self {
        Self(Duration::from_secs(12))
    }
}

impl TryFrom<String> for RecipeDuration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        humantime::parse_duration(&text)
            .map(Self)
            .map_err(|_| format!("{text:?} is not a time span such as 1200ms or 15s"))
    }
}

/// A CSS selector. Only a browser can tell for sure whether it is one; what is plainly none is refused here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Selector(String);

impl Selector {
    /// The selector as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Selector {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("{text:?} is not a CSS selector: {why}"));
        if text.trim().is_empty() {
            return refuse("it is empty");
        }
        let mut open = Vec::new();
        let mut chars = text.chars();
        let mut quote = None;
        while let Some(c) = chars.next() {
            match (c, quote) {
                ('\\', _) => drop(chars.next()),
                (c, Some(mark)) if c == mark => quote = None,
                (_, Some(_)) => {}
                ('\'' | '"', None) => quote = Some(c),
                ('[', None) => open.push(']'),
                ('(', None) => open.push(')'),
                (']' | ')', None) if open.pop() != Some(c) => return refuse("a bracket closes that was not opened"),
                ('{' | '}', None) => return refuse("it has a curly bracket"),
                _ => {}
            }
        }
        if quote.is_some() {
            return refuse("a quote is not closed");
        }
        if !open.is_empty() {
            return refuse("a bracket is not closed");
        }
        Ok(Self(text))
    }
}
