//! Every few seconds something dies, stands still or runs short, and every order ends once and right.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use coupa_batch::demo::{FaultRule, PortalFault, RequestTarget};
use coupa_batch::model::{OrderStatus, PoTask};
use coupa_batch::{PersistentWorkerPool, PoNumber, TaskHandle};
use rustix::process::{Pid, Signal, kill_process};

use crate::browser::tree;
use crate::memory_limit::{self, PLENTY};
use crate::pool::Scenario;
use crate::rng::{Rng, number};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum InjectedFault {
    KillBrowser,
    KillRenderer,
    KillDriver,
    StopBrowser,
    StopDriver,
    LimitMemory,
    HangPage,
}

const FAULTS: [InjectedFault; 7] = [
    InjectedFault::KillBrowser,
    InjectedFault::KillRenderer,
    InjectedFault::KillDriver,
    InjectedFault::StopBrowser,
    InjectedFault::StopDriver,
    InjectedFault::LimitMemory,
    InjectedFault::HangPage,
];

fn command_line(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).replace('\0', " ")
}

/// Ends or stops one process below `driver` by what its command line says; whether there was one.
fn signal_process(driver: u32, signal: Signal, is_it: impl Fn(&str) -> bool) -> bool {
    let victim = tree(driver).into_iter().find(|pid| is_it(&command_line(*pid)));
    let pid = victim.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    // it may have ended in between
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

fn is_driver(line: &str) -> bool {
    line.contains("--port=")
}

fn is_browser(line: &str) -> bool {
    line.contains("--user-data-dir=") && !line.contains("--type=") && !is_driver(line)
}

fn is_renderer(line: &str) -> bool {
    line.contains("--type=renderer")
}

/// Injects the fault into a worker that chance picks; whether there was one.
fn inject(
    fault: InjectedFault,
    pool: &PersistentWorkerPool,
    scenario: &Scenario,
    limit: &AtomicU64,
    rng: &mut Rng,
) -> bool {
    let status = pool.status();
    let drivers: Vec<_> = status.workers.values().filter_map(|worker| worker.pid).collect();
    if drivers.is_empty() {
        return false; // all of them are just being replaced
    }
    let driver = drivers[usize::try_from(rng.below(drivers.len() as u64)).unwrap()];
    match fault {
        InjectedFault::KillBrowser => signal_process(driver, Signal::KILL, is_browser),
        InjectedFault::KillRenderer => signal_process(driver, Signal::KILL, is_renderer),
        InjectedFault::KillDriver => signal_process(driver, Signal::KILL, is_driver),
        InjectedFault::StopBrowser => signal_process(driver, Signal::STOP, is_browser),
        InjectedFault::StopDriver => signal_process(driver, Signal::STOP, is_driver),
        InjectedFault::LimitMemory => {
            // critical until the next reading has been seen and something was done about it
            let held: u64 = status.memory.workers.values().sum::<u64>() + status.memory.own_bytes;
            limit.store(held.max(1), Ordering::SeqCst);
            true
        }
        InjectedFault::HangPage => {
            scenario.portal.faults().add(FaultRule::new(PortalFault::BusyScript, RequestTarget::OrderPage).times(1));
            true
        }
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Least blows that prove something.
const ENOUGH: u32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_or_stands_still_every_order_ends_once_and_nothing_is_left() {
    let _turn = crate::turn().await;
    let (seed, seconds) = (number("CHAOS_SEED", 7), number("CHAOS_SECONDS", 18));
    println!("CHAOS_SEED={seed} CHAOS_SECONDS={seconds}");
    let Some(mut scenario) = Scenario::new(20, 4).await else { return };
    scenario.config.deadlines.command = Duration::from_secs(4);
    scenario.config.deadlines.page = Duration::from_secs(8);
    scenario.config.retry.limit = 20;
    // what is tried here is whether the pool bears it, and not when it gives up
    scenario.config.restart.limit = 100_000;
    scenario.config.memory.interval = Duration::from_millis(500);
    scenario.config.memory.cool_down = Duration::from_secs(2);
    scenario.config.scaling.min = NonZeroUsize::MIN.saturating_add(2);
    let limit = Arc::new(AtomicU64::new(PLENTY));
    let before = descriptors();
    let pool = memory_limit::start(&scenario, &limit);
    let mut rng = Rng(seed);
    let mut injected: BTreeMap<InjectedFault, u32> = BTreeMap::new();
    let mut quarantined = 0;
    let (begun, mut rounds) = (Instant::now(), 0);
    let mut next_fault = Duration::from_secs(3);
    // on a machine under load it lasts longer: as long as too little was injected to prove anything
    let lasts = |injected: &BTreeMap<InjectedFault, u32>| {
        begun.elapsed() < Duration::from_secs(seconds) || injected.values().sum::<u32>() < ENOUGH
    };
    while lasts(&injected) {
        let mut round: HashMap<PoNumber, TaskHandle> = HashMap::new();
        let mut wanted = scenario.orders();
        while !wanted.is_empty() {
            let handles = pool.submit_tasks(wanted.drain(..).map(PoTask::new)).await.unwrap();
            loop {
                let left = next_fault.saturating_sub(begun.elapsed());
                if pool.wait_for_completion(Some(left)).await.is_ok() {
                    break;
                }
                let status = pool.status();
                assert_eq!(status.stopped_because, None, "{status:?}");
                assert!(begun.elapsed() < Duration::from_secs(seconds * 4 + 120), "it stands still: {status:?}");
                limit.store(PLENTY, Ordering::SeqCst);
                if lasts(&injected) {
                    let fault = FAULTS[usize::try_from(rng.below(FAULTS.len() as u64)).unwrap()];
                    if inject(fault, &pool, &scenario, &limit, &mut rng) {
                        *injected.entry(fault).or_default() += 1;
                    }
                }
                next_fault = begun.elapsed() + Duration::from_millis(1500 + rng.below(2500));
            }
            // what crashed browsers too often is quarantined, and asked for again as a user would
            let is_quarantined = |handle: &TaskHandle| handle.outcome().unwrap().status() == OrderStatus::Skipped;
            wanted = handles.iter().filter(|handle| is_quarantined(handle)).map(|handle| handle.po().clone()).collect();
            quarantined += wanted.len();
            round.extend(handles.into_iter().map(|handle| (handle.po().clone(), handle)));
        }
        rounds += 1;
        scenario.check(&round.into_values().collect::<Vec<_>>());
    }
    limit.store(PLENTY, Ordering::SeqCst);
    println!("{rounds} rounds, injected {injected:?}, {quarantined} times an order was quarantined");
    assert!(injected.values().sum::<u32>() >= ENOUGH, "too little to prove anything");
    let status = pool.status();
    assert_eq!(status.tasks.settled(), status.tasks.admitted);
    println!("restarts: {:?}", status.workers.values().map(|worker| worker.restart_count).collect::<Vec<_>>());
    scenario.end(pool).await;
    // connections to the portal close a little later
    let after = descriptors();
    assert!(after <= before + 40, "{before} descriptors before, {after} after");
}
