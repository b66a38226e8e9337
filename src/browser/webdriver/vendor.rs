//! Everything that differs between Edge, Chrome and Chromium: programs, capabilities, endpoints.

use std::fmt;
use std::path::{Path, PathBuf};

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
    /// Chromium without anything that shows windows, with ChromeDriver. It is only used where it is asked for.
    ChromiumHeadlessShell,
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
    /// Those that `auto` looks for, in this order.
    pub const ALL: [Self; 3] = [Self::Edge, Self::Chrome, Self::Chromium];

    /// The kinds that a choice allows, first choice first.
    pub(crate) fn candidates(choice: BrowserChoice) -> &'static [Self] {
        match choice {
            BrowserChoice::Auto => &Self::ALL,
            BrowserChoice::Edge => &[Self::Edge],
            BrowserChoice::Chrome => &[Self::Chrome],
            BrowserChoice::Chromium => &[Self::Chromium],
            BrowserChoice::ChromiumHeadlessShell => &[Self::ChromiumHeadlessShell],
        }
    }

    /// The name shown to people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Edge => "Microsoft Edge",
            Self::Chrome => "Google Chrome",
            Self::Chromium => "Chromium",
            Self::ChromiumHeadlessShell => "Chromium headless shell",
        }
    }

    /// Its name as one lower-case word, for the names of folders.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Chrome => "chrome",
            Self::Chromium => "chromium",
            Self::ChromiumHeadlessShell => "chromium-headless-shell",
        }
    }

    /// The driver's name as shown to people.
    #[must_use]
    pub fn driver_name(self) -> &'static str {
        match self {
            Self::Edge => "Microsoft Edge WebDriver",
            Self::Chrome | Self::Chromium | Self::ChromiumHeadlessShell => "ChromeDriver",
        }
    }

    /// Capabilities and endpoints of its driver.
    pub(crate) fn vendor(self) -> &'static Vendor {
        match self {
            Self::Edge => &EDGE,
            Self::Chrome | Self::Chromium | Self::ChromiumHeadlessShell => &CHROME,
        }
    }

    /// Names of the browser's program on the search path.
    pub(crate) fn executables(self) -> &'static [&'static str] {
        match self {
            Self::Edge => &["microsoft-edge", "microsoft-edge-stable", "msedge"],
            Self::Chrome => &["google-chrome", "google-chrome-stable", "chrome"],
            Self::Chromium => &["chromium", "chromium-browser"],
            // not Debian's script of the name `chromium-headless-shell`: what is started must be the browser itself
            Self::ChromiumHeadlessShell => &["chrome-headless-shell"],
        }
    }

    /// Names of the driver's program on the search path.
    pub(crate) fn driver_executables(self) -> &'static [&'static str] {
        match self {
            Self::Edge => &["msedgedriver"],
            Self::Chrome => &["chromedriver"],
            Self::Chromium | Self::ChromiumHeadlessShell => &["chromedriver", "chromium.chromedriver"],
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
            Self::ChromiumHeadlessShell if !cfg!(target_os = "linux") => &[],
            Self::Edge => &["/opt/microsoft/msedge/msedge"],
            Self::Chrome => &["/opt/google/chrome/chrome"],
            Self::Chromium => &["/usr/lib/chromium/chromium", "/usr/lib64/chromium-browser/chromium-browser"],
            Self::ChromiumHeadlessShell => {
                &["/usr/lib/chromium/chromium-headless-shell", "/usr/lib64/chromium-browser/headless_shell"]
            }
        };
        below_roots(places)
    }

    /// Where installers put the driver when it is not on the search path.
    pub(crate) fn usual_driver_places(self) -> Vec<PathBuf> {
        let places: &[&str] = match self {
            Self::Edge | Self::Chrome if cfg!(target_os = "macos") => &[],
            Self::Edge if cfg!(windows) => &["Microsoft/EdgeDriver/msedgedriver.exe"],
            Self::Chrome | Self::Chromium | Self::ChromiumHeadlessShell if cfg!(windows) => {
                &["ChromeDriver/chromedriver.exe"]
            }
            Self::Edge => &["/opt/microsoft/msedgedriver/msedgedriver"],
            Self::Chrome => &[],
            Self::Chromium | Self::ChromiumHeadlessShell => {
                &["/usr/lib/chromium/chromedriver", "/usr/lib/chromium-browser/chromedriver"]
            }
        };
        below_roots(places)
    }

    /// Switches for a start without windows, or with one; without `--`.
    ///
    /// A start without windows opens an application window on an empty page. An ordinary window would load the new-tab page
    /// and the page that becomes the list under the address bar: a second of processor time in each browser, before it has
    /// done anything. With windows it is an ordinary one: whoever logs in by hand wants to see the address.
    pub(crate) fn start_switches(self, is_headless: bool) -> &'static [&'static str] {
        match self {
            // has neither, and opens the page that it is started with (see `shell_script`)
            Self::ChromiumHeadlessShell => &[],
            Self::Edge | Self::Chrome | Self::Chromium if is_headless => &["headless=new", "app=data:,"],
            Self::Edge | Self::Chrome | Self::Chromium => &[],
        }
    }

    /// Whether it can show windows.
    pub(crate) fn has_windows(self) -> bool {
        self != Self::ChromiumHeadlessShell
    }

    /// The script that a driver has to start in place of `browser`, where it cannot start that itself: a headless shell opens
    /// no page of its own, without one its driver gives up, and drivers pass on switches alone.
    pub(crate) fn shell_script(self, browser: &Path) -> Option<String> {
        match self {
            Self::ChromiumHeadlessShell if cfg!(unix) => {
                let quoted = browser.display().to_string().replace('\'', "'\\''");
                Some(format!("#!/bin/sh\nexec '{quoted}' \"$@\" data:,\n"))
            }
            Self::ChromiumHeadlessShell | Self::Edge | Self::Chrome | Self::Chromium => None,
        }
    }

    /// Whether a program is a headless shell, by its name: its version text is that of the whole browser.
    pub(crate) fn is_headless_shell(program: &Path) -> bool {
        let name = program.file_stem().map(|name| name.to_string_lossy().replace('_', "-"));
        name.is_some_and(|name| name.ends_with("headless-shell"))
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
    fn a_headless_shell_is_known_by_its_name_and_started_with_a_page() {
        for (program, is_shell) in [
            ("/usr/lib/chromium/chromium-headless-shell", true),
            ("/usr/lib64/chromium-browser/headless_shell", true),
            ("C:/x/chrome-headless-shell.exe", true),
            ("/usr/bin/chromium", false),
        ] {
            assert_eq!(BrowserKind::is_headless_shell(Path::new(program)), is_shell, "{program}");
        }
        let script = BrowserKind::ChromiumHeadlessShell.shell_script(Path::new("/it's/shell"));
        let wanted = cfg!(unix).then_some("#!/bin/sh\nexec '/it'\\''s/shell' \"$@\" data:,\n");
        assert_eq!(script.as_deref(), wanted);
        assert_eq!(BrowserKind::Chromium.shell_script(Path::new("/b")), None);
    }

    #[test]
    fn edge_gets_no_capability_or_endpoint_of_chrome() {
        let vendor = BrowserKind::Edge.vendor();
        for word in [vendor.browser_name, vendor.options, vendor.logging, vendor.devtools, vendor.process] {
            assert!(!word.contains("goog") && !word.contains("hrome"), "{word}");
        }
    }
}
