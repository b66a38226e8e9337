//! Output folders that cannot be written, from the start or in the middle of a run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::desk::{Desk, portal};
use crate::needs_browser;

/// A small file system of its own, gone when dropped.
struct Mount(PathBuf);

impl Mount {
    /// None, with a line that says so, where this user may not mount anything.
    fn new(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("skipped: no file system can be mounted here");
        None
    }

    /// Writes until nothing fits any more.
    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.0.join("ballast")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn words(desk: &Desk, out: &Path) -> crate::desk::Call {
    desk.call(["run", "PO7", "--base-url", "https://acme.coupahost.com", "--out"]).arg(out)
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named_and_so_is_the_way_out() {
    let desk = Desk::new();
    let file = desk.write("a-file", "");
    for out in [file.clone(), file.join("below")] {
        let ended = words(&desk, &out).end().await;
        ended.assert_refusal(2, &["the output folder", "--out"]);
        assert!(ended.stderr.contains(&out.display().to_string()), "{ended}");
    }
    desk.assert_nothing_left().await;
}

#[tokio::test]
async fn a_log_file_that_cannot_be_written_is_not_blamed_on_the_folder() {
    let desk = Desk::new();
    let file = desk.write("a-file", "");
    let ended = words(&desk, &desk.out()).arg("--log-file").arg(file.join("below")).end().await;
    ended.assert_refusal(2, &["the log file", "--log-file"]);
}

#[tokio::test]
async fn a_read_only_folder_is_told_before_any_browser_is_started() {
    let desk = Desk::new();
    let Some(mount) = Mount::new(&desk.path().join("mount"), "ro") else { return };
    for out in [mount.0.clone(), mount.0.join("below")] {
        let ended = words(&desk, &out).end().await;
        ended.assert_refusal(2, &["the output folder", "--out"]);
    }
    desk.assert_nothing_left().await;
}

#[tokio::test]
async fn a_full_folder_is_told_before_any_browser_is_started() {
    let desk = Desk::new();
    let Some(mount) = Mount::new(&desk.path().join("mount"), "size=64k") else { return };
    mount.fill();
    let ended = words(&desk, &mount.0).end().await;
    ended.assert_refusal(2, &["No space left", "free some space there", "--out"]);
    assert!(!mount.0.join(".coupa-batch").exists(), "nothing of ours is left there");
    desk.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_gets_full_in_the_middle_stops_the_run_and_keeps_it_resumable() {
    needs_browser!();
    let desk = Desk::new();
    let Some(mount) = Mount::new(&desk.path().join("mount"), "size=8m") else { return };
    let portal = portal(3).await;
    let pos = portal.orders();
    portal.faults().hold(&pos[0]);
    let out = mount.0.join("out");
    let mut run = desk.run(&portal, pos.iter().map(ToString::to_string)).arg("--out").arg(&out).start();
    run.works_on(&portal, &pos[0]).await;
    mount.fill();
    portal.faults().release_all();
    let ended = run.end().await;
    ended.assert(4, &["full"]);
    assert!(!portal.asked().contains(&pos[2]), "no order is started on a full disk: {ended}");
    desk.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test]
async fn two_runs_do_not_share_an_output_folder() {
    let desk = Desk::new();
    let tells =
        |what: &str| format!("[ \"$1\" = --version ] && {{ echo '{what}'; exit; }}\necho hello >&2; exec sleep 1000");
    let browser = desk.script("browser", &tells("Chromium 156.0.1.2"));
    let driver = desk.script("driver", &tells("ChromeDriver 156.0.1.2 (x)"));
    let call = || {
        desk.call(["run", "PO7", "-v", "--base-url", "http://127.0.0.1:9"])
            .env("COUPA_BATCH_BROWSER_PATH", &browser)
            .env("COUPA_BATCH_DRIVER_PATH", &driver)
    };
    let mut first = call().start();
    first.says("hello").await;
    let second = call().end().await;
    second.assert_refusal(2, &["another run", "--out"]);
    first.signal(rustix::process::Signal::TERM);
    first.says("stopping: ").await;
    first.signal(rustix::process::Signal::TERM);
    first.end().await.assert(4, &[]);
    desk.assert_nothing_left().await;
}
