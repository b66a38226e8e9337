//! Settings that are one of a few words, or a number of workers or of orders.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::config::error::InvalidValue;

/// Declares an enum that is written as one word in settings.
macro_rules! choices {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $variant_doc:literal])+ $variant:ident = $word:literal),+ $(,)? } default $default:ident) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $variant_doc])+ $variant,)+
        }

        impl $name {
            /// All words, for messages and completions.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word in settings.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::$default
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text.trim().to_ascii_lowercase().as_str() {
                    $($word => Ok(Self::$variant),)+
                    other => Err(InvalidValue::new(format!("{other:?} is not one of {}", Self::WORDS.join(", ")))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

choices! {
    /// Which browser to use.
    BrowserChoice {
        /// The first of Edge, Chrome and Chromium that is installed with a matching driver.
        Auto = "auto",
        /// Microsoft Edge with EdgeDriver.
        Edge = "edge",
        /// Google Chrome with ChromeDriver.
        Chrome = "chrome",
        /// Chromium with ChromeDriver.
        Chromium = "chromium",
        /// Chromium's headless shell with ChromeDriver: starts faster and uses less memory, and has no windows.
        ChromiumHeadlessShell = "chromium-headless-shell",
    } default Auto
}

choices! {
    /// Whether the browser runs in its sandbox.
    Sandbox {
        /// On, except where the browser refuses to start with it (root on Linux).
        Auto = "auto",
        /// Always on.
        On = "on",
        /// Always off.
        Off = "off",
    } default Auto
}

choices! {
    /// How orders are fetched. What comes of them does not depend on it.
    LaneChoice {
        /// Several orders of a browser at a time in frames, where the portal allows it; whatever is in doubt in the tab.
        Auto = "auto",
        /// The same, also if the portal did not allow it for the first orders.
        Frames = "frames",
        /// One order at a time in the browser's tab.
        Tab = "tab",
    } default Auto
}

choices! {
    /// When the order's requisition is searched for attachments.
    RequisitionRule {
        /// Never.
        Never = "never",
        /// When the order lists none.
        WhenEmpty = "when-empty",
        /// When the order lists none, or none that is named as a PDF.
        WhenNoPdf = "when-no-pdf",
        /// Always.
        Always = "always",
    } default WhenEmpty
}

/// Most workers of one pool.
pub(crate) const MAX_WORKERS: u32 = 64;

/// Number of workers of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkerCount {
    /// Depends on the number of orders, the processors and the memory.
    #[default]
    Auto,
    /// This many.
    Exactly(NonZeroUsize),
}

impl From<NonZeroUsize> for WorkerCount {
    fn from(count: NonZeroUsize) -> Self {
        Self::Exactly(count)
    }
}

impl fmt::Display for WorkerCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Exactly(count) => count.fmt(f),
        }
    }
}

impl FromStr for WorkerCount {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            word if word.eq_ignore_ascii_case("auto") => Ok(Self::Auto),
            "0" => Err(InvalidValue::new(format!("0 is not between 1 and {MAX_WORKERS}"))),
            number => number.parse().map(Self::Exactly).map_err(|why| {
                InvalidValue::new(format!("{text:?} is neither auto nor a whole number")).caused_by(why)
            }),
        }
    }
}

/// Most orders of one session at a time: a browser keeps six connections to a host, and more orders would only wait for them.
const MAX_ORDERS_PER_SESSION: usize = 8;

/// Most orders of one session at a time if that is automatic.
const AUTO_ORDERS_PER_SESSION: usize = 6;

/// How many orders one session has in work at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrdersPerSession {
    /// As many as suit the portal, up to 6.
    #[default]
    Auto,
    /// Up to this many.
    Exactly(NonZeroUsize),
}

impl OrdersPerSession {
    /// The limit for a site that can have up to `max_slots` under way.
    #[must_use]
    pub fn limit(self, max_slots: usize) -> usize {
        let wanted = match self {
            Self::Auto => AUTO_ORDERS_PER_SESSION,
            Self::Exactly(count) => count.get(),
        };
        wanted.min(max_slots).max(1)
    }
}

impl fmt::Display for OrdersPerSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Exactly(count) => count.fmt(f),
        }
    }
}

impl FromStr for OrdersPerSession {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().eq_ignore_ascii_case("auto") {
            return Ok(Self::Auto);
        }
        let count: usize = text
            .trim()
            .parse()
            .map_err(|why| InvalidValue::new(format!("{text:?} is neither auto nor a whole number")).caused_by(why))?;
        match NonZeroUsize::new(count).filter(|count| count.get() <= MAX_ORDERS_PER_SESSION) {
            Some(count) => Ok(Self::Exactly(count)),
            None => Err(InvalidValue::new(format!("{count} is not between 1 and {MAX_ORDERS_PER_SESSION}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_per_session_are_auto_or_1_to_8_and_never_more_than_the_site_can_do() {
        let read = |text: &str| text.parse::<OrdersPerSession>();
        for wrong in ["0", "9", "-1", "many", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read(" AUTO "), Ok(OrdersPerSession::Auto));
        let limits = |text: &str| [1, 2, 4, 64].map(|max_slots| read(text).unwrap().limit(max_slots));
        assert_eq!(limits("auto"), [1, 2, 4, 6]);
        assert_eq!(limits("1"), [1, 1, 1, 1]);
        assert_eq!(limits("8"), [1, 2, 4, 8]);
        assert_eq!(OrdersPerSession::Auto.limit(0), 1);
    }
}
