//! Capabilities that a new session is started with.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::browser::install::locate::Installation;
use crate::browser::webdriver::vendor::BrowserKind;
use crate::config::{BrowserConfig, Sandbox, Timeouts};
use crate::net::network_policy::NetworkPolicy;

/// Command-line switches of every browser. It talks to the portal and to no service of its vendor.
const SWITCHES: [&str; 18] = [
    "no-first-run",
    "no-default-browser-check",
    "no-service-autorun",
    "disable-background-networking",
    "disable-breakpad",
    "disable-client-side-phishing-detection",
    "disable-component-update",
    "disable-default-apps",
    "disable-domain-reliability",
    "disable-extensions",
    "disable-sync",
    "metrics-recording-only",
    "mute-audio",
    // pages of workers are never in the foreground; their timers must run anyway
    "disable-background-timer-throttling",
    "disable-backgrounding-occluded-windows",
    "disable-renderer-backgrounding",
    // in the back-forward cache a page keeps its open connections after it was left; a site that holds one per page (as
    // portals do) would have used up the six connections per host after as many orders. A script that is parsed while
    // it comes in is not found in the code cache, and portals send the same scripts with each page
    "disable-features=BackForwardCache,ScriptStreaming",
    // the browser ends when its driver does, and no other process can control it through a port
    "remote-debugging-pipe",
];

/// What a session is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "internals"), allow(dead_code, reason = "the lanes that use it come next"))]
pub(crate) enum SessionPurpose {
    /// Orders one after another in the page itself, with the browser's own downloads.
    #[default]
    Tab,
    /// Several orders at a time in frames of the page, without pictures; files come by HTTP.
    Frames,
}

/// Body of the New Session command.
pub(crate) fn new_session(
    installation: &Installation,
    config: &BrowserConfig,
    timeouts: &Timeouts,
    profile: &Path,
    network_policy: &NetworkPolicy,
    purpose: SessionPurpose,
) -> Value {
    let vendor = installation.kind.vendor();
    let mut args: Vec<String> = SWITCHES.iter().map(|switch| format!("--{switch}")).collect();
    args.push(format!("--user-data-dir={}", profile.display()));
    args.push("--window-size=1366,900".to_owned());
    args.push("--password-store=basic".to_owned()); // never asks to unlock the keyring of the desktop
    if let Some(rules) = network_policy.rules() {
        args.push(format!("--host-resolver-rules={rules}"));
    }
    args.extend(installation.kind.start_switches(config.headless).iter().map(|switch| format!("--{switch}")));
    match purpose {
        SessionPurpose::Tab => {} // a screenshot that is evidence shows the page as it is
        SessionPurpose::Frames => args.push("--blink-settings=imagesEnabled=false".to_owned()),
    }
    if runs_without_sandbox(installation.kind, config.sandbox) {
        args.push("--no-sandbox".to_owned());
    }
    if cfg!(target_os = "linux") {
        args.push("--disable-dev-shm-usage".to_owned()); // containers have 64 MB there, and pages crash when it is full
    }
    let page = driver_limit(timeouts.page).as_millis();
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": vendor.browser_name,
        "pageLoadStrategy": "eager",
        // a dialog would block every later command
        "unhandledPromptBehavior": "dismiss",
        "timeouts": { "implicit": 0, "pageLoad": page, "script": page },
        vendor.logging: { "performance": "ALL" },
        vendor.options: {
            "binary": installation.browser.display().to_string(),
            "args": args,
            // download events belong to the page domain; the network domain is enabled later, without its memory for
            // bodies
            "perfLoggingPrefs": { "enableNetwork": false, "enablePage": true },
        },
    }}})
}

/// The driver's limit for a page and for a script, below ours, so that a slow page fails an attempt and not the session.
pub(crate) fn driver_limit(deadline: Duration) -> Duration {
    // drivers were seen to respond up to a second after their own limit, and later under full load
    deadline.saturating_sub((deadline / 4).min(Duration::from_secs(10)))
}

/// Browsers refuse to start as root on Linux with their sandbox on.
fn runs_without_sandbox(kind: BrowserKind, sandbox: Sandbox) -> bool {
    match sandbox {
        Sandbox::On => false,
        Sandbox::Off => true,
        Sandbox::Auto => {
            let is_refused = is_root_on_linux();
            if is_refused {
                warn_once(kind);
            }
            is_refused
        }
    }
}

fn warn_once(kind: BrowserKind) {
    static WARNED: std::sync::Once = std::sync::Once::new();
    WARNED.call_once(|| {
        tracing::warn!("{kind} runs without its sandbox, which does not work as root; run as an ordinary user");
    });
}

fn is_root_on_linux() -> bool {
    #[cfg(target_os = "linux")]
    return rustix::process::geteuid().is_root();
    #[cfg(not(target_os = "linux"))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser::install::version::Version;
    use crate::config::PoolConfig;

    fn body(kind: BrowserKind, sandbox: Sandbox) -> String {
        body_for(kind, sandbox, true, SessionPurpose::Tab)
    }

    fn body_for(kind: BrowserKind, sandbox: Sandbox, headless: bool, purpose: SessionPurpose) -> String {
        let config = PoolConfig::builder().build().unwrap();
        let version = Version::find_in("156.0.1.2").unwrap();
        let installation = Installation {
            kind,
            browser: "/b".into(),
            browser_version: version.clone(),
            driver: "/d".into(),
            driver_version: version,
        };
        let mut browser = config.browser.clone();
        browser.sandbox = sandbox;
        browser.headless = headless;
        let policy = NetworkPolicy::default();
        new_session(&installation, &browser, &config.deadlines, Path::new("/p"), &policy, purpose).to_string()
    }

    #[test]
    fn each_browser_gets_only_its_own_capabilities() {
        let edge = body(BrowserKind::Edge, Sandbox::On);
        assert!(edge.contains("MicrosoftEdge") && edge.contains("ms:edgeOptions") && !edge.contains("goog:"), "{edge}");
        let chrome = body(BrowserKind::Chromium, Sandbox::On);
        assert!(chrome.contains("goog:chromeOptions") && !chrome.contains("ms:"), "{chrome}");
    }

    #[test]
    fn only_what_nobody_looks_at_starts_as_an_application_window_or_without_pictures() {
        let has = |kind, headless, purpose, switch: &str| {
            body_for(kind, Sandbox::On, headless, purpose).contains(&format!("\"--{switch}"))
        };
        for kind in BrowserKind::ALL {
            for (headless, purpose) in
                [(true, SessionPurpose::Tab), (true, SessionPurpose::Frames), (false, SessionPurpose::Tab)]
            {
                assert_eq!(has(kind, headless, purpose, "app=data:,"), headless, "{kind}");
                assert_eq!(has(kind, headless, purpose, "headless=new"), headless, "{kind}");
                let has_no_pictures = has(kind, headless, purpose, "blink-settings=imagesEnabled=false");
                assert_eq!(has_no_pictures, purpose == SessionPurpose::Frames, "{kind}");
            }
        }
        let shell = BrowserKind::ChromiumHeadlessShell;
        assert!(!has(shell, true, SessionPurpose::Tab, "headless") && !has(shell, true, SessionPurpose::Tab, "app"));
    }

    #[test]
    fn the_sandbox_is_off_only_when_it_must_be() {
        assert!(!body(BrowserKind::Chromium, Sandbox::On).contains("--no-sandbox"));
        assert!(body(BrowserKind::Chromium, Sandbox::Off).contains("--no-sandbox"));
        assert_eq!(body(BrowserKind::Chromium, Sandbox::Auto).contains("--no-sandbox"), is_root_on_linux());
    }

    #[test]
    fn the_limits_of_the_driver_are_below_ours() {
        for seconds in [1, 5, 15, 60, 600] {
            let deadline = Duration::from_secs(seconds);
            assert!(driver_limit(deadline) < deadline && driver_limit(deadline) >= deadline * 3 / 4);
        }
    }
}
