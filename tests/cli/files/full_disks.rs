//! A disk that gets full in the middle of a run: while a file lands, when it is placed, and under the journal. The run
//! says so, and is completed once there is room again.

use std::path::PathBuf;

use coupa_batch::demo::DemoPortal;
use coupa_batch::model::PoNumber;

use crate::harness::command::{Call, Running, TestEnv, assert_all_there, portal};
use crate::harness::mount::Mount;
use crate::needs_browser;

struct Scenario {
    env: TestEnv,
    portal: DemoPortal,
    out: PathBuf,
    journal: PathBuf,
    mount: Mount,
}

impl Scenario {
    /// Two orders, and a disk of `options` that holds the output folder or the journal. None where this user may not
    /// mount one.
    async fn new(options: &str, holds_journal: bool) -> Option<Self> {
        let env = TestEnv::new();
        let mount = Mount::new(&env.path().join("mount"), options)?;
        let on_the_disk = mount.path().join("own");
        let elsewhere = env.path().join("elsewhere");
        let (out, journal) =
            if holds_journal { (elsewhere, on_the_disk.join("j.db")) } else { (on_the_disk, elsewhere.join("j.db")) };
        Some(Self { env, portal: portal(2).await, out, journal, mount })
    }

    fn at(&self, call: Call) -> Call {
        call.arg("--workers").arg("1").arg("--out").arg(&self.out).arg("--journal").arg(&self.journal)
    }

    fn start(&self) -> Running {
        self.at(self.env.run(&self.portal, self.portal.orders().iter().map(ToString::to_string))).start()
    }

    /// The first order that has files.
    fn first(&self) -> PoNumber {
        let has_files = |po: &PoNumber| !self.portal.expected(po).unwrap().files.is_empty();
        self.portal.orders().into_iter().find(has_files).unwrap()
    }

    /// Half of a file is there: from now on it needs no new name but that of its order's folder.
    async fn until_a_file_lands(&self) {
        let landing = self.out.join(".coupa-batch/landing");
        let begun = std::time::Instant::now();
        let files = |folder: std::fs::DirEntry| std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
        let has_bytes = |file: std::fs::DirEntry| file.metadata().is_ok_and(|found| found.is_file() && found.len() > 0);
        while !std::fs::read_dir(&landing).into_iter().flatten().flatten().flat_map(files).any(has_bytes) {
            assert!(begun.elapsed() < std::time::Duration::from_secs(20), "nothing lands in {}", landing.display());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// The run has ended on the full disk; with room again it is completed.
    async fn completes_with_room(self, run: Running, code: i32, words: &[&str]) {
        self.portal.faults().release_all();
        run.end().await.assert(code, words);
        self.env.assert_nothing_left().await;
        self.mount.free();
        let resumed = self.at(self.env.login(self.env.call(["resume"]), &self.portal));
        resumed.end().await.assert(0, &["continuing the unfinished run"]);
        assert_all_there(&self.out, &self.portal);
        let verified = self.env.call(["verify"]).arg(&self.out).arg("--journal").arg(&self.journal);
        verified.end().await.assert(0, &[]);
        self.env.assert_nothing_left().await;
        self.portal.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_gets_full_before_an_order_stops_the_run_and_keeps_it_resumable() {
    needs_browser!();
    let Some(scenario) = Scenario::new("size=8m", false).await else { return };
    let first = scenario.portal.orders().remove(0);
    scenario.portal.faults().hold(&first);
    let mut run = scenario.start();
    run.works_on(&scenario.portal, &first).await;
    scenario.mount.fill();
    scenario.completes_with_room(run, 4, &["full"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_gets_full_while_a_file_lands_stops_the_run_and_keeps_it_resumable() {
    needs_browser!();
    let Some(scenario) = Scenario::new("size=8m", false).await else { return };
    let first = scenario.first();
    scenario.portal.faults().hold_files(&first);
    let mut run = scenario.start();
    run.works_on(&scenario.portal, &first).await;
    scenario.until_a_file_lands().await;
    scenario.mount.fill();
    scenario.completes_with_room(run, 4, &["full"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_on_which_a_file_cannot_be_placed_stops_the_run_and_keeps_it_resumable() {
    needs_browser!();
    let Some(scenario) = Scenario::new("size=8m,nr_inodes=200", false).await else { return };
    let first = scenario.first();
    scenario.portal.faults().hold_files(&first);
    let mut run = scenario.start();
    run.works_on(&scenario.portal, &first).await;
    // the file can still land, for which browsers reserve a second name; the order's folder needs two, in its supplier's
    scenario.until_a_file_lands().await;
    scenario.mount.crowd();
    scenario.completes_with_room(run, 4, &["full", "__WORK cannot be written"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_gets_full_under_the_journal_stops_the_run_and_keeps_it_resumable() {
    needs_browser!();
    let Some(scenario) = Scenario::new("size=1m", true).await else { return };
    let first = scenario.first();
    scenario.portal.faults().hold(&first);
    let mut run = scenario.start();
    run.works_on(&scenario.portal, &first).await;
    scenario.mount.fill();
    scenario.completes_with_room(run, 6, &["the disk of the journal", "is full"]).await;
}
