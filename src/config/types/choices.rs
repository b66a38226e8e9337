//! Settings that are one of a few words.

use std::fmt;
use std::str::FromStr;

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
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text.trim().to_ascii_lowercase().as_str() {
                    $($word => Ok(Self::$variant),)+
                    other => Err(format!("{other:?} is none of {}", Self::WORDS.join(", "))),
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
    /// When the order's requisition is looked at for attachments.
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
