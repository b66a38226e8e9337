use crate::model::{Failure, FailureKind, FileRecord, Receipt, Totals, WorkerState};
use std::io;
use std::sync::Mutex;

use indicatif::TermLike;

use super::*;

/// A terminal that records what is written to it.
#[derive(Clone, Debug, Default)]
struct Screen(Arc<Mutex<String>>);

impl Screen {
    /// What was written since the last call.
    fn take(&self) -> String {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        120
    }
    fn height(&self) -> u16 {
        20
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap().push_str(text);
        Ok(())
    }
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn status() -> PoolStatus {
    let view = |status, po: &[&str]| WorkerStatus {
        status,
        pid: None,
        po: po.iter().map(|po| po.parse().unwrap()).collect(),
        attempt_count: 3,
        restart_count: 0,
        recycle_count: 0,
        memory_bytes: Some(312_000_000),
        last_error: None,
    };
    PoolStatus {
        uptime_seconds: 30.0,
        workers: BTreeMap::from([
            (WorkerId(1), view(WorkerState::Busy, &["PO15262984"])),
            (WorkerId(2), view(WorkerState::Idle, &[])),
            (WorkerId(3), view(WorkerState::Busy, &["PO7", "PO8", "PO9"])),
        ]),
        tasks: Totals {
            admitted: 100,
            pending: 78,
            running: 2,
            completed: 18,
            failed: 2,
            files: 40,
            bytes: 1_500_000,
            ..Totals::default()
        },
        ..PoolStatus::default()
    }
}

#[test]
fn an_order_takes_one_line() {
    let file = FileRecord { size: 60_000, ..FileRecord::default() };
    let receipt = Receipt { files: vec![file.clone(), file], ..Receipt::default() };
    let po = "15262984".parse().unwrap();
    assert_eq!(order_line(&po, &Outcome::Completed(receipt), 12, 200), "15262984 COMPLETED 2 files 120.0 kB (12/200)");
    let failed = Outcome::Failed(Failure::new(FailureKind::PageChanged, "no\nsupplier"), None);
    assert_eq!(order_line(&po, &failed, 1, 2), "15262984 FAILED 0 files 0 B (1/2): no supplier");
}

#[test]
fn bars_show_the_whole_and_each_worker() {
    let screen = Screen::default();
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(screen.clone())));
    let mut drawn = Bars::new(&bars, false);
    drawn.show(&status());
    let shown = screen.take();
    assert!(shown.contains("20/100 40.0/min, 2 min left, 18 succeeded, 2 with problems, 40 files, 1.5 MB"), "{shown}");
    assert!(shown.contains("w1  busy      PO15262984      312.0 MB"), "{shown}");
    assert!(shown.contains("w2  idle"), "{shown}");
    assert!(shown.contains("w3  busy      PO7 +2          312.0 MB"), "{shown}");
    let mut fewer = status();
    fewer.workers.remove(&WorkerId(2));
    drawn.show(&fewer);
    screen.take();
    drawn.show(&fewer);
    let shown = screen.take();
    assert!(shown.contains("w1") && !shown.contains("w2"), "{shown}");
}

#[test]
fn what_holds_the_run_up_is_said() {
    let mut held = status();
    held.dispatch = DispatchState::Suspended { reason: "the portal throttles".to_owned(), needs_person: false };
    assert!(overall(&held).ends_with("waiting: the portal throttles"));
    held.pool_status = Stage::Draining;
    assert!(overall(&held).contains("stopping"));
}

#[test]
fn bars_are_for_live_terminals_only() {
    let judge = |is_terminal, set: &'static str, term| {
        let seen = Terminal::judge(is_terminal, |name| name == set, term);
        (seen.is_live, seen.has_colours)
    };
    assert_eq!(judge(true, "", Some("xterm")), (true, true));
    assert_eq!(judge(true, "NO_COLOR", Some("xterm")), (true, false));
    assert_eq!(judge(true, "CI", None), (false, true));
    assert_eq!(judge(true, "", Some("dumb")), (false, false));
    assert_eq!(judge(false, "", Some("xterm")), (false, false));
    let live = Terminal { is_live: true, has_colours: true };
    assert_eq!(Progress::new(live, false, false).style(), Style::Bars);
    assert_eq!(Progress::new(live, true, false).style(), Style::Lines);
    assert_eq!(Progress::new(live, false, true).style(), Style::Quiet);
}

#[test]
fn the_templates_can_be_read() {
    for template in ["{bar:30.green} {pos}/{len} {msg}", "{bar:30} {pos}/{len} {msg}", "  {msg}"] {
        assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
    }
}

#[tokio::test]
async fn following_ends_with_the_pool() {
    let progress = Progress::new(Terminal { is_live: false, has_colours: false }, false, true);
    let (tell, status) = watch::channel(Arc::new(PoolStatus::default()));
    let following = progress.follow(status);
    tell.send(Arc::new(PoolStatus { pool_status: Stage::Closed, ..PoolStatus::default() })).unwrap();
    following.await;
    let (tell, status) = watch::channel(Arc::new(PoolStatus::default()));
    drop(tell);
    progress.follow(status).await;
}

#[test]
fn spans_are_short() {
    assert_eq!([5.0, 119.0, 600.0, 9000.0].map(span), ["5 s", "119 s", "10 min", "2 h 30 min"]);
}

#[test]
fn a_wait_is_told_once_and_rings_for_a_person() {
    let at = |dispatch: DispatchState| PoolStatus { dispatch, ..PoolStatus::default() };
    let closed = |reason: &str, needs_person| at(DispatchState::Suspended { reason: reason.to_owned(), needs_person });
    let mut waits = WaitNotices { has_terminal: true, ..WaitNotices::default() };
    assert_eq!(waits.news(&at(DispatchState::Running)), None);
    assert_eq!(waits.news(&closed("down", false)).unwrap(), "waiting: down");
    assert_eq!(waits.news(&closed("still down", false)), None);
    assert_eq!(waits.news(&closed("log in", true)).unwrap(), "\u{7}waiting: log in");
    assert_eq!(waits.news(&closed("log in", true)), None);
    assert_eq!(waits.news(&at(DispatchState::Running)), None);
    assert_eq!(waits.news(&closed("down", false)).unwrap(), "waiting: down");
}
