//! Everything that differs between Edge, Chrome and Chromium: programs, capabilities, endpoints.

use std::fmt;
use std::path::PathBuf;

use crate::config::BrowserChoice;

/// A supported browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BrowserKind {
    /// Microsoft Edge with EdgeDriver.
    Edge,
    /// Google Chrome with ChromeDriver.
    Chrome,
    /// Chromium with ChromeDriver.
    Chromium,
}

/// Vendor-specific capabilities and endpoints of a driver.
#[derive(Debug)]
pub(crate) struct Vendor {
    /// The capability `browserName`.
    pub(crate) browser_name: &'static str,
    /// The capability that holds the browser's options.
    pub(crate) options: &'static str,
    /// The capability that turns logs on.
    pub(crate) logging: &'static str,
    /// The DevTools endpoint below `/session/{id}/`.
    pub(crate) devtools: &'static str,
    /// The capability of a new session that holds the process id of its browser.
    pub(crate) process: &'static str,
}

const EDGE: Vendor = Vendor {
    browser_name: "MicrosoftEdge",
    options: "ms:edgeOptions",
    logging: "ms:loggingPrefs",
    devtools: "ms/cdp/execute",
    process: "ms:processID",
};

const CHROME: Vendor = Vendor {
    browser_name: "chrome",
    options: "goog:chromeOptions",
    logging: "goog:loggingPrefs",
    devtools: "goog/cdp/execute",
    process: "goog:processID",
};

impl BrowserKind {
    /// All of them, in the order in which `auto` looks for them.
    pub const ALL: [Self; 3] = [Self::Edge, Self::Chrome, Self::Chromium];

    /// The kinds that a choice allows, first choice first.
    pub(crate) fn candidates(choice: BrowserChoice) -> &'static [Self] {
        match choice {
            BrowserChoice::Auto => &Self::ALL,
            BrowserChoice::Edge => &[Self::Edge],
            BrowserChoice::Chrome => &[Self::Chrome],
            BrowserChoice::Chromium => &[Self::Chromium],
        }
    }

    /// The name shown to people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Edge => "Microsoft Edge",
            Self::Chrome => "Google Chrome",
            Self::Chromium => "Chromium",
        }
    }

    /// Its name as one lower-case word, for the names of folders.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Chrome => "chrome",
            Self::Chromium => "chromium",
        }
    }

    /// The driver's name as shown to people.
    #[must_use]
    pub fn driver_name(self) -> &'static str {
        match self {
            Self::Edge => "Microsoft Edge WebDriver",
            Self::Chrome | Self::Chromium => "ChromeDriver",
        }
    }

    /// Capabilities and endpoints of its driver.
    pub(crate) fn vendor(self) -> &'static Vendor {
        match self {
            Self::Edge => &EDGE,
            Self::Chrome | Self::Chromium => &CHROME,
        }
    }

    /// Names of the browser's program on the search path.
    pub(crate) fn executables(self) -> &'static [&'static str] {
        match self {
            Self::Edge => &["microsoft-edge", "microsoft-edge-stable", "msedge"],
            Self::Chrome => &["google-chrome", "google-chrome-stable", "chrome"],
            Self::Chromium => &["chromium", "chromium-browser"],
        }
    }

    /// Names of the driver's program on the search path.
    pub(crate) fn driver_executables(self) -> &'static [&'static str] {
        match self {
            Self::Edge => &["msedgedriver"],
            Self::Chrome => &["chromedriver"],
            Self::Chromium => &["chromedriver", "chromium.chromedriver"],
        }
    }

    /// Where installers put the browser when it is not on the search path.
    pub(crate) fn usual_places(self) -> Vec<PathBuf> {
        let places: &[&str] = match self {
            Self::Edge if cfg!(windows) => &["Microsoft/Edge/Application/msedge.exe"],
            Self::Chrome if cfg!(windows) => &["Google/Chrome/Application/chrome.exe"],
            Self::Chromium if cfg!(windows) => &["Chromium/Application/chrome.exe"],
            Self::Edge if cfg!(target_os = "macos") => &["Microsoft Edge.app/Contents/MacOS/Microsoft Edge"],
            Self::Chrome if cfg!(target_os = "macos") => &["Google Chrome.app/Contents/MacOS/Google Chrome"],
            Self::Chromium if cfg!(target_os = "macos") => &["Chromium.app/Contents/MacOS/Chromium"],
            Self::Edge => &["/opt/microsoft/msedge/msedge"],
            Self::Chrome => &["/opt/google/chrome/chrome"],
            Self::Chromium => &["/usr/lib/chromium/chromium", "/usr/lib64/chromium-browser/chromium-browser"],
        };
        below_roots(places)
    }

    /// Where installers put the driver when it is not on the search path.
    pub(crate) fn usual_driver_places(self) -> Vec<PathBuf> {
        let places: &[&str] = match self {
            Self::Edge | Self::Chrome if cfg!(target_os = "macos") => &[],
            Self::Edge if cfg!(windows) => &["Microsoft/EdgeDriver/msedgedriver.exe"],
            Self::Chrome | Self::Chromium if cfg!(windows) => &["ChromeDriver/chromedriver.exe"],
            Self::Edge => &["/opt/microsoft/msedgedriver/msedgedriver"],
            Self::Chrome => &[],
            Self::Chromium => &["/usr/lib/chromium/chromedriver", "/usr/lib/chromium-browser/chromedriver"],
        };
        below_roots(places)
    }

    /// The browser named in the `--version` text of a program, if any. `ChromeDriver` names none: it drives two.
    pub(crate) fn named_in(version_text: &str) -> Option<Self> {
        if version_text.contains("Edge") {
            Some(Self::Edge)
        } else if version_text.contains("Chromium") {
            Some(Self::Chromium)
        } else if version_text.contains("Google Chrome") {
            Some(Self::Chrome)
        } else {
            None
        }
    }
}

impl fmt::Display for BrowserKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Relative places below each folder that programs are installed into; absolute ones as they are.
fn below_roots(places: &[&str]) -> Vec<PathBuf> {
    let roots: Vec<PathBuf> = if cfg!(windows) {
        ["ProgramFiles", "ProgramFiles(x86)", "LOCALAPPDATA"]
            .into_iter()
            .filter_map(|name| std::env::var_os(name).map(PathBuf::from))
            .collect()
    } else if cfg!(target_os = "macos") {
        let own = std::env::var_os("HOME").map(|home| PathBuf::from(home).join("Applications"));
        std::iter::once(PathBuf::from("/Applications")).chain(own).collect()
    } else {
        vec![PathBuf::from("/")]
    };
    places.iter().flat_map(|place| roots.iter().map(move |root| root.join(place))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_texts_name_their_browser() {
        for (text, kind) in [
            ("Microsoft Edge 156.0.1.2 unknown", Some(BrowserKind::Edge)),
            ("Microsoft Edge WebDriver 156.0.1.2 (abc)", Some(BrowserKind::Edge)),
            ("MSEdgeDriver 110.0.1.2 (abc)", Some(BrowserKind::Edge)),
            ("Google Chrome 156.0.1.2", Some(BrowserKind::Chrome)),
            ("Chromium 156.0.1.2 built on Debian", Some(BrowserKind::Chromium)),
            ("ChromeDriver 156.0.1.2 (abc)", None),
        ] {
            assert_eq!(BrowserKind::named_in(text), kind, "{text}");
        }
    }

    #[test]
    fn edge_gets_no_capability_or_endpoint_of_chrome() {
        let vendor = BrowserKind::Edge.vendor();
        for word in [vendor.browser_name, vendor.options, vendor.logging, vendor.devtools, vendor.process] {
            assert!(!word.contains("goog") && !word.contains("hrome"), "{word}");
        }
    }
}
