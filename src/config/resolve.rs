//! Layers to a complete configuration: every rule that settings must obey.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::drivers::Drivers;
use super::filter::read_types;
use super::keys::defaults;
use super::{
    BrowserConfig, Credentials, Deadlines, DriverConfig, Filter, HoldConfig, MemoryConfig, PoolConfig, ProfileConfig,
    RecycleConfig, RestartConfig, RetryConfig, ScalingConfig, SecretAddress, Settings, SiteConfig, WorkerCount,
};
use crate::model::PoNumber;

/// Most workers that one machine is asked to bear.
const MAX_WORKERS: u32 = 64;
/// Most workers of a pool that finds their number itself: beyond that a portal is what holds it up, not this machine.
const AUTO_MAX_WORKERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);
/// Most tries after the first one.
const MAX_RETRIES: u32 = 20;
/// Longest span that any setting may have: beyond a week it is a typing mistake.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which setting, and where it came from if known.
    pub setting: String,
    /// What is wrong with it.
    pub why: String,
}

impl Problem {
    pub(super) fn new(setting: &str, why: impl Into<String>) -> Self {
        Self { setting: setting.to_owned(), why: why.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.why)
    }
}

/// Everything that is wrong with the settings. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblems(Vec<Problem>);

impl From<Vec<Problem>> for ConfigProblems {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems)
    }
}

impl IntoIterator for ConfigProblems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = self.0.as_slice() {
            return problem.fmt(f);
        }
        write!(f, "{} settings are wrong:", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigProblems {}

const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// What politeness means for whoever says nothing else.
fn polite() -> Settings {
    Settings {
        workers: Some(WorkerCount::Exactly(TWO)),
        requests_per_second: Some(1.0),
        patience: Some(Duration::from_hours(1)),
        ..Settings::default()
    }
}

/// Fills `settings` up with the defaults and checks them together.
///
/// # Errors
/// [`ConfigProblems`] with every problem, not only the first.
pub fn resolve(settings: Settings, credentials: Option<Credentials>) -> Result<PoolConfig, ConfigProblems> {
    let (defaults, broken) = defaults();
    let mut problems: Vec<_> = broken.into_iter().map(|(name, why)| Problem::new(name, why)).collect();
    // every field by name, so that a new setting cannot be forgotten here
    let Settings {
        base_url,
        out,
        workers,
        min_workers,
        max_workers,
        browser,
        browser_path,
        driver_path,
        headless,
        sandbox,
        sessions_per_driver,
        min_drivers,
        max_drivers,
        driver_ports,
        driver_health_interval,
        profile_dir,
        profile_template,
        profile_max_size,
        evidence_max_size,
        profile_cleanup,
        memory_max,
        memory_threshold,
        memory_interval,
        memory_cool_down,
        shutdown_timeout,
        startup_timeout,
        task_timeout,
        retry_limit,
        retry_delay,
        retry_delay_max,
        patience,
        stop_after,
        requests_per_second,
        polite: _, // has done its work
        recycle_after,
        recycle_age,
        recycle_memory,
        recycle_slowdown,
        restart_limit,
        restart_window,
        max_cpu,
        min_free_memory,
        command_timeout,
        page_timeout,
        download_timeout,
        close_timeout,
        recipe,
        cookies,
        login_dir,
        file_max_size,
        order_max_size,
        canary,
        types,
        name,
        max_size,
        requisition,
        notify_url,
    } = {
        let preset = if settings.polite == Some(true) { polite() } else { Settings::default() };
        settings.over(preset).over(defaults)
    };

    let mut refuse = |setting: &str, why: String| problems.push(Problem::new(setting, why));

    let worker_count = workers.unwrap_or_default();
    let scaling = scaling(worker_count, min_workers, max_workers, &mut refuse);
    if let Some(share) = max_cpu.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
        refuse("max_cpu", format!("{share} is not above 0 and up to 1"));
    }
    let recycle_slowdown = recycle_slowdown.filter(|factor| *factor != 0.0);
    if let Some(factor) = recycle_slowdown.filter(|factor| !(1.1..=1000.0).contains(factor)) {
        refuse("recycle_slowdown", format!("{factor} is neither 0 nor between 1.1 and 1000"));
    }
    for (name, size, least) in [("memory_max", memory_max, 200), ("recycle_memory", recycle_memory, 100)] {
        if let Some(size) = size.filter(|size| size.as_u64() < least * 1_000_000) {
            refuse(name, format!("{size} is less than {least} MB: no browser gets by with that"));
        }
    }
    let drivers = Drivers {
        sessions_per_driver: sessions_per_driver.unwrap_or(1),
        min_count: min_drivers.unwrap_or_default(),
        max_count: max_drivers.unwrap_or_default(),
        ports: driver_ports.unwrap_or_default(),
        workers: scaling.map_or(1, |scaling| u32::try_from(scaling.max.get()).unwrap_or(MAX_WORKERS)),
    };
    let ports = drivers.check(&mut refuse);
    let memory_threshold = memory_threshold.unwrap_or_default();
    if !(memory_threshold > 0.0 && memory_threshold <= 1.0) {
        refuse("memory_threshold", format!("{memory_threshold} is not above 0 and up to 1"));
    }
    let requests_per_second = requests_per_second.unwrap_or_default();
    if !(requests_per_second == 0.0 || (0.01..=1000.0).contains(&requests_per_second)) {
        refuse("requests_per_second", format!("{requests_per_second} is neither 0 nor between 0.01 and 1000"));
    }
    let canary = canary.filter(|text| !text.is_empty()).and_then(|text| match text.parse::<PoNumber>() {
        Ok(po) => Some(po),
        Err(why) => {
            refuse("canary", why.to_string());
            None
        }
    });
    let retry_limit = retry_limit.unwrap_or_default();
    if retry_limit > MAX_RETRIES {
        refuse("retry_limit", format!("{retry_limit} is more than {MAX_RETRIES}"));
    }
    let recycle_after = recycle_after.unwrap_or_default();
    if recycle_after == 0 {
        refuse("recycle_after", "0 would replace a browser before its first order".to_owned());
    }
    let profile_max_size = profile_max_size.unwrap_or_default();
    if profile_max_size.as_u64() < 1_000_000 {
        refuse("profile_max_size", format!("{profile_max_size} is less than 1 MB: no browser gets by with that"));
    }
    if let Some(url) = &base_url
        && let Err(why) = check_address(url)
    {
        refuse("base_url", why);
    }
    if let Some(why) = notify_url.as_ref().and_then(|address| check_hook(address).err()) {
        refuse("notify_url", why);
    }
    for (name, path) in [("browser_path", &browser_path), ("driver_path", &driver_path)] {
        if let Some(path) = path.as_deref().filter(|path| !is_program(path)) {
            refuse(name, format!("there is no program file at {}", path.display()));
        }
    }
    if let Some(path) = profile_template.as_deref().filter(|path| !path.is_dir()) {
        refuse("profile_template", format!("there is no folder at {}", path.display()));
    }

    let mut span = |name: &str, value: Option<Duration>| {
        let value = value.unwrap_or_default();
        if value.is_zero() || value > LONGEST {
            refuse(name, format!("{} is not between 1ms and 7days", humantime::format_duration(value)));
        }
        value
    };
    let deadlines = Deadlines {
        open: span("startup_timeout", startup_timeout),
        command: span("command_timeout", command_timeout),
        page: span("page_timeout", page_timeout),
        attempt: span("task_timeout", task_timeout),
        download: span("download_timeout", download_timeout),
        close: span("close_timeout", close_timeout),
        drain: span("shutdown_timeout", shutdown_timeout),
    };
    let health_interval = span("driver_health_interval", driver_health_interval);
    let memory = MemoryConfig {
        max: memory_max,
        threshold: memory_threshold,
        interval: span("memory_interval", memory_interval),
        cool_down: span("memory_cool_down", memory_cool_down),
    };
    let retry = RetryConfig {
        limit: retry_limit,
        delay_min: span("retry_delay", retry_delay),
        delay_max: span("retry_delay_max", retry_delay_max),
        patience: span("patience", patience),
        stop_after: stop_after.and_then(NonZeroU32::new),
    };
    let recycle = RecycleConfig {
        after: recycle_after,
        age: span("recycle_age", recycle_age),
        memory: recycle_memory.unwrap_or_default(),
        slowdown: recycle_slowdown,
    };
    let restart =
        RestartConfig { limit: restart_limit.unwrap_or_default(), window: span("restart_window", restart_window) };
    for (shorter, longer, names) in [
        (deadlines.command, deadlines.page, ("page_timeout", "command_timeout")),
        (deadlines.page, deadlines.attempt, ("task_timeout", "page_timeout")),
        (retry.delay_min, retry.delay_max, ("retry_delay_max", "retry_delay")),
    ] {
        if longer < shorter {
            refuse(names.0, format!("{} is less than {}", humantime::format_duration(longer), names.1));
        }
    }

    let (Some(scaling), true) = (scaling, problems.is_empty()) else {
        return Err(ConfigProblems(problems));
    };
    Ok(PoolConfig {
        worker_count,
        scaling,
        recycle,
        restart,
        hold: HoldConfig { max_cpu, min_free_memory },
        out: out.unwrap_or_default(),
        browser: BrowserConfig {
            choice: browser.unwrap_or_default(),
            browser_path,
            driver_path,
            headless: headless.unwrap_or(true),
            sandbox: sandbox.unwrap_or_default(),
            drivers: DriverConfig {
                sessions_per_driver: NonZeroUsize::new(drivers.sessions_per_driver as usize)
                    .unwrap_or(NonZeroUsize::MIN),
                min_count: drivers.min_count as usize,
                max_count: NonZeroUsize::new(drivers.max_count as usize),
                ports,
                health_interval,
            },
        },
        profiles: ProfileConfig {
            base: profile_dir,
            template: profile_template,
            max_size: profile_max_size,
            cleanup: profile_cleanup.unwrap_or(true),
        },
        memory,
        retry,
        deadlines,
        site: SiteConfig {
            base_url,
            recipe: recipe.unwrap_or_default(),
            cookies,
            login_dir,
            requests_per_second: (requests_per_second > 0.0).then_some(requests_per_second),
            canary,
            filter: Filter {
                types: read_types(&types.unwrap_or_default()),
                name: name.filter(|name| !name.is_empty()),
                max_size,
            },
            file_max_size: file_max_size.unwrap_or_default(),
            order_max_size: order_max_size.unwrap_or_default(),
            evidence_max_size: evidence_max_size.unwrap_or_default(),
            requisition: requisition.unwrap_or_default(),
            credentials,
        },
        notify_url,
    })
}

/// The bounds around `count`; `None` when they were refused.
fn scaling(
    count: WorkerCount,
    min: Option<u32>,
    max: Option<u32>,
    refuse: &mut impl FnMut(&str, String),
) -> Option<ScalingConfig> {
    let mut bound = |name: &str, value: u32| {
        if !(1..=MAX_WORKERS).contains(&value) {
            refuse(name, format!("{value} is not between 1 and {MAX_WORKERS}"));
        }
        NonZeroUsize::new(value as usize)
    };
    let least = bound("min_workers", min.unwrap_or(1))?;
    let most = max.and_then(|value| bound("max_workers", value));
    let (start, usual) = match count {
        WorkerCount::Auto => (None, AUTO_MAX_WORKERS),
        WorkerCount::Exactly(count) => (bound("workers", u32::try_from(count.get()).unwrap_or(u32::MAX)), count),
    };
    // a least number alone lifts the most that nobody has named
    let scaling = ScalingConfig {
        min: least,
        max: most.unwrap_or(usual.max(least)),
        is_automatic: count == WorkerCount::Auto || max.is_some(),
    };
    if scaling.min > scaling.max {
        refuse("min_workers", format!("{least} is more than max_workers, which is {}", scaling.max));
    }
    if let Some(start) = start.filter(|start| *start > scaling.max || (min.is_some() && *start < scaling.min)) {
        refuse("workers", format!("{start} is not between min_workers ({least}) and max_workers ({})", scaling.max));
    }
    Some(scaling)
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// An address that a login may be sent to: TLS, or this machine.
fn check_address(url: &Url) -> Result<(), String> {
    let Some(host) = url.host_str() else { return Err(format!("{url} names no host")) };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user name or password: give them in COUPA_USERNAME and COUPA_PASSWORD".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err(format!("http would send the login in clear: use https://{host}")),
        other => Err(format!("{other}: is not an address of a portal: use https://")),
    }
}

/// An address that notices may be sent to. It is a secret, and so is never repeated.
fn check_hook(address: &SecretAddress) -> Result<(), String> {
    let url = Url::parse(address.expose()).map_err(|_| "it is not an address".to_owned())?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err("http would send it in clear: use https".to_owned()),
        _ => Err("it is not the address of a webhook: use https".to_owned()),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_obey_the_rules() {
        resolve(Settings::default(), None).unwrap();
    }

    #[test]
    fn politeness_gives_way_to_what_is_said() {
        let polite = resolve(Settings { polite: Some(true), ..Settings::default() }, None).unwrap();
        let exactly = |count| WorkerCount::Exactly(NonZeroUsize::new(count).unwrap());
        assert_eq!((polite.worker_count, polite.site.requests_per_second), (exactly(2), Some(1.0)));
        assert_eq!(polite.retry.patience, Duration::from_hours(1));
        let said = Settings { polite: Some(true), workers: Some(exactly(6)), ..Settings::default() };
        let said = resolve(said, None).unwrap();
        assert_eq!((said.worker_count, said.site.requests_per_second), (exactly(6), Some(1.0)));
        let fast = Settings { polite: Some(true), requests_per_second: Some(0.0), ..Settings::default() };
        assert_eq!(resolve(fast, None).unwrap().site.requests_per_second, None);
    }

    #[test]
    fn the_bounds_of_the_number_of_workers_belong_together() {
        let said = |workers: &str, min_workers, max_workers| {
            let workers = Some(workers.parse().unwrap());
            resolve(Settings { workers, min_workers, max_workers, ..Settings::default() }, None).map(|config| {
                let ScalingConfig { min, max, is_automatic } = config.scaling;
                (min.get(), max.get(), is_automatic)
            })
        };
        assert_eq!(said("auto", None, None).unwrap(), (1, 8, true));
        assert_eq!(said("4", None, None).unwrap(), (1, 4, false));
        assert_eq!(said("4", Some(2), Some(6)).unwrap(), (2, 6, true));
        assert_eq!(said("auto", Some(12), None).unwrap(), (12, 12, true));
        for (workers, min, max, setting) in [
            ("65", None, None, "workers"),
            ("4", Some(0), None, "min_workers"),
            ("auto", Some(3), Some(2), "min_workers"),
            ("auto", None, Some(65), "max_workers"),
            ("7", None, Some(6), "workers"),
            ("1", Some(2), None, "workers"),
        ] {
            let why = said(workers, min, max).unwrap_err().to_string();
            assert!(why.contains(setting), "{workers} {min:?} {max:?}: {why}");
        }
        assert!("0".parse::<WorkerCount>().is_err() && "many".parse::<WorkerCount>().is_err());
    }

    #[test]
    fn addresses_that_would_leak_a_login_are_refused() {
        for (address, fits) in [
            ("https://acme.coupahost.com", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost:1", true),
            ("http://acme.coupahost.com", false),
            ("http://localhost.evil.com", false),
            ("https://me:secret@acme.coupahost.com", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(check_address(&address.parse().unwrap()).is_ok(), fits, "{address}");
        }
    }

    #[test]
    fn a_webhook_is_https_or_here_and_never_repeated() {
        for (address, fits) in [
            ("https://hooks.test/s3cret", true),
            ("http://127.0.0.1:1/s3cret", true),
            ("http://hooks.test/s3cret", false),
            ("ftp://hooks.test/s3cret", false),
        ] {
            let notify_url = Some(SecretAddress::parse(address).unwrap());
            let resolved = resolve(Settings { notify_url, ..Settings::default() }, None);
            let shown = resolved.as_ref().map_or_else(ToString::to_string, |config| format!("{config:?}"));
            assert!(resolved.is_ok() == fits && !shown.contains("s3cret"), "{address}: {shown}");
        }
    }

    #[test]
    fn a_refusal_never_repeats_a_password() {
        let settings =
            Settings { base_url: Some("https://me:hunter2@acme.com".parse().unwrap()), ..Settings::default() };
        assert!(!resolve(settings, None).unwrap_err().to_string().contains("hunter2"));
    }
}
