//! The list of all settings: the one place to add one.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use url::Url;

use super::value::Value;
use super::{BrowserChoice, RequisitionRule, Sandbox, SecretUrl, WorkerCount};

/// What the documentation says of one setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the configuration file; `COUPA_BATCH_` and the name in capitals in the environment.
    pub name: &'static str,
    /// What it may be.
    pub kind: &'static str,
    /// What it is when nobody says anything; empty when there is no default.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Whether its value is never shown.
    pub is_secret: bool,
}

/// Declares [`super::Settings`], its readers and [`KEYS`] from one list.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:literal;)+) => {
        /// One layer of settings: what a file, the environment, the command line or a builder says. Whatever is `None`
        /// is left to the next layer; what each means stands in `docs/configuration.md`.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $name: Option<$type>,)+
        }

        impl Settings {
            /// This layer on top of a weaker one.
            #[must_use]
            pub fn over(self, weaker: Self) -> Self {
                Self { $($name: self.$name.or(weaker.$name),)+ }
            }

            /// Sets the setting called `name`; `None` when there is no such setting.
            pub(crate) fn set(&mut self, name: &str, value: &toml::Value) -> Option<Result<(), String>> {
                match name {
                    $(stringify!($name) => Some(<$type as Value>::read(value).map(|read| self.$name = Some(read))),)+
                    _ => None,
                }
            }
        }

        impl Settings {
            /// Every setting with its value, in the order of the documentation; `None` where nobody said anything.
            pub(crate) fn values(&self) -> Vec<(&'static Setting, Option<toml::Value>)> {
                KEYS.iter().zip([$(self.$name.as_ref().map(Value::write)),+]).collect()
            }
        }

        /// Every setting, in the order of the documentation.
        pub const KEYS: &[Setting] = &[
            $(Setting {
                name: stringify!($name),
                kind: <$type as Value>::KIND,
                default: $default,
                doc: concat!($($doc, "\n"),+),
                is_secret: <$type as Value>::IS_SECRET,
            },)+
        ];

        /// The weakest layer: the defaults, read by the same code as everything else.
        pub(crate) fn defaults() -> (Settings, Vec<(&'static str, String)>) {
            let mut settings = Settings::default();
            let mut problems = Vec::new();
            for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
                if let Some(Err(why)) = settings.set(key.name, &toml::Value::String(key.default.to_owned())) {
                    problems.push((key.name, why));
                }
            }
            (settings, problems)
        }
    };
}

settings! {
    /// Address of the portal, such as `https://acme.coupahost.com`. Plain `http` is only taken for this machine.
    base_url: Url = "";
    /// Folder that the files, the report and the log go into.
    out: PathBuf = "downloads";
    /// How many browsers work side by side, 1 to 64. `auto` goes by the number of orders, the processors and the memory.
    workers: WorkerCount = "auto";
    /// So many workers remain, however short memory is.
    min_workers: u32 = "1";
    /// Never more workers than this; the pool finds the best number up to it. 8 if `workers` is `auto`, else what that says.
    max_workers: u32 = "";
    /// Which browser. `auto` takes the first of Edge, Chrome and Chromium that is installed with a matching driver.
    browser: BrowserChoice = "auto";
    /// The browser's program file, if it is not where browsers usually are.
    browser_path: PathBuf = "";
    /// The driver's program file (msedgedriver, chromedriver), if it is not on the search path.
    driver_path: PathBuf = "";
    /// Whether the browsers work without windows.
    headless: bool = "true";
    /// The browser's sandbox. `auto` leaves it on, except where the browser refuses to start with it (root on Linux).
    sandbox: Sandbox = "auto";
    /// Numbers of private networks that the browsers may reach beside the portal, such as `10.0.0.7, 10.0.0.8:3128`: a proxy or a single sign-on that has no name.
    private_hosts: String = "";
    /// Ports of this machine that drivers listen on, such as `9515-9600`; any free ones if not given. With one more than there are drivers, a browser is replaced without a gap.
    driver_ports: String = "";
    /// How often each driver is asked how it is.
    driver_health_interval: Duration = "10s";
    /// Folder in which each worker gets a profile folder of its own. The system's folder for temporary files if not given.
    profile_dir: PathBuf = "";
    /// Profile folder that each worker's is cloned from. A built-in one if not given.
    profile_template: PathBuf = "";
    /// Largest profile; a session whose profile grew beyond it is replaced before its next order.
    profile_max_size: ByteSize = "100MB";
    /// Largest total of what is kept of failed attempts (screenshot, page source), the oldest is dropped first; 0 keeps nothing.
    evidence_max_size: ByteSize = "100MB";
    /// Whether profile folders are wiped when their session ends. Turn it off to look into one; `false` leaves logins on the disk, until `coupa-batch sweep --all`.
    profile_cleanup: bool = "true";
    /// The most memory that the program and its browsers may hold together; what the machine or its container has if not given.
    memory_max: ByteSize = "";
    /// Share of the memory in use, 0.2 to 1, from which workers are retired one by one.
    memory_threshold: f64 = "0.75";
    /// How often memory is read.
    memory_interval: Duration = "5s";
    /// Least time between two changes of the number of workers.
    memory_cool_down: Duration = "30s";
    /// How long running orders may go on after the first signal.
    shutdown_timeout: Duration = "120s";
    /// How long a browser may take to start.
    startup_timeout: Duration = "30s";
    /// How long one attempt at one order may take, all its files included.
    task_timeout: Duration = "300s";
    /// How often an order is tried again after its first attempt, 0 to 20. Failures that cannot get better are not tried again.
    retry_limit: u32 = "3";
    /// Shortest wait before an order is tried again; later waits grow with the fourth power of the attempts made.
    retry_delay: Duration = "15s";
    /// Longest wait before an order is tried again.
    retry_delay_max: Duration = "15m";
    /// How long the run waits for a portal that is down or throttles before it stops, resumable.
    patience: Duration = "10m";
    /// After how many failed orders in a row the run stops, resumable; 0 never does.
    stop_after: u32 = "0";
    /// Pages and files that all workers together ask the portal for in a second; 0 asks as fast as they come.
    requests_per_second: f64 = "0";
    /// Be gentle with the portal: 2 workers, one request a second and a patience of an hour, unless these are given as well.
    polite: bool = "false";
    /// After how many orders a browser is replaced by a fresh one.
    recycle_after: u32 = "100";
    /// At what age a browser is replaced by a fresh one.
    recycle_age: Duration = "4h";
    /// A browser that holds so much memory is replaced by a fresh one after its order.
    recycle_memory: ByteSize = "1500MB";
    /// A browser whose pages take so many times as long as a fresh one's is replaced, above 1; 0 never does.
    recycle_slowdown: f64 = "3";
    /// How often a worker may get another browser because its own broke, within `restart_window`; then the pool goes on without it.
    restart_limit: u32 = "10";
    /// See `restart_limit`.
    restart_window: Duration = "5m";
    /// While more than this share of all processors is in use, above 0 and up to 1, no further order starts beside those in work.
    max_cpu: f64 = "";
    /// While less memory than this is free, no further order starts beside those in work.
    min_free_memory: ByteSize = "";
    /// How long a driver may take to answer one command.
    command_timeout: Duration = "15s";
    /// How long a page may take to be parsed and to come to rest. At least as long as `command_timeout`.
    page_timeout: Duration = "60s";
    /// How long a download may take to begin, and how long it may stand still.
    download_timeout: Duration = "30s";
    /// How long closing a browser may take before it is killed.
    close_timeout: Duration = "5s";
    /// The site recipe: the name of a shipped one (`coupa`, `table`), or the path of a TOML file.
    recipe: String = "coupa";
    /// Cookies of a browser that is logged in, in the Netscape format that curl, wget and yt-dlp take; used instead of a kept login.
    cookies: PathBuf = "";
    /// Folder in which `coupa-batch login` keeps logins. The user's own folder for the state of programs if not given.
    login_dir: PathBuf = "";
    /// Largest file; a larger one is stopped while it comes, and its order is PARTIAL.
    file_max_size: ByteSize = "2GB";
    /// Largest sum of the files of one order.
    order_max_size: ByteSize = "20GB";
    /// An order with known attachments that is fetched before all others, such as `PO15262984`, or `PO15262984=5` if it has five: unless so many files of its own page arrive (one if no number is given) and none is missing, nothing else is tried.
    canary: String = "";
    /// Endings of the attachments that are wanted, such as `pdf,msg`; all if not given.
    types: String = "";
    /// What the names of wanted attachments match, such as `Invoice*`; `?` stands for one character, case is ignored.
    name: String = "";
    /// Largest attachment that is wanted; a larger one is left out, which is no failure.
    max_size: ByteSize = "";
    /// When the order's requisition is looked at for attachments.
    requisition: RequisitionRule = "when-empty";
    /// Webhook that is told when a person is needed for the login, when the run goes on, and when it has ended. A secret: it is never shown.
    notify_url: SecretUrl = "";
}
