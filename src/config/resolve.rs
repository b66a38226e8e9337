//! Layers to a complete configuration: every rule that settings must obey.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::time::Duration;

use super::address::{check_address, check_hook};
use super::drivers::parse_ports;
use super::filter::read_types;
use super::keys::defaults;
use super::private_host::read_private_hosts;
use super::problem::{ConfigProblems, Problem};
use super::workers::scaling;
use super::{
    AdmissionConfig, BrowserConfig, Canary, Credentials, DriverConfig, Filter, MemoryConfig, PoolConfig, ProfileConfig,
    RecycleConfig, RestartConfig, RetryConfig, Settings, SiteConfig, Timeouts, WorkerCount,
};

/// Most tries after the first one.
const MAX_RETRIES: u32 = 20;
/// Longest span that any setting may have: beyond a week it is a typing mistake.
const LONGEST: Duration = Duration::from_hours(7 * 24);

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
        private_hosts,
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
    let max_workers = scaling.map_or(1, |scaling| scaling.max.get());
    let ports = driver_ports
        .filter(|text| !text.is_empty())
        .and_then(|text| parse_ports(&text, max_workers).map_err(|why| refuse("driver_ports", why)).ok());
    let memory_threshold = memory_threshold.unwrap_or_default();
    if !(0.2..=1.0).contains(&memory_threshold) {
        refuse("memory_threshold", format!("{memory_threshold} is not between 0.2 and 1"));
    }
    let requests_per_second = requests_per_second.unwrap_or_default();
    if !(requests_per_second == 0.0 || (0.01..=1000.0).contains(&requests_per_second)) {
        refuse("requests_per_second", format!("{requests_per_second} is neither 0 nor between 0.01 and 1000"));
    }
    let canary = canary.filter(|text| !text.is_empty()).and_then(|text| match text.parse::<Canary>() {
        Ok(canary) => Some(canary),
        Err(why) => {
            refuse("canary", why);
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
    let (private_hosts, wrong) = read_private_hosts(&private_hosts.unwrap_or_default());
    wrong.into_iter().for_each(|why| refuse("private_hosts", why));
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
    let deadlines = Timeouts {
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
        return Err(problems.into());
    };
    Ok(PoolConfig {
        worker_count,
        scaling,
        recycle,
        restart,
        hold: AdmissionConfig { max_cpu, min_free_memory },
        out: out.unwrap_or_default(),
        browser: BrowserConfig {
            choice: browser.unwrap_or_default(),
            browser_path,
            driver_path,
            headless: headless.unwrap_or(true),
            sandbox: sandbox.unwrap_or_default(),
            private_hosts,
            drivers: DriverConfig { ports, health_interval },
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

fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretUrl;

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
    fn a_webhook_is_https_or_here_and_never_repeated() {
        for (address, fits) in [
            ("https://hooks.test/s3cret", true),
            ("http://127.0.0.1:1/s3cret", true),
            ("http://hooks.test/s3cret", false),
            ("ftp://hooks.test/s3cret", false),
        ] {
            let notify_url = Some(SecretUrl::parse(address).unwrap());
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
