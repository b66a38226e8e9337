//! The table of all settings: the one place to add one.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use url::Url;

use super::error::{ConfigProblem, InvalidValue};
use super::schema::{IntoSetting, Limits, Setting, TIME_SPAN, ZeroOr, out_of_range};
use super::sections::Credentials;
use super::types::{
    BrowserChoice, LaneChoice, MAX_WORKERS, OrdersPerSession, RequisitionRule, Sandbox, SecretUrl, WorkerCount,
};
use super::value::Value;

settings! {
    /// Address of the portal, such as `https://acme.coupahost.com`. Plain `http` is accepted only for this machine.
    base_url: Url = "", flag "URL";
    /// Folder for the files, the report and the log.
    out: PathBuf = "downloads", flag "DIR";
    /// How many browsers work in parallel, 1 to 64, or `auto`. `auto` depends on the number of orders, the processors and the memory.
    workers: WorkerCount = "auto", flag "N|auto", alias worker_count;
    /// The number of workers that always remain, however short memory is.
    min_workers: u32 = "1", in 1..=MAX_WORKERS;
    /// The largest number of workers. The pool finds the best number up to it. If not given: 8 if `workers` is `auto`, otherwise the value of `workers`.
    max_workers: u32 = "", in 1..=MAX_WORKERS;
    /// How many orders one browser has in work at a time, 1 to 8, or `auto`: as many as suit the portal, up to 6. Where the portal cannot be worked that way, it is one.
    orders_per_session: OrdersPerSession = "auto", flag "N|auto";
    /// Which browser: `auto`, `edge`, `chrome`, `chromium` or `chromium-headless-shell`. `auto` takes the first of Edge, Chrome and Chromium that is installed with a matching driver. The headless shell starts faster and uses less memory; what needs a window uses Chromium instead.
    browser: BrowserChoice = "auto", flag "WHICH";
    /// The browser's program file, if it is not in a usual place.
    browser_path: PathBuf = "", flag "FILE";
    /// The driver's program file (msedgedriver, chromedriver), if it is not on the search path.
    driver_path: PathBuf = "", flag "FILE";
    /// Run the browsers without windows.
    headless: bool = "true", flag "", alias headless_mode;
    /// The browser's sandbox. `auto` leaves it on, except where the browser refuses to start with it (root on Linux).
    sandbox: Sandbox = "auto";
    /// Private network addresses that the browsers may reach besides the portal, such as `10.0.0.7, 10.0.0.8:3128`. Needed for a proxy or a single sign-on that has no name.
    private_hosts: String = "";
    /// Ports of this machine for the drivers, such as `9515-9600`. Any free port if not given. With one port more than there are drivers, a browser is replaced without a gap.
    driver_ports: String = "";
    /// How often the health of each driver is checked.
    driver_health_interval: Duration = "10s", in TIME_SPAN;
    /// Folder in which each worker gets its own profile folder. The system's folder for temporary files if not given.
    profile_dir: PathBuf = "", alias base_profile_path;
    /// Profile folder that each worker's profile is cloned from. A built-in template if not given.
    profile_template: PathBuf = "";
    /// Largest profile. A session whose profile has grown larger is replaced before its next order.
    profile_max_size: ByteSize = "100MB", in ByteSize::mb(1).., alias max_profile_size, was "max_profile_size_mb";
    /// Largest total size of the evidence kept of failed attempts (screenshot, page source). The oldest is removed first. 0 keeps nothing.
    evidence_max_size: ByteSize = "100MB";
    /// Delete profile folders when their session ends. Turn it off to examine one: logins then stay on the disk until `coupa-batch sweep --all`.
    profile_cleanup: bool = "true", alias profile_cleanup_on_shutdown;
    /// The most memory that the program and its browsers may use together. What the machine or its container has if not given.
    memory_max: ByteSize = "", in ByteSize::mb(200)..;
    /// Share of the memory in use from which workers are retired one by one.
    memory_threshold: f64 = "0.75", in 0.2..=1.0;
    /// How often memory use is measured.
    memory_interval: Duration = "5s", in TIME_SPAN;
    /// Shortest time between two changes of the number of workers.
    memory_cool_down: Duration = "30s", in TIME_SPAN;
    /// How long running orders may continue after the first signal.
    shutdown_timeout: Duration = "120s", in TIME_SPAN, flag "SPAN";
    /// How long a browser may take to start.
    startup_timeout: Duration = "30s", in TIME_SPAN, alias worker_startup_timeout;
    /// How long one attempt at one order may take, including all its files.
    task_timeout: Duration = "300s", in TIME_SPAN, flag "SPAN";
    /// How often an order is tried again after its first attempt. Failures that a retry cannot fix are not tried again.
    retry_limit: u32 = "3", in 0..=20, flag "N", alias retries;
    /// First wait before an order is tried again. It doubles with each attempt, up to 15 seconds.
    retry_delay: Duration = "1s", in TIME_SPAN;
    /// Wait before an order is tried again that the portal throttled twice without a `Retry-After`; after the first time it
    /// is twice `retry_delay`. It doubles each time, up to `retry_delay_max`. As long is the first pause of a run whose orders
    /// were throttled three times in a row.
    throttle_delay: Duration = "15s", in TIME_SPAN;
    /// Longest wait before an order is tried again.
    retry_delay_max: Duration = "15m", in TIME_SPAN;
    /// How long the run waits for a portal that is down or throttles requests. Then it stops and can be resumed.
    patience: Duration = "10m", in TIME_SPAN;
    /// Stop the run after this many failed orders in a row; 0 never stops it. A stopped run can be resumed.
    stop_after: u32 = "0", flag "N";
    /// How many pages and files all workers together request from the portal per second. 0 means no limit.
    requests_per_second: f64 = "0", in ZeroOr(0.01..=1000.0);
    /// Be gentle with the portal: 2 workers, 1 request per second and a patience of an hour, unless these are given too.
    polite: bool = "false", flag "";
    /// After how many orders a browser is replaced.
    recycle_after: u32 = "100", in 1..;
    /// At what age a browser is replaced.
    recycle_age: Duration = "4h", in TIME_SPAN;
    /// A browser that uses this much memory is replaced after its current order.
    recycle_memory: ByteSize = "1500MB", in ByteSize::mb(100)..;
    /// A browser is replaced when its pages take this many times as long as a new browser's. 0 means never.
    recycle_slowdown: f64 = "3", in ZeroOr(1.1..=1000.0);
    /// How often a worker may get another browser after its own failed, within `restart_window`. After that the pool continues without the worker.
    restart_limit: u32 = "10";
    /// The time over which `restart_limit` counts.
    restart_window: Duration = "5m", in TIME_SPAN;
    /// While more than this share of all processors is in use, no further order starts. One order is always running.
    max_cpu: f64 = "", in 0.01..=1.0;
    /// While less memory than this is free, no further order starts. One order is always running.
    min_free_memory: ByteSize = "";
    /// How long a driver may take to answer one command.
    command_timeout: Duration = "15s", in TIME_SPAN;
    /// How long a page may take to load and become stable. At least as long as `command_timeout`.
    page_timeout: Duration = "60s", in TIME_SPAN;
    /// How long a download may take to start, and how long it may make no progress.
    download_timeout: Duration = "30s", in TIME_SPAN;
    /// How long a browser may take to close before it is killed.
    close_timeout: Duration = "5s", in TIME_SPAN;
    /// The site recipe: the name of a built-in one (`coupa`, `coupa-prefixed`, `table`), or the path of a TOML file.
    recipe: String = "coupa", flag "NAME";
    /// Cookies of a logged-in browser, in the Netscape format that curl, wget and yt-dlp use. They are used instead of a saved login.
    cookies: PathBuf = "", flag "FILE";
    /// Folder in which `coupa-batch login` saves logins. The user's own state folder if not given.
    login_dir: PathBuf = "";
    /// Largest file. The download of a larger one is stopped, and its order is PARTIAL.
    file_max_size: ByteSize = "2GB";
    /// The lowest rate of a download in bytes per second, averaged over `download_timeout`. A slower one is stopped, so that an endless body cannot hold up its order. 0 means no limit.
    download_min_rate: ByteSize = "1KB";
    /// Largest total size of the files of one order.
    order_max_size: ByteSize = "20GB";
    /// An order with known attachments that is fetched before all others, such as `PO15262984`, or `PO15262984=5` if it has five. No other order is tried unless at least this many files of its own page arrive (one if no number is given) and none is missing.
    canary: String = "", flag "PO[=FILES]";
    /// Only attachments with these file name extensions, such as `pdf,msg`. All if not given.
    types: String = "", flag "LIST";
    /// Only attachments whose name matches this pattern, such as `Invoice*`. `?` stands for one character; case is ignored.
    name: String = "", flag "PATTERN";
    /// Only attachments up to this size, such as `50MB`. A larger one is left out, which is not a failure.
    max_size: ByteSize = "", flag "SIZE";
    /// Refuse a file whose content is of another type than its name says, such as a PDF called `scan.jpg`. Otherwise it is kept under its name, with its real type in the report.
    strict_types: bool = "false", flag "";
    /// The column of the sheets with the order numbers: its heading, or its letter such as `C`. If not given, it is found by its heading and its cells.
    column: String = "", flag "COLUMN";
    /// The sheet of the workbooks to read. All visible sheets with orders if not given.
    sheet: String = "", flag "NAME";
    /// What may precede order numbers besides `PO` and `PM`, such as `US, 2D-`.
    po_prefixes: String = "";
    /// What may follow order numbers without being part of them, such as `-#, /#` for a revision or a line; `#` stands for digits.
    po_suffixes: String = "";
    /// When the order's requisition is searched for attachments.
    requisition: RequisitionRule = "when-empty";
    /// How orders are fetched: `frames` (several at a time in each browser, files by HTTP), `tab` (one at a time in the browser's tab), or `auto`: frames where the portal allows them. What is in doubt in a frame is always fetched in the tab.
    lane: LaneChoice = "auto", flag "WHICH";
    /// Webhook that is notified when the login needs a person, when the run continues, and when it has ended. A secret: it is never shown.
    notify_url: SecretUrl = "";
}

/// The weakest layer: the defaults, read by the same code as every other layer.
pub(crate) fn defaults() -> (Settings, Vec<ConfigProblem>) {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
        if let Some(Err(why)) = settings.set(setting.name, &toml::Value::String(setting.default.to_owned())) {
            problems.push(ConfigProblem::new(setting.name, why));
        }
    }
    (settings, problems)
}
