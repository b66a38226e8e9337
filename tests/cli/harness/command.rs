//! Where one call of the program happens: folders of its own, an environment of its own, and a look at what is left.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use coupa_batch::PoNumber;
use coupa_batch::demo::{DemoConfig, DemoPortal, PortalLatency};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than any run of these tests; only keeps one that hangs from hanging for ever.
const AT_MOST: Duration = Duration::from_secs(150);

/// Recipes of both kinds of portal that wait less than the built-in ones: for portals without late elements.
pub(crate) const QUICK_COUPA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/recipes/quick-coupa.toml");
pub(crate) const QUICK_TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/recipes/quick-table.toml");

/// The end of a test's own recipe that waits less than the built-in ones.
pub(crate) const QUICK_SETTLE: &str =
    "[settle]\nafter_load = \"150ms\"\nunchanged_for = \"150ms\"\nempty_for = \"500ms\"\n";

/// A portal of `orders` orders whose buttons come at once.
pub(crate) async fn portal(orders: usize) -> DemoPortal {
    DemoPortal::start(DemoConfig { orders, pace: PortalLatency::prompt(), ..DemoConfig::default() }).await.unwrap()
}

/// The portal's order with the most files, which has several.
pub(crate) fn largest(portal: &DemoPortal) -> PoNumber {
    let count = |po: &PoNumber| portal.expected(po).unwrap().files.len();
    let po = portal.orders().into_iter().max_by_key(count).unwrap();
    assert!(count(&po) >= 3, "{po} has {}", count(&po));
    po
}

/// Folders that one test has for itself.
pub(crate) struct TestEnv {
    folder: tempfile::TempDir,
    /// Accepts connections and never answers.
    pub(super) silent: std::net::TcpListener,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("cb").tempdir().unwrap();
        for name in ["profiles", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, silent: std::net::TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// The address of a portal that can be connected to and never answers: for calls that end before they ask it.
    pub(crate) fn silent_portal(&self) -> String {
        format!("http://{}", self.silent.local_addr().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn profiles(&self) -> PathBuf {
        self.path().join("profiles")
    }

    /// The current folder of the calls.
    pub(crate) fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// The output folder of the calls, unless they name another one.
    pub(crate) fn out(&self) -> PathBuf {
        self.work().join("downloads")
    }

    /// Writes a file into the current folder of the calls.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a program. A process of its own does it: one that another test starts meanwhile would inherit an open
    /// file of ours, and a program that is open for writing cannot be started.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
        let written = std::process::Command::new("sh").args(["-c", write, "sh"]).arg(&path).arg(text).status();
        assert!(written.unwrap().success());
        path
    }

    /// A call of the program with these words; nothing of the surroundings' own settings reaches it.
    pub(crate) fn call<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Call {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coupa-batch"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUPA_") {
                command.env_remove(name);
            }
        }
        command.args(words).current_dir(self.work()).env("COUPA_BATCH_PROFILE_DIR", self.profiles());
        command.env("COUPA_BATCH_LOGIN_DIR", self.path().join("logins"));
        // nor does it reach the keyring of whoever runs the tests
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
        // quick enough for a test, and tried all the same
        for (name, value) in [
            ("RETRY_DELAY", "20ms"),
            ("RETRY_DELAY_MAX", "100ms"),
            ("PATIENCE", "2s"),
            ("WORKERS", "1"),
            // one order at a time, as most of these tests need it; tests/browser/lanes has several of a browser
            ("LANE", "tab"),
            ("RECIPE", QUICK_COUPA),
        ] {
            command.env(format!("COUPA_BATCH_{name}"), value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Call { command, input: Vec::new() }
    }

    /// `run` with these words against this portal, with its login.
    pub(crate) fn run<W: AsRef<OsStr>>(&self, portal: &DemoPortal, words: impl IntoIterator<Item = W>) -> Call {
        let mut call = self.call(["run", "--base-url", portal.base_url().as_str()]);
        call.command.args(words);
        self.login(call, portal)
    }

    /// The call with the portal's login.
    pub(crate) fn login(&self, call: Call, portal: &DemoPortal) -> Call {
        call.env("COUPA_USERNAME", portal.username()).env("COUPA_PASSWORD", portal.password().expose_secret())
    }

    /// The call beside a keyring of this test, unlocked, on a bus of its own. What is saved is there for the next one.
    pub(crate) fn with_keyring(&self, call: Call) -> Call {
        let inner = call.command.as_std();
        let mut command = Command::new("dbus-run-session");
        let unlock = "printf pw | gnome-keyring-daemon --unlock --components=secrets >&2 && exec \"$@\"";
        command.args(["--", "sh", "-c", unlock, "sh"]).arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs().filter(|(name, _)| *name != "DBUS_SESSION_BUS_ADDRESS") {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let run = self.path().join("run");
        fs::create_dir_all(&run).unwrap();
        command.current_dir(self.work()).env("XDG_DATA_HOME", self.path().join("data")).env("XDG_RUNTIME_DIR", run);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Call { command, input: call.input }
    }

    /// What the report of the calls says.
    pub(crate) fn report(&self) -> serde_json::Value {
        report_in(&self.out())
    }

    /// Waits until no profile folder and no process of these calls is there, and looks for half files.
    pub(crate) async fn assert_nothing_left(&self) {
        let begun = Instant::now();
        loop {
            // the lock of the folder itself is a file, and stays
            let mut folders: Vec<_> = entries(&self.profiles()).into_iter().filter(|path| path.is_dir()).collect();
            folders.retain(|path| !crate::browser::is_template(path));
            let processes = processes_of(self.path());
            if folders.is_empty() && processes.is_empty() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "still there: {folders:?} {processes:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_no_half_files(&self.work());
    }
}

/// One call of the program.
pub(crate) struct Call {
    pub(crate) command: Command,
    input: Vec<u8>,
}

impl Call {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.command.arg(word);
        self
    }

    /// What standard input holds.
    pub(crate) fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.command.args(words);
        self
    }

    pub(crate) fn input(mut self, text: &str) -> Self {
        self.input = text.as_bytes().to_vec();
        self.command.stdin(Stdio::piped());
        self
    }

    /// Starts it and reads what it says from then on.
    pub(crate) fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            let input = self.input;
            tokio::spawn(async move { stdin.write_all(&input).await });
        }
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take().unwrap());
        let stdout = tokio::spawn(async move {
            let mut text = String::new();
            if let Some(mut stdout) = stdout {
                stdout.read_to_string(&mut text).await.unwrap();
            }
            text
        });
        let (said, heard) = watch::channel(String::new());
        let listener = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                said.send_modify(|text| *text += &format!("{line}\n"));
            }
        });
        Running { child, stdout, heard, listener }
    }

    /// Starts it and waits for its end.
    pub(crate) async fn end(self) -> Ended {
        self.start().end().await
    }
}

/// A call under way.
pub(crate) struct Running {
    pub(super) child: Child,
    stdout: JoinHandle<String>,
    pub(super) heard: watch::Receiver<String>,
    listener: JoinHandle<()>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits until standard error holds `part`.
    pub(crate) async fn says(&mut self, part: &str) {
        let waited = tokio::time::timeout(AT_MOST, self.heard.wait_for(|text| text.contains(part))).await;
        assert!(waited.is_ok_and(|heard| heard.is_ok()), "it never said {part:?}");
    }

    /// Waits until it holds this order's page back.
    pub(crate) async fn works_on(&mut self, portal: &DemoPortal, po: &PoNumber) {
        let held = tokio::time::timeout(AT_MOST, portal.faults().wait_until_held(po)).await;
        assert!(held.is_ok(), "{po} was never asked for: {}", *self.heard.borrow());
    }

    pub(crate) async fn end(self) -> Ended {
        self.end_within(AT_MOST).await
    }

    pub(crate) async fn end_within(mut self, limit: Duration) -> Ended {
        let status = tokio::time::timeout(limit, self.child.wait()).await;
        let Ok(status) = status else { panic!("it does not end; it said: {}", *self.heard.borrow()) };
        self.listener.await.unwrap();
        let stderr = self.heard.borrow().clone();
        Ended { code: status.unwrap().code(), stdout: self.stdout.await.unwrap(), stderr }
    }
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.code
    }

    /// It ended with `code` and said each of these parts on standard error.
    #[track_caller]
    pub(crate) fn assert(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing in: {self}");
        }
        assert!(!self.stderr.contains("panicked"), "{self}");
    }

    /// The last thing it says is one message, under the program's name, and it is said once.
    #[track_caller]
    pub(crate) fn assert_refusal(&self, code: i32, parts: &[&str]) {
        self.assert(code, &[]);
        assert_eq!(self.stdout, "", "{self}");
        let (_, message) = self.stderr.split_once("coupa-batch: ").unwrap_or_else(|| panic!("no message: {self}"));
        for part in parts {
            assert_eq!(message.matches(part).count(), 1, "{part:?} is to be said once in: {self}");
        }
        assert_eq!(self.stderr.matches("coupa-batch: ").count(), 1, "one message: {self}");
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\nexit {:?}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// Every order ended as it should, and its report names every file of it, each once, as the portal has it.
#[track_caller]
pub(crate) fn assert_all_there(out: &Path, portal: &DemoPortal) {
    let report = report_in(out);
    for order in report["orders"].as_array().unwrap() {
        let po = order["po_number"].as_str().unwrap().parse().unwrap();
        let expected = portal.expected(&po).unwrap();
        assert_eq!(order["status"], expected.status.as_str(), "{order:#}");
        let mut found: Vec<_> =
            order["files"].as_array().unwrap().iter().map(|file| file["sha256"].as_str().unwrap()).collect();
        let mut wanted: Vec<_> = expected.files.iter().map(|file| file.sha256.as_str()).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{po}");
    }
    assert_eq!(report["orders"].as_array().unwrap().len(), portal.orders().len());
}

/// What the report in this output folder says. The table beside it tells the same orders.
#[track_caller]
pub(crate) fn report_in(out: &Path) -> serde_json::Value {
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    let rows = csv::Reader::from_path(out.join("report.csv")).unwrap().into_records().map(Result::unwrap).count();
    assert_eq!(report["orders"].as_array().unwrap().len(), rows, "both reports tell the same");
    for order in report["orders"].as_array().unwrap() {
        for file in order["files"].as_array().unwrap() {
            let path = out.join(file["path"].as_str().unwrap());
            assert_eq!(fs::metadata(&path).unwrap().len(), file["size"].as_u64().unwrap(), "{}", path.display());
        }
    }
    report
}

/// The status of each order in a report, by number.
#[track_caller]
pub(crate) fn statuses(report: &serde_json::Value) -> std::collections::BTreeMap<String, String> {
    let orders = report["orders"].as_array().unwrap();
    let text = |order: &serde_json::Value, key: &str| order[key].as_str().unwrap().to_owned();
    orders.iter().map(|order| (text(order, "po_number"), text(order, "status"))).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[track_caller]
fn assert_no_half_files(folder: &Path) {
    for path in entries(folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_half = name.ends_with("__WORK") || name.ends_with(".part") || name.ends_with(".crdownload");
        assert!(!is_half && name != "landing", "left behind: {}", path.display());
        if path.is_dir() {
            assert_no_half_files(&path);
        }
    }
}

/// The processes that name `folder`, a test's own, in their command line or their environment. Without the test
/// program: a child of it that is not yet the program it will be has nothing of the folder.
pub(crate) fn processes_of(folder: &Path) -> Vec<(u32, String)> {
    let name = folder.display().to_string();
    let text = |path: PathBuf| {
        let bytes = fs::read(path).unwrap_or_default(); // gone meanwhile
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let line = text(format!("/proc/{pid}/cmdline").into());
        let is_ours = line.contains(&name) || text(format!("/proc/{pid}/environ").into()).contains(&name);
        (is_ours && pid != std::process::id()).then_some((pid, line))
    });
    processes.collect()
}
