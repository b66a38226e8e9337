//! Question: does a session open faster on a warmed template (of a browser that was started and closed once, without caches
//! and locks) than on the built-in template, of which a browser makes everything anew?
//! Unit: milliseconds from asking for a session until it can be spoken to, and until its first page is there; medians of
//! interleaved runs, with the quartiles; and of the processor's time that all processes of the session have used by then,
//! which other programs on the machine do not change (Linux). Worse: more of them.
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
    let warmed = factory(&base.path().join("warmed")).unwrap();
    let begun = Instant::now();
    warmed.warm().await.unwrap();
    println!("warming once: {} ms", begun.elapsed().as_millis());

    let mut times = [("built-in", &built_in, vec![], vec![], vec![]), ("warmed", &warmed, vec![], vec![], vec![])];
    for _ in 0..run_count {
        for (_, factory, opened, shown, used) in &mut times {
            let begun = Instant::now();
            let mut session = factory.open(WorkerId(1)).await.unwrap();
            opened.push(begun.elapsed());
            session.page().goto(&page).await.unwrap();
            shown.push(begun.elapsed());
            used.push(session.root_pid().map(processor_time).unwrap_or_default());
            assert!(session.close().await.is_clean());
        }
    }
    for (name, _, mut opened, mut shown, mut used) in times {
        let (opened, shown, used) = (told(&mut opened), told(&mut shown), told(&mut used));
        println!("{name:>10}: open {opened}, first page {shown}, processor {used}");
    }
    portal.stop().await;
}

fn factory(profiles: &Path) -> Option<BrowserFactory> {
    let config = PoolConfig::builder().base_profile_path(profiles).build().unwrap();
    BrowserFactory::new(&config.browser, &config.profiles, config.deadlines).ok()
}

/// What the processes of this group have used so far.
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

fn told(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 4].as_millis();
    format!("{} ms ({} to {})", at(2), at(1), at(3))
}
