//! Question: does a session open faster on a pre-warmed template (of a browser that was started and closed once, without
//! caches and locks) than on the built-in one, from which the browser has to create everything?
//! Unit: milliseconds from the request until the session is open, and until its first page is loaded; medians of
//! interleaved runs, with quartiles; and processor time that all processes of the session have used by then, which other
//! programs do not affect (Linux). More is worse.
//! Parameters: `PROFILES_RUNS` = how often each is opened (20). Needs a browser: `cargo bench --bench profiles`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on says where")]

use std::path::Path;
use std::time::{Duration, Instant};

use coupa_batch::PoolConfig;
use coupa_batch::backend::SessionFactory;
use coupa_batch::browser::BrowserFactory;
use coupa_batch::demo::{DemoConfig, DemoPortal};
use coupa_batch::model::WorkerId;

#[tokio::main]
async fn main() {
    let run_count: usize = std::env::var("PROFILES_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let portal = DemoPortal::start(DemoConfig { orders: 1, ..DemoConfig::default() }).await.unwrap();
    let page = portal.base_url().to_string();
    let base = tempfile::Builder::new().prefix("p").tempdir().unwrap();
    let Some(built_in) = factory(&base.path().join("built-in")) else {
        println!("skipped: no browser is installed");
        return;
    };
    let warm = factory(&base.path().join("warm")).unwrap();
    let started = Instant::now();
    warm.warm().await.unwrap();
    println!("pre-warming once: {} ms", started.elapsed().as_millis());

    let mut times = [("built-in", &built_in, vec![], vec![], vec![]), ("warm", &warm, vec![], vec![], vec![])];
    for _ in 0..run_count {
        for (_, factory, opened, shown, used) in &mut times {
            let started = Instant::now();
            let mut session = factory.open(WorkerId(1)).await.unwrap();
            opened.push(started.elapsed());
            session.page().goto(&page).await.unwrap();
            shown.push(started.elapsed());
            used.push(session.root_pid().map(processor_time).unwrap_or_default());
            assert!(session.close().await.is_clean());
        }
    }
    for (name, _, mut opened, mut shown, mut used) in times {
        let (opened, shown, used) = (summary(&mut opened), summary(&mut shown), summary(&mut used));
        println!("{name:>10}: open {opened}, first page {shown}, processor {used}");
    }
    portal.stop().await;
}

fn factory(profiles: &Path) -> Option<BrowserFactory> {
    let config = PoolConfig::builder().base_profile_path(profiles).build().unwrap();
    BrowserFactory::new(&config.browser, &config.profiles, config.deadlines).ok()
}

/// Processor time of all processes of this group.
fn processor_time(group: u32) -> Duration {
    let processes =
        std::fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let ticks = processes.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // "pid (name) state ppid pgrp …"; the name may hold anything, so count from its last parenthesis
        let fields: Vec<_> = stat.rsplit(')').next()?.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        (number(2)? == u64::from(group)).then_some(number(11)? + number(12)?)
    });
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

fn summary(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 4].as_millis();
    format!("{} ms ({} to {})", at(2), at(1), at(3))
}
