//! A real browser for a test: found or installed, with profile folders of its own, and a look at what is left.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test may")]
#![allow(dead_code, reason = "each test program uses another part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use coupa_batch::PoolConfig;
use coupa_batch::backend::{Page, Session, SessionFactory};
use coupa_batch::browser::{BrowserFactory, detect_headless_shell, locate, provision};
use coupa_batch::config::BrowserChoice;
use coupa_batch::model::WorkerId;

use super::edge_stand_in::EdgeStandIn;

/// Which browser a script runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flavour {
    /// The one that is installed.
    Installed,
    /// The stand-in for Edge.
    Edge,
    /// Chromium's headless shell.
    HeadlessShell,
}

/// A factory of sessions whose profile folders are its own.
pub(crate) struct Rig {
    pub(crate) factory: BrowserFactory,
    pub(crate) config: PoolConfig,
    pub(crate) flavour: Flavour,
    pub(crate) profiles: tempfile::TempDir,
    pub(crate) downloads: tempfile::TempDir,
    _programs: tempfile::TempDir,
}

impl Rig {
    /// None, with a line that says so, when there is no browser; an error when `REQUIRE_BROWSER=1`.
    pub(crate) fn new(flavour: Flavour) -> Option<Self> {
        Self::with(flavour, |_| {})
    }

    pub(crate) fn with(flavour: Flavour, change: impl FnOnce(&mut PoolConfig)) -> Option<Self> {
        if !is_browser_there() {
            println!(
                "skipped: no browser is installed (COUPA_BATCH_INSTALL=1 installs one, REQUIRE_BROWSER=1 insists)"
            );
            return None;
        }
        let profiles = tempfile::Builder::new().prefix("p").tempdir().expect("a folder can be made");
        let programs = tempfile::tempdir().expect("a folder can be made");
        let mut config = PoolConfig::builder().base_profile_path(profiles.path()).build().expect("it is valid");
        if matches!(flavour, Flavour::Edge) {
            let (browser, driver) = EdgeStandIn::install(programs.path())?;
            config.browser.choice = BrowserChoice::Edge;
            config.browser.browser_path = Some(browser);
            config.browser.driver_path = Some(driver);
        }
        if matches!(flavour, Flavour::HeadlessShell) {
            config.browser.choice = BrowserChoice::ChromiumHeadlessShell;
            if !detect_headless_shell().is_usable() {
                println!("skipped: Chromium's headless shell is not installed");
                return None;
            }
        }
        change(&mut config);
        let factory = BrowserFactory::new(&config.browser, &config.profiles, config.deadlines).expect("it was found");
        let downloads = tempfile::tempdir().expect("a folder can be made");
        Some(Self { factory, config, flavour, profiles, downloads, _programs: programs })
    }

    pub(crate) async fn open(&self) -> Box<dyn Session> {
        self.factory.open(WorkerId(1)).await.expect("the browser starts")
    }

    /// The profile folders that there are.
    pub(crate) fn profile_folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.profiles.path()).expect("it is there");
        let folders = entries.map(|entry| entry.expect("it can be read").path()).filter(|path| path.is_dir());
        folders.filter(|path| !is_template(path)).collect()
    }

    /// Waits until no profile folder and no process that speaks of one is there.
    pub(crate) async fn until_nothing_is_left(&self) {
        let begun = Instant::now();
        loop {
            let (folders, processes) = (self.profile_folders(), processes_naming(self.profiles.path()));
            if folders.is_empty() && processes.is_empty() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "still there: {folders:?} {processes:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Whether it is a template that was warmed up: these are kept from run to run.
pub(crate) fn is_template(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("template-"))
}

/// The processes in the tree below `root`, itself included, that still run.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = processes()
        .filter_map(|(pid, _)| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut fields = stat.rsplit(')').next()?.split_whitespace();
            let is_dead = matches!(fields.next()?, "Z" | "X");
            let parent = fields.next()?.parse().ok()?;
            (!is_dead).then_some((pid, parent))
        })
        .collect();
    let mut found: Vec<u32> = parents.iter().map(|(pid, _)| *pid).filter(|pid| *pid == root).collect();
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// The processes whose command line names `folder`: it is this test's alone.
fn processes_naming(folder: &Path) -> Vec<u32> {
    let name = folder.display().to_string();
    processes().filter(|(_, line)| line.contains(&name)).map(|(pid, _)| pid).collect()
}

fn processes() -> impl Iterator<Item = (u32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
    })
}

/// Waits until `question` has an answer; for what has no event to wait for.
pub(crate) async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Downloads that have ended, as (suggested name, id, size if complete).
pub(crate) async fn ended_downloads(page: &mut dyn Page, count: usize) -> Vec<(String, String, Option<u64>)> {
    use coupa_batch::backend::DownloadEvent as E;
    let mut names = std::collections::BTreeMap::new();
    let mut ended = Vec::new();
    until("the downloads end", async || {
        for event in page.download_events().await.expect("events can be read") {
            match event {
                E::Started { id, name, .. } => _ = names.insert(id, name),
                E::Completed { id, size, .. } => ended.push((id, Some(size))),
                E::Canceled { id } => ended.push((id, None)),
                _ => {}
            }
        }
        (ended.len() >= count).then_some(())
    })
    .await;
    ended.into_iter().map(|(id, size)| (names.get(&id).cloned().unwrap_or_default(), id, size)).collect()
}

/// Whether a browser is there, after an attempt at installing one where that is wished for. Looked at once per program.
pub(crate) fn is_browser_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let config = PoolConfig::builder().build().expect("the defaults are valid").browser;
        let is_set = |name: &str| std::env::var(name).is_ok_and(|value| value == "1");
        let mut found = locate(&config);
        if found.is_err() && is_set("COUPA_BATCH_INSTALL") {
            let plan = provision::plan(config.choice).expect("this system can install a browser");
            println!("{plan}");
            provision::install(&plan, |line| println!("{line}")).expect("it was installed");
            found = locate(&config);
        }
        if let Err(why) = &found {
            assert!(!is_set("REQUIRE_BROWSER") && !is_set("COUPA_BATCH_INSTALL"), "{why}");
        }
        found.is_ok()
    })
}
