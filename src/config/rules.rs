//! Layers to a complete configuration: every rule that settings must obey.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::time::Duration;

use super::drivers::parse_ports;
use super::error::{ConfigError, ConfigProblem};
use super::scaling::scaling;
use super::sections::{
    AdmissionConfig, BrowserConfig, Credentials, DriverConfig, MemoryConfig, PoolConfig, ProfileConfig, RecycleConfig,
    RestartConfig, RetryConfig, SiteConfig, Timeouts,
};
use super::settings::{Settings, defaults};
use super::types::{Canary, Filter, WorkerCount, check_address, check_hook, read_private_hosts, read_types};

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
/// [`ConfigError`] with every problem, not only the first.
pub fn resolve(settings: Settings, credentials: Option<Credentials>) -> Result<PoolConfig, ConfigError> {
    let (defaults, broken) = defaults();
    let mut problems: Vec<_> = broken.into_iter().map(|(name, why)| ConfigProblem::new(name, why)).collect();
    let preset = if settings.polite == Some(true) { polite() } else { Settings::default() };
    let settings = settings.over(preset).over(defaults);
    problems.extend(settings.range_problems());
    let mut refuse = |setting: &str, why: String| problems.push(ConfigProblem::new(setting, why));

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
    let retry_limit = settings.retry_limit.unwrap_or_default();
    let recycle_after = settings.recycle_after.unwrap_or_default();
    let profile_max_size = settings.profile_max_size.unwrap_or_default();
    if let Some(url) = &settings.base_url
        && let Err(why) = check_address(url)
    {
        refuse("base_url", why);
    }
    if let Some(why) = settings.notify_url.as_ref().and_then(|address| check_hook(address).err()) {
        refuse("notify_url", why);
    }
    let (private_hosts, wrong) = read_private_hosts(&settings.private_hosts.unwrap_or_default());
    wrong.into_iter().for_each(|why| refuse("private_hosts", why));
    for (name, path) in [("browser_path", &settings.browser_path), ("driver_path", &settings.driver_path)] {
        if let Some(path) = path.as_deref().filter(|path| !is_program(path)) {
            refuse(name, format!("there is no program file at {}", path.display()));
        }
    }
    if let Some(path) = settings.profile_template.as_deref().filter(|path| !path.is_dir()) {
        refuse("profile_template", format!("there is no folder at {}", path.display()));
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
    let retry = RetryConfig {
        limit: retry_limit,
        delay_min: settings.retry_delay.unwrap_or_default(),
        throttle_delay: settings.throttle_delay.unwrap_or_default(),
        delay_max: settings.retry_delay_max.unwrap_or_default(),
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
        (retry.throttle_delay, retry.delay_max, ("retry_delay_max", "throttle_delay")),
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
        hold: AdmissionConfig { max_cpu: settings.max_cpu, min_free_memory: settings.min_free_memory },
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
            order_max_size: settings.order_max_size.unwrap_or_default(),
            evidence_max_size: settings.evidence_max_size.unwrap_or_default(),
            requisition: settings.requisition.unwrap_or_default(),
            credentials,
        },
        notify_url: settings.notify_url,
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
