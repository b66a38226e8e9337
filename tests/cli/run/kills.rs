//! The program is killed again and again, at moments drawn from a seed that is printed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use coupa_batch::demo::DemoPortal;
use coupa_batch::model::MANIFEST_NAME;
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use crate::harness::command::{TestEnv, assert_all_there, portal, processes_of};
use crate::needs_browser;
use crate::rng::{Rng, number};

/// Whatever lies in the folder of an order at this moment is a whole file of the portal's.
fn assert_only_whole_files(out: &Path, digests: &BTreeSet<String>) {
    let mut folders = vec![out.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().unwrap().is_dir() {
                if !name.starts_with('.') {
                    folders.push(entry.path());
                }
            } else if folder != out && name != MANIFEST_NAME {
                let digest: String =
                    Sha256::digest(fs::read(entry.path()).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(digests.contains(&digest), "{} is no file of the portal", entry.path().display());
            }
        }
    }
}

fn all_digests(portal: &DemoPortal) -> BTreeSet<String> {
    let files = portal.orders().into_iter().flat_map(|po| portal.expected(&po).unwrap().files);
    files.map(|file| file.sha256).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_again_and_again_ends_with_every_file_once() {
    needs_browser!();
    let seed = number("CHAOS_SEED", 7);
    let (orders, kills) = (number("CHAOS_ORDERS", 12), number("CHAOS_KILLS", 4));
    println!("CHAOS_SEED={seed} CHAOS_ORDERS={orders} CHAOS_KILLS={kills}");
    let mut dice = Rng(seed);
    let portal = portal(usize::try_from(orders).unwrap()).await;
    let env = TestEnv::new();
    let pos: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    let digests = all_digests(&portal);
    let start = |is_resume: bool| {
        let call = if is_resume { env.login(env.call(["resume"]), &portal) } else { env.run(&portal, pos.iter()) };
        call.arg("--workers").arg("2").start()
    };
    // so that the last one comes before the last order: some ten requests for each order, some more for each start
    let span = (2 * 10 * orders / (kills + 1)).max(8);
    let (mut killed, mut ended_before) = (0, 0);
    for life in 0..kills {
        let journal = env.out().join(".coupa-batch/journal.db").exists();
        let run = start(journal && dice.below(2) == 0);
        // a moment of the run, told by how many requests the portal has had and not by a clock
        let at = portal.counts().requests + dice.below(span);
        let begun = Instant::now();
        while portal.counts().requests < at && begun.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        run.signal(Signal::KILL);
        let ended = run.end().await;
        match ended.code() {
            None => killed += 1,
            Some(0 | 2) => ended_before += 1, // everything was there already
            Some(_) => panic!("life {life}: {ended}"),
        }
        assert_only_whole_files(&env.out(), &digests);
    }
    println!("killed {killed} times; {ended_before} lives were over before their moment");
    assert!(killed * 2 >= kills, "too few kills to prove anything");
    let last = start(false).end().await;
    assert!(matches!(last.code(), Some(0 | 3)), "{last}");
    assert_all_there(&env.out(), &portal);
    assert_only_whole_files(&env.out(), &digests);
    env.call(["verify"]).end().await.assert(0, &[]);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn soon_after_the_program_was_killed_none_of_its_processes_lives() {
    needs_browser!();
    let portal = portal(5).await;
    let env = TestEnv::new();
    let busy: Vec<_> = portal.orders().into_iter().take(4).collect();
    busy.iter().for_each(|po| portal.faults().hold(po));
    let run = env.run(&portal, portal.orders().iter().map(ToString::to_string)).arg("--workers").arg("4").start();
    for po in &busy {
        portal.faults().wait_until_held(po).await;
    }
    let before = processes_of(env.path()).len();
    assert!(before > 4 * 3, "four drivers, their watchdogs and their browsers, and not {before} processes");
    run.signal(Signal::KILL);
    let killed = Instant::now();
    while !processes_of(env.path()).is_empty() {
        // the documentation says 2 s; on a machine that does nothing else it takes a tenth of that
        assert!(killed.elapsed() < Duration::from_secs(20), "{:#?}", processes_of(env.path()));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("{before} processes were gone {} ms after the kill", killed.elapsed().as_millis());
    assert_eq!(run.end().await.code(), None);
    // the folders go with the next run
    portal.faults().release_all();
    let resumed = env.login(env.call(["resume"]), &portal).end().await;
    assert!(matches!(resumed.code(), Some(0 | 3)), "{resumed}");
    assert_all_there(&env.out(), &portal);
    env.assert_nothing_left().await;
    portal.stop().await;
}
