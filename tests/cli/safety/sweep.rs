//! What a program that was killed has left goes, and nothing else does.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::browser::until;
use crate::harness::command::{TestEnv, portal, processes_of};
use crate::harness::mount::Mount;
use crate::needs_browser;

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// A process that is ended with the test.
struct OtherProcess(Child);

impl OtherProcess {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The processes that run on this folder.
fn running_on(folder: &Path) -> Vec<u32> {
    processes_of(folder).into_iter().map(|(pid, _)| pid).collect()
}

fn profile_folders(env: &TestEnv) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(env.profiles()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_has_left_is_ended_and_nothing_else_is() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    pos.iter().for_each(|po| portal.faults().hold(po));
    let mut victim = env.run(&portal, [pos[0].to_string()]).start();
    victim.works_on(&portal, &pos[0]).await;
    let [orphan] = profile_folders(&env).try_into().unwrap();
    let mut other = env.run(&portal, [pos[1].to_string()]).arg("--out").arg("others").start();
    other.works_on(&portal, &pos[1]).await;
    let in_use = profile_folders(&env).into_iter().find(|folder| *folder != orphan).unwrap();

    // the shells that would end the browsers with the program
    for (pid, line) in processes_of(&orphan) {
        if line.contains("kill -KILL 0") {
            signal(pid, Signal::KILL);
        }
    }
    victim.signal(Signal::KILL);
    assert_eq!(victim.end().await.code(), None);
    let left = running_on(&orphan);
    assert!(left.len() > 3, "a driver and its browser live on: {left:?}");
    // drivers and browsers, without the parts that browsers start and end as they like
    let heads = |folder: &Path| {
        let lines = processes_of(folder).into_iter().filter(|(_, line)| !line.contains("--type="));
        lines.map(|(pid, _)| pid).collect::<Vec<_>>()
    };
    let living = heads(&in_use);

    let mut sleeper = OtherProcess::start(Command::new("sleep").arg("1000").current_dir(&orphan));
    let foreign = env.work().join("foreign");
    let chromium = coupa_batch::browser::locate(&coupa_batch::PoolConfig::builder().build().unwrap().browser).unwrap();
    let mut browser = OtherProcess::start(
        Command::new(chromium.browser)
            .args(["--headless=new", "--no-sandbox", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", foreign.display()))
            .env("TMPDIR", env.work()),
    );

    let dry = env.call(["sweep", "--dry-run"]).end().await;
    dry.assert(0, &[]);
    assert!(dry.stdout.contains("would end") && dry.stdout.contains(&orphan.display().to_string()), "{dry}");
    assert!(orphan.is_dir() && !running_on(&orphan).is_empty(), "{dry}");

    let ended = env.call(["sweep"]).end().await;
    ended.assert(0, &[]);
    assert!(ended.stdout.contains("1 in use") && ended.stdout.contains(&in_use.display().to_string()), "{ended}");
    assert!(!orphan.exists(), "{ended}");
    until("they end", async || running_on(&orphan).is_empty().then_some(())).await;
    assert!(sleeper.is_alive() && browser.is_alive(), "{ended}");
    let still = heads(&in_use);
    assert!(living.iter().all(|pid| still.contains(pid)), "{living:?} {still:?} {ended}");

    drop((sleeper, browser));
    portal.faults().release_all();
    let other = other.end().await;
    println!("{other}");
    other.assert(0, &[]);
    // and what was interrupted goes on
    let resumed = env.run(&portal, [pos[0].to_string()]).end().await;
    println!("{resumed}");
    resumed.assert(0, &[]);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_leaves_neither_processes_nor_profiles() {
    needs_browser!();
    let portal = portal(2).await;
    let pos = portal.orders();
    let env = TestEnv::new();
    pos.iter().for_each(|po| portal.faults().hold(po));
    let mut victim = env.run(&portal, pos.iter().map(ToString::to_string)).env("COUPA_BATCH_WORKERS", "2").start();
    for po in &pos {
        victim.works_on(&portal, po).await;
    }
    let folders = profile_folders(&env);
    assert!(folders.len() >= 2 && folders.iter().all(|folder| !running_on(folder).is_empty()), "{folders:?}");
    victim.signal(Signal::KILL);
    assert_eq!(victim.end().await.code(), None);
    // nobody sweeps
    until("the folders are gone", async || profile_folders(&env).is_empty().then_some(())).await;
    until("the processes are gone", async || processes_of(env.path()).is_empty().then_some(())).await;
    portal.faults().release_all();
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_files_of_a_run_with_a_long_profile_dir_go_with_it_or_with_a_sweep() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let (temp, long) = (env.path().join("t"), env.path().join("p".repeat(80)));
    fs::create_dir(&temp).unwrap();
    let po = portal.orders()[0].to_string();
    let run = || {
        let call = env.run(&portal, [&po]).env("TMPDIR", &temp);
        call.env("COUPA_BATCH_PROFILE_DIR", &long)
    };
    // what browsers make lies where the folder for temporary files says, below one of ours
    let entries = || fs::read_dir(&temp).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    portal.faults().hold(&portal.orders()[0]);
    let mut victim = run().start();
    victim.works_on(&portal, &portal.orders()[0]).await;
    let [own] = entries().try_into().unwrap();
    assert!(own.file_name().unwrap().to_string_lossy().starts_with("coupa-batch-"), "{own:?}");
    let folders = || fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let sockets = folders().flat_map(|folder| fs::read_dir(folder.join("tmp")).unwrap());
    assert!(sockets.count() > 0, "a browser makes at least one folder for its socket");
    // nobody is there to remove them
    for (pid, line) in processes_of(env.path()) {
        if line.contains("kill -KILL 0") || line.contains("trap ''") {
            signal(pid, Signal::KILL);
        }
    }
    victim.signal(Signal::KILL);
    assert_eq!(victim.end().await.code(), None);
    assert!(folders().count() == 1 && entries() == [own.clone()]);
    let ended = env.call(["sweep"]).env("TMPDIR", &temp).env("COUPA_BATCH_PROFILE_DIR", &long).end().await;
    ended.assert(0, &[]);
    assert_eq!((folders().count(), entries()), (0, vec![own.clone()]), "{ended}");
    portal.faults().release_all();
    run().end().await.assert(0, &[]);
    assert_eq!((folders().count(), entries()), (0, vec![own.clone()]));
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_that_are_kept_stay_until_all_are_swept() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    let keeping = |po: &str| env.run(&portal, [po]).env("COUPA_BATCH_PROFILE_CLEANUP", "false");
    keeping(&pos[0].to_string()).end().await.assert(0, &[]);
    let first = profile_folders(&env);
    assert!(first.len() == 1 && first[0].join("profile/Default").is_dir(), "{first:?}");
    // another one, whose run is killed in the middle
    portal.faults().hold(&pos[1]);
    let mut victim = keeping(&pos[1].to_string()).start();
    victim.works_on(&portal, &pos[1]).await;
    let both = profile_folders(&env);
    assert_eq!(both.len(), 2);
    victim.signal(Signal::KILL);
    assert_eq!(victim.end().await.code(), None);
    portal.faults().release_all();
    until("the processes are gone", async || processes_of(env.path()).is_empty().then_some(())).await;
    // neither the next run nor a plain sweep takes them
    env.run(&portal, [pos[1].to_string()]).end().await.assert(0, &[]);
    let ended = env.call(["sweep"]).end().await;
    ended.assert(0, &[]);
    assert!(first.iter().all(|folder| ended.stdout.contains(&format!("kept         {}", folder.display()))), "{ended}");
    let mut left = profile_folders(&env);
    left.sort();
    let mut both = both;
    both.sort();
    assert_eq!(left, both);
    env.call(["sweep", "--all"]).end().await.assert(0, &[]);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test]
async fn what_cannot_be_removed_is_named_and_ends_with_1() {
    let env = TestEnv::new();
    let orphan = env.profiles().join("w1-abcdef");
    fs::create_dir_all(orphan.join("profile")).unwrap();
    fs::write(orphan.join("owner"), "").unwrap();
    // a folder that something is mounted on cannot be removed, not even by root
    let Some(mounted) = Mount::new(&orphan.join("profile"), "size=1m") else { return };
    let ended = env.call(["sweep"]).end().await;
    ended.assert(1, &["not everything could be removed", &orphan.display().to_string(), "by hand"]);
    drop(mounted);
    // what broke off is still known to be ours
    let template = env.profiles().join("template-chromium-1.2.3");
    fs::create_dir(&template).unwrap();
    env.call(["sweep"]).end().await.assert(0, &[]);
    assert!(!orphan.exists() && template.is_dir());
    let ended = env.call(["sweep", "--all"]).end().await;
    ended.assert(0, &[]);
    assert!(!template.exists() && ended.stdout.contains("1 folder,"), "{ended}");
}
