//! Which browser and which driver: found, asked for their versions, and only taken when these match.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::version::{self, ReportedVersion, Version};
use crate::browser::webdriver::vendor::BrowserKind;
use crate::config::{BrowserChoice, BrowserConfig};

/// A browser and a driver that belong together.
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

/// Why there is no [`Installation`]; each text says how to mend it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LocateError {
    /// A path in the settings leads nowhere, or to a program that does not tell its version.
    #[error("{setting} does not work: {why}. Correct it, or leave it out to have the usual places searched")]
    ConfiguredProgram {
        /// The setting's name.
        setting: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Browser and driver are of different kinds.
    #[error("{why}. Give a pair of one kind in browser_path and driver_path")]
    Contradiction {
        /// Which is which.
        why: String,
    },
    /// Nothing usable was found.
    #[error("there is no usable browser:\n{}", .problems.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n"))]
    Nothing {
        /// One sentence per kind that was looked for.
        problems: Vec<String>,
    },
}

/// What was found of one kind of browser, for `doctor`.
#[derive(Clone, Debug)]
pub struct Detection {
    /// Which browser.
    pub kind: BrowserKind,
    /// The browser, if there.
    pub browser: Option<Program>,
    /// The driver, if there.
    pub driver: Option<Program>,
    /// What is wrong, each with how to mend it. Empty: usable.
    pub problems: Vec<String>,
}

impl Detection {
    /// Whether browser and driver are there and match.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A program file and what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Its version; none when it does not tell.
    pub version: Option<Version>,
}

/// Finds the first complete, matching pair that `config` allows. Starts the programs to ask for their versions, so it
/// may take a second; blocks.
///
/// # Errors
/// [`LocateError`], whose text says for each browser what is missing and how to get it.
pub fn locate(config: &BrowserConfig) -> Result<Installation, LocateError> {
    let given_browser = config.browser_path.as_deref().map(|path| given("browser_path", path, true)).transpose()?;
    let given_driver = config.driver_path.as_deref().map(|path| given("driver_path", path, false)).transpose()?;
    let mut problems = Vec::new();
    for kind in kinds(config.choice, given_browser.as_ref(), given_driver.as_ref())? {
        let finding = find(kind, given_browser.as_ref(), given_driver.as_ref());
        match finding {
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

/// What there is of each kind that `config` allows. Blocks, as [`locate`] does.
#[must_use]
pub fn detect_all(config: &BrowserConfig) -> Vec<Detection> {
    let mut broken = Vec::new();
    let mut look = |setting, path: Option<&Path>, is_browser| {
        let path = path?;
        given(setting, path, is_browser).map_err(|why| broken.push(why.to_string())).ok()
    };
    let browser = look("browser_path", config.browser_path.as_deref(), true);
    let driver = look("driver_path", config.driver_path.as_deref(), false);
    let kinds = kinds(config.choice, browser.as_ref(), driver.as_ref()).unwrap_or_else(|why| {
        broken.push(why.to_string());
        BrowserKind::candidates(config.choice).to_vec()
    });
    let mut findings: Vec<_> = kinds.into_iter().map(|kind| find(kind, browser.as_ref(), driver.as_ref())).collect();
    for finding in &mut findings {
        finding.problems.extend(broken.iter().cloned());
    }
    findings
}

/// A program whose path was given, with what it says.
struct ConfiguredProgram {
    path: PathBuf,
    told: ReportedVersion,
}

fn given(setting: &'static str, path: &Path, is_browser: bool) -> Result<ConfiguredProgram, LocateError> {
    // a bare name is looked up, as a shell would
    let path = which::which(path).map_err(|_| LocateError::ConfiguredProgram {
        setting,
        why: format!("there is no program {}", path.display()),
    })?;
    let told = if is_browser { version::of_browser(&path) } else { version::ask(&path) };
    told.map(|told| ConfiguredProgram { path, told }).map_err(|why| LocateError::ConfiguredProgram { setting, why })
}

/// The kinds that settings leave open: what the given programs say of themselves narrows the choice.
fn kinds(
    choice: BrowserChoice,
    browser: Option<&ConfiguredProgram>,
    driver: Option<&ConfiguredProgram>,
) -> Result<Vec<BrowserKind>, LocateError> {
    let drives = |kind: BrowserKind, driver: &ConfiguredProgram| {
        (BrowserKind::named_in(&driver.told.text) == Some(BrowserKind::Edge)) == (kind == BrowserKind::Edge)
    };
    let is_said_by = |kind: BrowserKind, browser: &ConfiguredProgram| {
        // a browser that does not name itself (a wrapper, a rebranded build) is what the settings say it is
        BrowserKind::named_in(&browser.told.text).is_none_or(|named| named == kind)
    };
    let kinds: Vec<_> = BrowserKind::candidates(choice)
        .iter()
        .copied()
        .filter(|&kind| driver.is_none_or(|driver| drives(kind, driver)))
        .filter(|&kind| browser.is_none_or(|browser| is_said_by(kind, browser)))
        .collect();
    if kinds.is_empty() {
        let say = |what: &str, given: Option<&ConfiguredProgram>| {
            given.map(|given| format!("the {what} {} says it is {:?}", given.path.display(), given.told.text))
        };
        let said: Vec<_> = [say("browser", browser), say("driver", driver)].into_iter().flatten().collect();
        let wanted = if choice == BrowserChoice::Auto { String::new() } else { format!(", but browser is {choice}") };
        return Err(LocateError::Contradiction { why: said.join(" and ") + &wanted });
    }
    Ok(kinds)
}

fn find(
    kind: BrowserKind,
    given_browser: Option<&ConfiguredProgram>,
    given_driver: Option<&ConfiguredProgram>,
) -> Detection {
    let mut problems = Vec::new();
    let browser = match given_browser {
        Some(given) => Some(Program { path: given.path.clone(), version: Some(given.told.version.clone()) }),
        None => candidates(kind.executables(), kind.usual_places()).into_iter().next().map(|path| {
            let told = version::of_browser(&path).map_err(|why| problems.push(format!("{why}: install {kind} anew")));
            Program { path, version: told.ok().map(|told| told.version) }
        }),
    };
    let major = browser.as_ref().and_then(|browser| browser.version.as_ref()).map(Version::major);
    let driver = match given_driver {
        Some(given) => Some(Program { path: given.path.clone(), version: Some(given.told.version.clone()) }),
        None => best_driver(kind, major, &mut problems),
    };
    if browser.is_none() {
        problems.push(format!("{kind} is not installed: install it, or give its program file as browser_path"));
    }
    if driver.is_none() {
        problems.push(match major {
            Some(major) => format!(
                "{} is not installed: install version {major} of it, or give its program file as driver_path",
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
             or give a matching pair as browser_path and driver_path",
            kind.driver_name(),
            path.display(),
            browser.major()
        ));
    }
    Detection { kind, browser, driver, problems }
}

/// The first driver of the browser's major version; failing that, the first that there is.
fn best_driver(kind: BrowserKind, major: Option<u32>, problems: &mut Vec<String>) -> Option<Program> {
    let mut first = None;
    let mut unheard = Vec::new();
    for path in candidates(kind.driver_executables(), kind.usual_driver_places()) {
        match version::ask(&path) {
            Ok(told) if Some(told.version.major()) == major => {
                return Some(Program { path, version: Some(told.version) });
            }
            Ok(told) => _ = first.get_or_insert(Program { path, version: Some(told.version) }),
            Err(why) => unheard.push((path, why)),
        }
    }
    first.or_else(|| {
        let (path, why) = unheard.into_iter().next()?;
        problems.push(format!("{why}: install {} anew", kind.driver_name()));
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

    /// Written by a process of its own: one that another test starts meanwhile would inherit an open file of ours, and
    /// a program that is open for writing cannot be started.
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
    fn given_programs_are_what_they_say_they_are() {
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
    fn a_path_that_leads_nowhere_names_its_setting() {
        let folder = tempfile::tempdir().unwrap();
        let driver = script(folder.path(), "d", "ChromeDriver 156.0.1.2 (x)");
        let config = config(BrowserChoice::Auto, folder.path().join("absent"), driver);
        let text = locate(&config).unwrap_err().to_string();
        assert!(text.contains("browser_path does not work") && text.contains("absent"), "{text}");
        assert!(detect_all(&config).iter().all(|finding| !finding.is_usable()));
    }
}
