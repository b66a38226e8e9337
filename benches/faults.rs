//! Question: how much longer does a run take on a portal that fails now and then than on the same portal undisturbed?
//! Unit: seconds of the clock, and the ratio to the undisturbed run just before, after what the portal itself imposed was
//! taken off: the time for which a `Retry-After` was in force, and the share of slow bodies that falls to one worker.
//! Medians, with the lowest and the highest. Worse: a ratio of more than two.
//! Parameters: `FAULTS_RUNS` = how often (3), `FAULTS_ORDERS` = how many orders (60), `FAULTS_WORKERS` = how many at once (4),
//! `FAULTS_ONLY` = names of scenarios (all), `FAULTS_KEEP` = a folder for the files and the journals of the runs.
//! Needs a browser: `cargo bench --bench faults`. Each run is checked against what the portal served.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on says where")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use coupa_batch::browser::locate;
use coupa_batch::config::Credentials;
use coupa_batch::demo::{
    DemoConfig, DemoPortal, FaultRule, Faults, LoginAnswer, PortalFault, RequestTarget, RetryAfter, check,
};
use coupa_batch::{Batch, BatchEvent, PoTask, PoolConfig};

/// How long a slow body takes.
const SLOW_BODY: Duration = Duration::from_secs(3);

fn parameter<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What goes wrong, by name.
fn scenarios() -> Vec<(&'static str, Faults)> {
    use PortalFault::{LoginEnded, Reset, ResetMidway, SlowBody, Status, Throttled, Truncated};
    use RequestTarget::{Anything, File, OrderPage};
    let rule = FaultRule::new;
    let wish = |seconds| Throttled(RetryAfter::Seconds(seconds));
    vec![
        ("server errors: one answer in 20 is 502", vec![rule(Status(502), Anything).every(20)]),
        (
            "throttled: 12 answers of 429 with Retry-After of 1 s and 2 s",
            vec![rule(wish(1), Anything).every(25).times(6), rule(wish(2), Anything).every(27).times(6)],
        ),
        (
            "throttled silently: 12 answers of 429 without Retry-After",
            vec![rule(Status(429), Anything).every(26).times(12)],
        ),
        ("one order page is 429 without Retry-After", vec![rule(Status(429), OrderPage).every(20).times(1)]),
        (
            "resets: one answer in 20 before it, one file in 10 in the middle",
            vec![rule(Reset, Anything).every(20), rule(ResetMidway, File).every(10)],
        ),
        ("one file is cut once", vec![rule(Truncated, File).every(5).times(1)]),
        ("slow bodies: one file in 8 takes 3 s", vec![rule(SlowBody(SLOW_BODY), File).every(8)]),
        ("logins: three end", vec![rule(LoginEnded(LoginAnswer::Redirect), OrderPage).every(15).times(3)]),
    ]
}

/// One run.
struct Measured {
    took: f64,
    /// When nine of ten orders had ended.
    nine_tenths: f64,
    /// What the portal imposed.
    imposed: f64,
    /// How many faults there were.
    faults: u64,
    /// Failed attempts by kind.
    failures: BTreeMap<String, usize>,
}

#[tokio::main]
async fn main() {
    let probe = PoolConfig::builder().build().unwrap();
    if let Err(why) = locate(&probe.browser) {
        println!("skipped: {why}");
        return;
    }
    let (runs, only): (usize, String) = (parameter("FAULTS_RUNS", 3), parameter("FAULTS_ONLY", String::new()));
    let mut chosen = scenarios();
    chosen.retain(|(name, _)| only.is_empty() || only.split(',').any(|part| name.contains(part)));
    let mut undisturbed = Vec::new();
    let mut measured: Vec<Vec<(Measured, f64)>> = chosen.iter().map(|_| Vec::new()).collect();
    for round in 1..=runs {
        let mut base = 0.0;
        for (at, (name, faults)) in chosen.iter().enumerate() {
            // the machine may have other work, now more and now less: each two scenarios have a run of their own beside them
            if at % 2 == 0 {
                let plain = run(Faults::new(), &format!("{round}-undisturbed-{at}")).await;
                println!("round {round}, undisturbed: {:.1} s, 90 % after {:.1} s", plain.took, plain.nine_tenths);
                base = plain.took;
                undisturbed.push(plain.took);
            }
            let label = name.split(':').next().unwrap_or(name);
            let one = run(faults.clone(), &format!("{round}-{}", label.replace(' ', "-"))).await;
            println!(
                "round {round}, {label}: {:.1} s, 90 % after {:.1} s, {:.1} s imposed, {} faults, {:?}",
                one.took, one.nine_tenths, one.imposed, one.faults, one.failures
            );
            measured[at].push((one, base));
        }
    }
    println!("\n| Scenario | Run | 90 % of the orders | Imposed | Ratio |\n|---|---:|---:|---:|---:|");
    println!("| undisturbed | {} | | | 1 |", spread(undisturbed.into_iter(), " s"));
    for ((name, _), runs) in chosen.iter().zip(&measured) {
        let of = |value: fn(&Measured) -> f64| spread(runs.iter().map(|(run, _)| value(run)), " s");
        let ratio = spread(runs.iter().map(|(run, base)| (run.took - run.imposed) / base), "");
        println!(
            "| {name} | {} | {} | {} | {ratio} |",
            of(|run| run.took),
            of(|run| run.nine_tenths),
            of(|run| run.imposed)
        );
    }
}

/// The median, with the lowest and the highest.
fn spread(values: impl Iterator<Item = f64>, unit: &str) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |share: usize| values[(values.len() - 1) * share / 2];
    let digits = if unit.is_empty() { 2 } else { 1 };
    format!("{:.digits$}{unit} ({:.digits$} to {:.digits$})", at(1), at(0), at(2))
}

async fn run(faults: Faults, name: &str) -> Measured {
    let base = tempfile::Builder::new().prefix("p").tempdir().unwrap();
    let out = match std::env::var_os("FAULTS_KEEP") {
        Some(folder) => PathBuf::from(folder).join(name),
        None => base.path().join("out"),
    };
    let workers: u32 = parameter("FAULTS_WORKERS", 4);
    let orders = parameter("FAULTS_ORDERS", 60);
    let portal = DemoPortal::start(DemoConfig { orders, faults, ..DemoConfig::default() }).await.unwrap();
    let builder = PoolConfig::builder().base_profile_path(base.path()).worker_count(workers).out(&out);
    let mut config = builder.base_url(portal.base_url().as_str()).build().unwrap();
    config.site.recipe = portal.look().recipe().to_owned();
    config.site.credentials = Some(Credentials { username: portal.username().to_owned(), password: portal.password() });
    config.site.login_dir = Some(base.path().join("logins"));
    let begun = Instant::now();
    let ends: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let observed = Arc::clone(&ends);
    let batch = Batch::new(config).observe(move |event| {
        if let BatchEvent::OrderFinished { .. } = event {
            observed.lock().unwrap().push(begun.elapsed());
        }
    });
    let report = batch.run(portal.orders().into_iter().map(PoTask::new)).await.unwrap().unwrap();
    let took = begun.elapsed().as_secs_f64();
    let outcomes: Vec<_> = (report.history.tasks.values())
        .filter_map(|state| Some((state.order().po.clone(), state.outcome()?.clone())))
        .collect();
    for mismatch in check(&portal, &out, &outcomes) {
        println!("WRONG in {name}: {mismatch}");
    }
    let counts = portal.counts();
    let slow = portal.struck(&PortalFault::SlowBody(SLOW_BODY)) as f64 * SLOW_BODY.as_secs_f64() / f64::from(workers);
    portal.stop().await;
    let nine_tenths = {
        let ends = ends.lock().unwrap();
        ends.get(ends.len() * 9 / 10).copied().unwrap_or_default().as_secs_f64()
    };
    Measured {
        took,
        nine_tenths,
        imposed: counts.wished.as_secs_f64() + slow,
        faults: counts.faults_struck,
        failures: failures(&out),
    }
}

/// Failed attempts by kind, from the journal.
fn failures(out: &Path) -> BTreeMap<String, usize> {
    let journal = rusqlite::Connection::open(out.join(".coupa-batch/journal.db")).unwrap();
    let mut query = journal.prepare("SELECT entry FROM entries").unwrap();
    let mut failures = BTreeMap::new();
    for entry in query.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        let entry: serde_json::Value = serde_json::from_str(&entry.unwrap()).unwrap();
        if entry["entry"] == "postponed" {
            *failures.entry(entry["failure"]["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    failures
}
