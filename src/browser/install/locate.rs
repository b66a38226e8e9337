//! Finds a browser and a driver whose versions match.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::version::{self, ReportedVersion, Version};
use crate::browser::webdriver::vendor::BrowserKind;
use crate::config::{BrowserChoice, BrowserConfig};

/// A browser and a driver of the same major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Which browser.
    pub kind: BrowserKind,
    /// Its program file.
    pub browser: PathBuf,
    /// Its version.
    pub browser_version: Version,
    /// The driver's program file.
    pub driver: PathBuf,
    /// The driver's version.
    pub driver_version: Version,
}

/// Why there is no [`Installation`]; each message says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LocateError {
    /// A configured path has no program, or one that does not print its version.
    #[error("{setting} does not work: {why}. Correct it, or leave it out to search the usual places")]
    ConfiguredProgram {
        /// The setting's name.
        setting: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Browser and driver are of different kinds.
    #[error("{why}. Set browser_path and driver_path to a matching pair")]
    Contradiction {
        /// What each program says it is.
        why: String,
    },
    /// No usable browser was found.
    #[error("there is no usable browser:\n{}", .problems.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n"))]
    Nothing {
        /// One sentence per kind of browser.
        problems: Vec<String>,
    },
}

/// Search result for one kind of browser, for `doctor`.
#[derive(Clone, Debug)]
pub struct Detection {
    /// Which browser.
    pub kind: BrowserKind,
    /// The browser, if found.
    pub browser: Option<Program>,
    /// The driver, if found.
    pub driver: Option<Program>,
    /// Problems, each with what to do; empty if usable.
    pub problems: Vec<String>,
}

impl Detection {
    /// Whether browser and driver were found and match.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A program file with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its path.
    pub path: PathBuf,
    /// Its version; none if it prints none.
    pub version: Option<Version>,
}

/// Finds the first matching pair that `config` allows. Runs the programs for their versions, which may take a second;
/// blocks.
///
/// # Errors
/// [`LocateError`], which says for each browser what is missing and how to get it.
pub fn locate(config: &BrowserConfig) -> Result<Installation, LocateError> {
    let configured_browser =
        config.browser_path.as_deref().map(|path| configured("browser_path", path, true)).transpose()?;
    let configured_driver =
        config.driver_path.as_deref().map(|path| configured("driver_path", path, false)).transpose()?;
    let mut problems = Vec::new();
    for kind in kinds(choice(config), configured_browser.as_ref(), configured_driver.as_ref())? {
        let detection = find(kind, configured_browser.as_ref(), configured_driver.as_ref());
        match detection {
            Detection {
                kind,
                browser: Some(Program { path: browser, version: Some(browser_version) }),
                driver: Some(Program { path: driver, version: Some(driver_version) }),
                problems,
            } if problems.is_empty() => {
                return Ok(Installation { kind, browser, browser_version, driver, driver_version });
            }
            other => problems.extend(other.problems),
        }
    }
    Err(LocateError::Nothing { problems })
}

/// Searches for each kind that `config` allows. Blocks as [`locate`] does.
#[must_use]
pub fn detect_all(config: &BrowserConfig) -> Vec<Detection> {
    let mut broken = Vec::new();
    let mut check = |setting, path: Option<&Path>, is_browser| {
        let path = path?;
        configured(setting, path, is_browser).map_err(|why| broken.push(why.to_string())).ok()
    };
    let browser = check("browser_path", config.browser_path.as_deref(), true);
    let driver = check("driver_path", config.driver_path.as_deref(), false);
    let choice = choice(config);
    let kinds = kinds(choice, browser.as_ref(), driver.as_ref()).unwrap_or_else(|why| {
        broken.push(why.to_string());
        BrowserKind::candidates(choice).to_vec()
    });
    let mut detections: Vec<_> = kinds.into_iter().map(|kind| find(kind, browser.as_ref(), driver.as_ref())).collect();
    for detection in &mut detections {
        detection.problems.extend(broken.iter().cloned());
    }
    detections
}

/// Searches for Chromium's headless shell, whatever the choice. Blocks as [`locate`] does.
#[must_use]
pub fn detect_headless_shell() -> Detection {
    find(BrowserKind::ChromiumHeadlessShell, None, None)
}

/// The choice that can be carried out: the headless shell has no windows, so the whole browser replaces it where a
/// window is wanted.
fn choice(config: &BrowserConfig) -> BrowserChoice {
    match config.choice {
        BrowserChoice::ChromiumHeadlessShell if !config.headless => BrowserChoice::Chromium,
        choice => choice,
    }
}

/// A program whose path is configured.
struct ConfiguredProgram {
    path: PathBuf,
    reported: ReportedVersion,
}

fn configured(setting: &'static str, path: &Path, is_browser: bool) -> Result<ConfiguredProgram, LocateError> {
    // a bare name is looked up, as a shell would
    let path = which::which(path).map_err(|_| LocateError::ConfiguredProgram {
        setting,
        why: format!("there is no program {}", path.display()),
    })?;
    let reported = if is_browser { version::of_browser(&path) } else { version::of_program(&path) };
    reported
        .map(|reported| ConfiguredProgram { path, reported })
        .map_err(|why| LocateError::ConfiguredProgram { setting, why })
}

/// The kinds of browser to search for: the choice, narrowed by what the configured programs say they are.
fn kinds(
    choice: BrowserChoice,
    browser: Option<&ConfiguredProgram>,
    driver: Option<&ConfiguredProgram>,
) -> Result<Vec<BrowserKind>, LocateError> {
    let drives = |kind: BrowserKind, driver: &ConfiguredProgram| {
        (BrowserKind::named_in(&driver.reported.text) == Some(BrowserKind::Edge)) == (kind == BrowserKind::Edge)
    };
    let is_kind_of = |kind: BrowserKind, browser: &ConfiguredProgram| {
        if kind == BrowserKind::ChromiumHeadlessShell || BrowserKind::is_headless_shell(&browser.path) {
            return kind == BrowserKind::ChromiumHeadlessShell && BrowserKind::is_headless_shell(&browser.path);
        }
        // a browser that does not name itself (a wrapper, a rebranded build) may be any
        BrowserKind::named_in(&browser.reported.text).is_none_or(|named| named == kind)
    };
    let kinds: Vec<_> = BrowserKind::candidates(choice)
        .iter()
        .copied()
        .filter(|&kind| driver.is_none_or(|driver| drives(kind, driver)))
        .filter(|&kind| browser.is_none_or(|browser| is_kind_of(kind, browser)))
        .collect();
    if kinds.is_empty() {
        let describe = |what: &str, given: Option<&ConfiguredProgram>| {
            given.map(|given| format!("the {what} {} says it is {:?}", given.path.display(), given.reported.text))
        };
        let parts: Vec<_> = [describe("browser", browser), describe("driver", driver)].into_iter().flatten().collect();
        let wanted = if choice == BrowserChoice::Auto { String::new() } else { format!(", but browser is {choice}") };
        return Err(LocateError::Contradiction { why: parts.join(" and ") + &wanted });
    }
    Ok(kinds)
}

fn find(
    kind: BrowserKind,
    configured_browser: Option<&ConfiguredProgram>,
    configured_driver: Option<&ConfiguredProgram>,
) -> Detection {
    let mut problems = Vec::new();
    let browser = match configured_browser {
        Some(given) => Some(Program { path: given.path.clone(), version: Some(given.reported.version.clone()) }),
        None => candidates(kind.executables(), kind.usual_places()).into_iter().next().map(|path| {
            let reported = version::of_browser(&path);
            let reported = reported.map_err(|why| problems.push(format!("{why}; reinstall {kind}")));
            Program { path, version: reported.ok().map(|reported| reported.version) }
        }),
    };
    let major = browser.as_ref().and_then(|browser| browser.version.as_ref()).map(Version::major);
    let driver = match configured_driver {
        Some(given) => Some(Program { path: given.path.clone(), version: Some(given.reported.version.clone()) }),
        None => best_driver(kind, major, &mut problems),
    };
    if browser.is_none() {
        problems.push(format!("{kind} is not installed: install it, or set browser_path to its program file"));
    }
    if driver.is_none() {
        problems.push(match major {
            Some(major) => format!(
                "{} is not installed: install version {major} of it, or set driver_path to its program file",
                kind.driver_name()
            ),
            None => format!("{} is not installed: install it together with {kind}", kind.driver_name()),
        });
    }
    if let (Some(Program { version: Some(browser), .. }), Some(Program { version: Some(driver), path })) =
        (&browser, &driver)
        && browser.major() != driver.major()
    {
        problems.push(format!(
            "{kind} is version {browser}, but {} ({}) is version {driver}: install version {} of the driver, \
             or set browser_path and driver_path to a matching pair",
            kind.driver_name(),
            path.display(),
            browser.major()
        ));
    }
    Detection { kind, browser, driver, problems }
}

/// The first driver of the browser's major version, otherwise the first driver found.
fn best_driver(kind: BrowserKind, major: Option<u32>, problems: &mut Vec<String>) -> Option<Program> {
    let mut first = None;
    let mut unusable = Vec::new();
    for path in candidates(kind.driver_executables(), kind.usual_driver_places()) {
        match version::of_program(&path) {
            Ok(reported) if Some(reported.version.major()) == major => {
                return Some(Program { path, version: Some(reported.version) });
            }
            Ok(reported) => _ = first.get_or_insert(Program { path, version: Some(reported.version) }),
            Err(why) => unusable.push((path, why)),
        }
    }
    first.or_else(|| {
        let (path, why) = unusable.into_iter().next()?;
        problems.push(format!("{why}; reinstall {}", kind.driver_name()));
        Some(Program { path, version: None })
    })
}

/// Existing programs, those on the search path first.
fn candidates(names: &[&str], places: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let on_path = names.iter().filter_map(|name| which::which(name).ok());
    for path in on_path.chain(places.into_iter().filter(|place| place.is_file())) {
        if !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;

    /// Written by a separate process: a process that another test starts meanwhile would inherit the open file, and a
    /// program that is open for writing cannot be started.
    fn script(folder: &Path, name: &str, says: &str) -> PathBuf {
        let path = folder.join(name);
        let text = format!("#!/bin/sh\necho '{says}'\n");
        let write = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
        let written = std::process::Command::new("sh").args(["-c", write, "sh"]).arg(&path).arg(text).status().unwrap();
        assert!(written.success());
        path
    }

    fn config(choice: BrowserChoice, browser: PathBuf, driver: PathBuf) -> BrowserConfig {
        let mut config = PoolConfig::builder().build().unwrap().browser;
        config.choice = choice;
        config.browser_path = Some(browser);
        config.driver_path = Some(driver);
        config
    }

    #[test]
    fn configured_programs_are_what_they_say_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let edge = script(folder.path(), "b1", "Microsoft Edge 156.0.1.2");
        let edge_driver = script(folder.path(), "d1", "Microsoft Edge WebDriver 156.0.1.3 (x)");
        let chromium = script(folder.path(), "b2", "Chromium 156.0.1.2 built on Debian");
        let chrome_driver = script(folder.path(), "d2", "ChromeDriver 156.0.1.2 (x)");
        let found = locate(&config(BrowserChoice::Auto, edge.clone(), edge_driver.clone())).unwrap();
        assert_eq!(found.kind, BrowserKind::Edge);
        let found = locate(&config(BrowserChoice::Auto, chromium.clone(), chrome_driver.clone())).unwrap();
        assert_eq!(found.kind, BrowserKind::Chromium);
        let mixed = locate(&config(BrowserChoice::Auto, edge, chrome_driver.clone())).unwrap_err();
        assert!(matches!(mixed, LocateError::Contradiction { .. }), "{mixed}");
        let wrong = locate(&config(BrowserChoice::Edge, chromium, chrome_driver)).unwrap_err();
        assert!(wrong.to_string().contains("browser is edge"), "{wrong}");
    }

    #[test]
    fn a_headless_shell_is_used_only_where_it_is_asked_for_and_no_window_is() {
        let folder = tempfile::tempdir().unwrap();
        let shell = script(folder.path(), "chromium-headless-shell", "Chromium 156.0.1.2 built on Debian");
        let whole = script(folder.path(), "chromium", "Chromium 156.0.1.2 built on Debian");
        let driver = script(folder.path(), "d", "ChromeDriver 156.0.1.2 (x)");
        let found = |choice, browser: &Path, headless| {
            let mut config = config(choice, browser.to_owned(), driver.clone());
            config.headless = headless;
            locate(&config).map(|found| found.kind).map_err(|why| why.to_string())
        };
        let choice = BrowserChoice::ChromiumHeadlessShell;
        assert_eq!(found(choice, &shell, true), Ok(BrowserKind::ChromiumHeadlessShell));
        assert_eq!(found(choice, &whole, false), Ok(BrowserKind::Chromium));
        for (choice, browser, headless) in
            [(BrowserChoice::Auto, &shell, true), (choice, &whole, true), (choice, &shell, false)]
        {
            assert!(found(choice, browser, headless).is_err(), "{choice} {headless}");
        }
    }

    #[test]
    fn different_majors_are_refused_with_both_versions_and_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let browser = script(folder.path(), "b", "Chromium 157.0.1.2");
        let driver = script(folder.path(), "d", "ChromeDriver 156.0.1.2 (x)");
        let text = locate(&config(BrowserChoice::Chromium, browser, driver)).unwrap_err().to_string();
        for part in ["157.0.1.2", "156.0.1.2", "install version 157 of the driver"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn a_path_without_a_program_names_its_setting() {
        let folder = tempfile::tempdir().unwrap();
        let driver = script(folder.path(), "d", "ChromeDriver 156.0.1.2 (x)");
        let config = config(BrowserChoice::Auto, folder.path().join("absent"), driver);
        let text = locate(&config).unwrap_err().to_string();
        assert!(text.contains("browser_path does not work") && text.contains("absent"), "{text}");
        assert!(detect_all(&config).iter().all(|detection| !detection.is_usable()));
    }
}
