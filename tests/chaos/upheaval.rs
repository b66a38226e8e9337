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
use crate::pool::Scene;
use crate::rng::{Rng, number};
use crate::squeeze::{self, PLENTY};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    KillBrowser,
    KillRenderer,
    KillDriver,
    StopBrowser,
    StopDriver,
    SqueezeMemory,
    HangPage,
}

const BLOWS: [Blow; 7] = [
    Blow::KillBrowser,
    Blow::KillRenderer,
    Blow::KillDriver,
    Blow::StopBrowser,
    Blow::StopDriver,
    Blow::SqueezeMemory,
    Blow::HangPage,
];

fn command_line(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).replace('\0', " ")
}

/// Ends or stops one process below `driver` by what its command line says; whether there was one.
fn strike(driver: u32, signal: Signal, is_it: impl Fn(&str) -> bool) -> bool {
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

/// Strikes a worker that chance picks; whether there was something to strike.
fn deal(blow: Blow, pool: &PersistentWorkerPool, scene: &Scene, limit: &AtomicU64, dice: &mut Rng) -> bool {
    let status = pool.status();
    let drivers: Vec<_> = status.workers.values().filter_map(|worker| worker.pid).collect();
    if drivers.is_empty() {
        return false; // all of them are just being replaced
    }
    let driver = drivers[usize::try_from(dice.below(drivers.len() as u64)).unwrap()];
    match blow {
        Blow::KillBrowser => strike(driver, Signal::KILL, is_browser),
        Blow::KillRenderer => strike(driver, Signal::KILL, is_renderer),
        Blow::KillDriver => strike(driver, Signal::KILL, is_driver),
        Blow::StopBrowser => strike(driver, Signal::STOP, is_browser),
        Blow::StopDriver => strike(driver, Signal::STOP, is_driver),
        Blow::SqueezeMemory => {
            // critical until the next reading has been seen and something was done about it
            let held: u64 = status.memory.workers.values().sum::<u64>() + status.memory.own_bytes;
            limit.store(held.max(1), Ordering::SeqCst);
            true
        }
        Blow::HangPage => {
            scene.portal.faults().add(FaultRule::new(PortalFault::BusyScript, RequestTarget::OrderPage).times(1));
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
    let Some(mut scene) = Scene::new(20, 4).await else { return };
    scene.config.deadlines.command = Duration::from_secs(4);
    scene.config.deadlines.page = Duration::from_secs(8);
    scene.config.retry.limit = 20;
    // what is tried here is whether the pool bears it, and not when it gives up
    scene.config.restart.limit = 100_000;
    scene.config.memory.interval = Duration::from_millis(500);
    scene.config.memory.cool_down = Duration::from_secs(2);
    scene.config.scaling.min = NonZeroUsize::MIN.saturating_add(2);
    let limit = Arc::new(AtomicU64::new(PLENTY));
    let before = descriptors();
    let pool = squeeze::start(&scene, &limit);
    let mut dice = Rng(seed);
    let mut dealt: BTreeMap<Blow, u32> = BTreeMap::new();
    let mut set_aside = 0;
    let (begun, mut rounds) = (Instant::now(), 0);
    let mut next_blow = Duration::from_secs(3);
    // on a machine under load it lasts longer: as long as too little was dealt to prove anything
    let lasts = |dealt: &BTreeMap<Blow, u32>| {
        begun.elapsed() < Duration::from_secs(seconds) || dealt.values().sum::<u32>() < ENOUGH
    };
    while lasts(&dealt) {
        let mut round: HashMap<PoNumber, TaskHandle> = HashMap::new();
        let mut wanted = scene.orders();
        while !wanted.is_empty() {
            let handles = pool.submit_tasks(wanted.drain(..).map(PoTask::new)).await.unwrap();
            loop {
                let left = next_blow.saturating_sub(begun.elapsed());
                if pool.wait_for_completion(Some(left)).await.is_ok() {
                    break;
                }
                let status = pool.status();
                assert_eq!(status.stopped_because, None, "{status:?}");
                assert!(begun.elapsed() < Duration::from_secs(seconds * 4 + 120), "it stands still: {status:?}");
                limit.store(PLENTY, Ordering::SeqCst);
                if lasts(&dealt) {
                    let blow = BLOWS[usize::try_from(dice.below(BLOWS.len() as u64)).unwrap()];
                    if deal(blow, &pool, &scene, &limit, &mut dice) {
                        *dealt.entry(blow).or_default() += 1;
                    }
                }
                next_blow = begun.elapsed() + Duration::from_millis(1500 + dice.below(2500));
            }
            // what was struck twice is set aside, and asked for again as a user would
            let is_set_aside = |handle: &TaskHandle| handle.outcome().unwrap().status() == OrderStatus::Skipped;
            wanted = handles.iter().filter(|handle| is_set_aside(handle)).map(|handle| handle.po().clone()).collect();
            set_aside += wanted.len();
            round.extend(handles.into_iter().map(|handle| (handle.po().clone(), handle)));
        }
        rounds += 1;
        scene.check(&round.into_values().collect::<Vec<_>>());
    }
    limit.store(PLENTY, Ordering::SeqCst);
    println!("{rounds} rounds, dealt {dealt:?}, {set_aside} times an order was set aside");
    assert!(dealt.values().sum::<u32>() >= ENOUGH, "too little to prove anything");
    let status = pool.status();
    assert_eq!(status.tasks.settled(), status.tasks.admitted);
    println!("restarts: {:?}", status.workers.values().map(|worker| worker.restart_count).collect::<Vec<_>>());
    scene.end(pool).await;
    // connections to the portal close a little later
    let after = descriptors();
    assert!(after <= before + 40, "{before} descriptors before, {after} after");
}
