//! Question: what does it cost to start several sessions side by side, as a run does? How long until the first can work, and
//! until the last can? How much processor time and memory have they used one second after that?
//! Unit: seconds of the clock, seconds of processor time of all processes of the sessions, megabytes (proportional set size);
//! medians, with the lowest and the highest. More is worse. Processor time is affected by other programs far less than the
//! clock is.
//! Parameters: `START_RUNS` = how often (5), `START_SESSIONS` = how many at once (4), `START_BROWSER` = which (`auto`).
//! Needs a browser, and Linux for processor time and memory: `cargo bench --bench start`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on says where")]

use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use coupa_batch::PoolConfig;
use coupa_batch::backend::{Session, SessionFactory};
use coupa_batch::browser::BrowserFactory;
use coupa_batch::config::BrowserChoice;
use coupa_batch::model::WorkerId;
use futures_util::future::join_all;

/// How long after the last session is ready processors and memory are looked at: some browsers go on working for a while.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

fn parameter<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() {
    let (run_count, session_count) = (parameter("START_RUNS", 5), parameter::<u16>("START_SESSIONS", 4));
    let base = tempfile::Builder::new().prefix("p").tempdir().unwrap();
    let Some(factory) = factory(base.path()) else { return };
    // programs and libraries are in the memory of the system from now on
    factory.warm().await.unwrap();
    let mut measured: [(&str, Vec<f64>); 4] =
        [("first ready, s", vec![]), ("all ready, s", vec![]), ("processor, s", vec![]), ("memory, MB", vec![])];
    for _ in 0..run_count {
        let started = Instant::now();
        let opened = join_all((1..=session_count).map(async |worker| {
            let session = factory.open(WorkerId(worker)).await.unwrap();
            (started.elapsed(), session)
        }));
        let opened: Vec<(Duration, Box<dyn Session>)> = opened.await;
        let times = || opened.iter().map(|(at, _)| at.as_secs_f64());
        let (first, last) = (times().fold(f64::INFINITY, f64::min), times().fold(0.0, f64::max));
        tokio::time::sleep(SETTLED_AFTER).await;
        let used: Vec<_> = opened.iter().filter_map(|(_, session)| session.root_pid()).map(usage).collect();
        let (ticks, kilobytes) = used.iter().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        for ((_, values), value) in
            measured.iter_mut().zip([first, last, ticks as f64 / 100.0, kilobytes as f64 / 1000.0])
        {
            values.push(value);
        }
        let reports = join_all(opened.into_iter().map(|(_, session)| session.close())).await;
        assert!(reports.iter().all(coupa_batch::backend::CloseReport::is_clean), "{reports:?}");
    }
    println!("{}, {session_count} sessions at once, {run_count} runs", factory.installation().kind);
    for (what, values) in &mut measured {
        values.sort_by(f64::total_cmp);
        let at = |share: usize| values[(values.len() - 1) * share / 2];
        println!("{what:>16}: {:.2} ({:.2} to {:.2})", at(1), at(0), at(2));
    }
}

fn factory(profiles: &Path) -> Option<BrowserFactory> {
    let mut config = PoolConfig::builder().base_profile_path(profiles).build().unwrap();
    config.browser.choice = parameter("START_BROWSER", BrowserChoice::Auto);
    match BrowserFactory::new(&config.browser, &config.profiles, config.deadlines) {
        Ok(factory) => Some(factory),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

/// Hundredths of a second of processor time and kilobytes of memory of all processes of a group.
fn usage(group: u32) -> (u64, u64) {
    let processes = std::fs::read_dir("/proc").into_iter().flatten();
    let processes = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let used = processes.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // "pid (name) state ppid pgrp …"; the name may hold anything, so count from its last parenthesis
        let fields: Vec<_> = stat.rsplit(')').next()?.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        // with those of its children that have ended
        let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
        (number(2)? == u64::from(group)).then(|| (ticks, proportional_kilobytes(&pid)))
    });
    used.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
}

fn proportional_kilobytes(pid: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
