//! Rules that concern several settings, and the step from layers of settings to a complete configuration.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::error::{ConfigError, ConfigProblem, InvalidValue};
use super::sections::{
    AdmissionConfig, BrowserConfig, Credentials, DriverConfig, InputConfig, MemoryConfig, PoolConfig, ProfileConfig,
    RecycleConfig, RestartConfig, RetryConfig, ScalingConfig, SiteConfig, Timeouts,
};
use super::settings::{Settings, defaults};
use super::types::{
    Canary, Filter, MAX_WORKERS, WorkerCount, check_address, check_webhook, read_private_hosts, read_types,
};
use crate::model::PoNumberFormat;

const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// Default of `max_workers` if `workers` is `auto`: with more, the portal is the limit and not this machine.
const AUTO_MAX_WORKERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// The settings that `polite` stands for, unless they are given too.
fn polite() -> Settings {
    Settings {
        workers: Some(WorkerCount::Exactly(TWO)),
        requests_per_second: Some(1.0),
        patience: Some(Duration::from_hours(1)),
        ..Settings::default()
    }
}

/// Adds the defaults to `settings` and validates all of them together.
///
/// # Errors
/// [`ConfigError`] with every problem, not only the first.
pub(crate) fn resolve(settings: Settings, credentials: Option<Credentials>) -> Result<PoolConfig, ConfigError> {
    let (defaults, broken) = defaults();
    let mut problems = broken;
    let preset = if settings.polite == Some(true) { polite() } else { Settings::default() };
    let settings = settings.over(preset).over(defaults);
    problems.extend(settings.range_problems());
    let mut refuse = |setting: &str, why: InvalidValue| problems.push(ConfigProblem::new(setting, why));

    let worker_count = settings.workers.unwrap_or_default();
    let scaling = scaling(worker_count, settings.min_workers, settings.max_workers, &mut refuse);
    let recycle_slowdown = settings.recycle_slowdown.filter(|factor| *factor != 0.0);
    let max_workers = scaling.map_or(1, |scaling| scaling.max.get());
    let ports = settings
        .driver_ports
        .filter(|text| !text.is_empty())
        .and_then(|text| parse_ports(&text, max_workers).map_err(|why| refuse("driver_ports", why)).ok());
    let memory_threshold = settings.memory_threshold.unwrap_or_default();
    let requests_per_second = settings.requests_per_second.unwrap_or_default();
    let canary = settings.canary.filter(|text| !text.is_empty()).and_then(|text| match text.parse::<Canary>() {
        Ok(canary) => Some(canary),
        Err(why) => {
            refuse("canary", why);
            None
        }
    });
    let numbers = number_format(
        &settings.po_prefixes.unwrap_or_default(),
        &settings.po_suffixes.unwrap_or_default(),
        &mut refuse,
    );
    let retry_limit = settings.retry_limit.unwrap_or_default();
    let recycle_after = settings.recycle_after.unwrap_or_default();
    let profile_max_size = settings.profile_max_size.unwrap_or_default();
    if let Some(url) = &settings.base_url
        && let Err(why) = check_address(url)
    {
        refuse("base_url", why);
    }
    if let Some(why) = settings.notify_url.as_ref().and_then(|address| check_webhook(address).err()) {
        refuse("notify_url", why);
    }
    let (private_hosts, wrong) = read_private_hosts(&settings.private_hosts.unwrap_or_default());
    wrong.into_iter().for_each(|why| refuse("private_hosts", why));
    for (name, path) in [("browser_path", &settings.browser_path), ("driver_path", &settings.driver_path)] {
        if let Some(path) = path.as_deref().filter(|path| !is_program(path)) {
            refuse(name, InvalidValue::new(format!("there is no program file at {}", path.display())));
        }
    }
    if let Some(path) = settings.profile_template.as_deref().filter(|path| !path.is_dir()) {
        refuse("profile_template", InvalidValue::new(format!("there is no folder at {}", path.display())));
    }

    let deadlines = Timeouts {
        open: settings.startup_timeout.unwrap_or_default(),
        command: settings.command_timeout.unwrap_or_default(),
        page: settings.page_timeout.unwrap_or_default(),
        attempt: settings.task_timeout.unwrap_or_default(),
        download: settings.download_timeout.unwrap_or_default(),
        close: settings.close_timeout.unwrap_or_default(),
        drain: settings.shutdown_timeout.unwrap_or_default(),
    };
    let health_interval = settings.driver_health_interval.unwrap_or_default();
    let memory = MemoryConfig {
        max: settings.memory_max,
        threshold: memory_threshold,
        interval: settings.memory_interval.unwrap_or_default(),
        cool_down: settings.memory_cool_down.unwrap_or_default(),
    };
    let delay_max = settings.retry_delay_max.unwrap_or_default();
    let retry = RetryConfig {
        limit: retry_limit,
        delay_min: settings.retry_delay.unwrap_or_default(),
        throttle_delay: settings.throttle_delay.unwrap_or_default().min(delay_max),
        delay_max,
        patience: settings.patience.unwrap_or_default(),
        stop_after: settings.stop_after.and_then(NonZeroU32::new),
    };
    let recycle = RecycleConfig {
        after: recycle_after,
        age: settings.recycle_age.unwrap_or_default(),
        memory: settings.recycle_memory.unwrap_or_default(),
        slowdown: recycle_slowdown,
    };
    let restart = RestartConfig {
        limit: settings.restart_limit.unwrap_or_default(),
        window: settings.restart_window.unwrap_or_default(),
    };
    for (shorter, longer, names) in [
        (deadlines.command, deadlines.page, ("page_timeout", "command_timeout")),
        (deadlines.page, deadlines.attempt, ("task_timeout", "page_timeout")),
        (retry.delay_min, retry.delay_max, ("retry_delay_max", "retry_delay")),
    ] {
        if longer < shorter {
            let why = format!("{} is less than {}", humantime::format_duration(longer), names.1);
            refuse(names.0, InvalidValue::new(why));
        }
    }

    let (Some(scaling), true) = (scaling, problems.is_empty()) else {
        return Err(problems.into());
    };
    Ok(PoolConfig {
        worker_count,
        scaling,
        orders_per_session: settings.orders_per_session.unwrap_or_default(),
        recycle,
        restart,
        admission: AdmissionConfig { max_cpu: settings.max_cpu, min_free_memory: settings.min_free_memory },
        out: settings.out.unwrap_or_default(),
        browser: BrowserConfig {
            choice: settings.browser.unwrap_or_default(),
            browser_path: settings.browser_path,
            driver_path: settings.driver_path,
            headless: settings.headless.unwrap_or(true),
            sandbox: settings.sandbox.unwrap_or_default(),
            private_hosts,
            drivers: DriverConfig { ports, health_interval },
        },
        profiles: ProfileConfig {
            base: settings.profile_dir,
            template: settings.profile_template,
            max_size: profile_max_size,
            cleanup: settings.profile_cleanup.unwrap_or(true),
        },
        memory,
        retry,
        deadlines,
        site: SiteConfig {
            base_url: settings.base_url,
            recipe: settings.recipe.unwrap_or_default(),
            cookies: settings.cookies,
            login_dir: settings.login_dir,
            requests_per_second: (requests_per_second > 0.0).then_some(requests_per_second),
            canary,
            strict_types: settings.strict_types.unwrap_or(false),
            filter: Filter {
                types: read_types(&settings.types.unwrap_or_default()),
                name: settings.name.filter(|name| !name.is_empty()),
                max_size: settings.max_size,
            },
            file_max_size: settings.file_max_size.unwrap_or_default(),
            download_min_rate: settings.download_min_rate.unwrap_or_default(),
            order_max_size: settings.order_max_size.unwrap_or_default(),
            evidence_max_size: settings.evidence_max_size.unwrap_or_default(),
            requisition: settings.requisition.unwrap_or_default(),
            lane: settings.lane.unwrap_or_default(),
            credentials,
        },
        input: InputConfig {
            column: settings.column.filter(|column| !column.trim().is_empty()),
            sheet: settings.sheet.filter(|sheet| !sheet.trim().is_empty()),
            numbers,
        },
        notify_url: settings.notify_url,
    })
}

/// The limits of the number of workers; `None` if they were refused.
fn scaling(
    count: WorkerCount,
    min: Option<u32>,
    max: Option<u32>,
    refuse: &mut impl FnMut(&str, InvalidValue),
) -> Option<ScalingConfig> {
    let bound = |value: u32| NonZeroUsize::new(value as usize);
    let least = bound(min.unwrap_or(1))?;
    let most = max.and_then(bound);
    let (start, usual) = match count {
        WorkerCount::Auto => (None, AUTO_MAX_WORKERS),
        WorkerCount::Exactly(count) => {
            if count.get() > MAX_WORKERS as usize {
                refuse("workers", InvalidValue::new(format!("{count} is out of range: use 1 to {MAX_WORKERS}")));
            }
            (Some(count), count)
        }
    };
    // a given minimum raises a maximum that is not given
    let scaling = ScalingConfig {
        min: least,
        max: most.unwrap_or(usual.max(least)),
        is_automatic: count == WorkerCount::Auto || max.is_some(),
    };
    if scaling.min > scaling.max {
        let why = format!("{least} is more than max_workers, which is {}", scaling.max);
        refuse("min_workers", InvalidValue::new(why));
    }
    if let Some(start) = start.filter(|start| *start > scaling.max || (min.is_some() && *start < scaling.min)) {
        let why = format!("{start} is not between min_workers ({least}) and max_workers ({})", scaling.max);
        refuse("workers", InvalidValue::new(why));
    }
    Some(scaling)
}

/// Reads `9515-9600`, or a single port, as the ports of the drivers of `workers` sessions.
fn parse_ports(text: &str, workers: usize) -> Result<RangeInclusive<u16>, InvalidValue> {
    let range = range(text).ok_or_else(|| {
        InvalidValue::new(format!("{text:?} is not a range of ports from 1024 on, such as 9515-9600"))
    })?;
    if range.len() < workers {
        let ports = if range.len() == 1 { "1 port is".to_owned() } else { format!("{} ports are", range.len()) };
        return Err(InvalidValue::new(format!("{ports} too few for {workers} drivers, one per worker")));
    }
    Ok(range)
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (1024 <= first && first <= last).then_some(first..=last)
}

/// How order numbers are written, from two lists.
fn number_format(prefixes: &str, suffixes: &str, refuse: &mut impl FnMut(&str, InvalidValue)) -> PoNumberFormat {
    let mut format = PoNumberFormat::default();
    for (name, list) in [("po_prefixes", prefixes), ("po_suffixes", suffixes)] {
        let parts: Vec<_> = list.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()).collect();
        let more =
            if name == "po_prefixes" { PoNumberFormat::new(&parts, &[]) } else { PoNumberFormat::new(&[], &parts) };
        match more {
            Ok(more) => format = format.or(&more),
            Err(why) => refuse(name, InvalidValue::new(why)),
        }
    }
    format
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
    fn prefixes_and_suffixes_of_order_numbers_are_lists() {
        let settings = |prefixes: &str, suffixes: &str| Settings {
            po_prefixes: Some(prefixes.to_owned()),
            po_suffixes: Some(suffixes.to_owned()),
            ..Settings::default()
        };
        let config = resolve(settings("us, 2D-;", "-#"), None).unwrap();
        assert_eq!(config.input.numbers.parse("2D-7-1").unwrap().po.to_string(), "2D-7");
        let refused = resolve(settings("../", "1"), None).unwrap_err().to_string();
        assert!(refused.contains("po_prefixes") && refused.contains("po_suffixes"), "{refused}");
    }

    #[test]
    fn a_refusal_never_repeats_a_password() {
        let settings =
            Settings { base_url: Some("https://me:hunter2@acme.com".parse().unwrap()), ..Settings::default() };
        assert!(!resolve(settings, None).unwrap_err().to_string().contains("hunter2"));
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
    fn ranges_are_read() {
        assert_eq!(range("9515-9600"), Some(9515..=9600));
        assert_eq!(range(" 9515 - 9516 "), Some(9515..=9516));
        assert_eq!(range("9515"), Some(9515..=9515));
        for text in ["", "80-90", "9600-9515", "9515-", "a-b", "9515-99999"] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn each_worker_needs_a_port() {
        assert_eq!(parse_ports("9515-9518", 4), Ok(9515..=9518));
        let refused = parse_ports("9515-9517", 4).unwrap_err();
        assert_eq!(refused.to_string(), "3 ports are too few for 4 drivers, one per worker");
        assert!(parse_ports("x", 4).unwrap_err().to_string().contains("not a range of ports"));
    }
}
