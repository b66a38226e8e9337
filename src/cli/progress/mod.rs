//! Progress display of a run on standard error: bars on a terminal, plain lines elsewhere.
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::sync::Arc;
use std::time::Duration;

use crate::model::Outcome;
use crate::model::PoNumber;
use crate::model::PoolStatus;
use crate::model::{DispatchState, MemoryLevel, Stage, WorkerId, WorkerStatus};
use bytesize::ByteSize;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use crate::cli::output::{blanked, count, in_one_line};

/// How often bars are drawn.
const REDRAW: Duration = Duration::from_millis(200);

/// The terminal's bell, rung when the run waits for a person. It is the only control character ever sent.
const BELL: &str = "\u{7}";

/// Kind of progress display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One bar for all orders and one line per worker.
    Bars,
    /// One line per order.
    Lines,
    /// Nothing.
    Quiet,
}

/// Properties of standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Whether it is a terminal that can move its cursor, used by a person.
    pub(crate) is_live: bool,
    /// Whether to use colours.
    pub(crate) has_colours: bool,
}

impl Terminal {
    /// Examines standard error and the environment.
    pub(crate) fn look() -> Self {
        Self::judge(
            std::io::stderr().is_terminal(),
            |name| std::env::var_os(name).is_some_and(|value| !value.is_empty()),
            std::env::var("TERM").ok().as_deref(),
        )
    }

    fn judge(is_terminal: bool, is_set: impl Fn(&str) -> bool, term: Option<&str>) -> Self {
        let is_plain = term == Some("dumb");
        Self {
            is_live: is_terminal && !is_plain && !is_set("CI"),
            has_colours: is_terminal && !is_plain && !is_set("NO_COLOR"),
        }
    }
}

/// Progress display of a run. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    style: Style,
    has_colours: bool,
    bars: MultiProgress,
}

impl Progress {
    /// Chooses bars if the terminal can draw them and not `is_plain`; nothing if `is_quiet`.
    pub(crate) fn new(on: Terminal, is_plain: bool, is_quiet: bool) -> Self {
        let style = match (is_quiet, on.is_live && !is_plain) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Bars,
            (false, false) => Style::Lines,
        };
        let target = if style == Style::Bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { style, has_colours: on.has_colours, bars: MultiProgress::with_draw_target(target) }
    }

    /// The kind of display.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// The bars, for others that write to the terminal and must suspend them.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Prints a line above the bars, unless the display is quiet.
    pub(crate) fn say(&self, line: &str) {
        if self.style != Style::Quiet {
            // a closed terminal is no reason to stop the run
            let (bell, line) = line.strip_prefix(BELL).map_or(("", line), |line| (BELL, line));
            self.bars.suspend(|| writeln!(std::io::stderr(), "{bell}{}", blanked(line)).ok());
        }
    }

    /// Prints the line of a finished order. With bars, only if it did not succeed.
    pub(crate) fn order_done(&self, po: &PoNumber, outcome: &Outcome, settled: u64, total: u64) {
        if self.style == Style::Lines || !outcome.is_success() {
            self.say(&order_line(po, outcome, settled, total));
        }
    }

    /// Draws until the pool is closed. Dropping the future leaves the bars on the screen; [`Progress::clear`] removes them.
    pub(crate) async fn follow(&self, mut status: watch::Receiver<Arc<PoolStatus>>) {
        let mut drawn = (self.style == Style::Bars).then(|| Bars::new(&self.bars, self.has_colours));
        let mut waits = WaitNotices { has_terminal: self.style == Style::Bars, ..WaitNotices::default() };
        let mut redraw = tokio::time::interval(REDRAW);
        redraw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            // clones the `Arc`, so that the channel is not locked while drawing
            let now = status.borrow_and_update().clone();
            if let Some(line) = waits.news(&now) {
                self.say(&line);
            }
            if let Some(drawn) = &mut drawn {
                drawn.show(&now);
            }
            if now.pool_status == Stage::Closed || status.changed().await.is_err() {
                break;
            }
            redraw.tick().await;
        }
        self.clear();
    }

    /// Removes the bars.
    pub(crate) fn clear(&self) {
        let _ = self.bars.clear(); // a terminal that is gone has none
    }
}

/// Reports once that the run waits, and why: bars vanish with the next line, and a log has none.
#[derive(Debug, Default)]
struct WaitNotices {
    has_terminal: bool,
    is_suspended: bool,
    needs_person: bool,
}

impl WaitNotices {
    /// The line for a new status, if it needs one.
    fn news(&mut self, status: &PoolStatus) -> Option<String> {
        let (reason, needs_person) = match &status.dispatch {
            DispatchState::Suspended { reason, needs_person } if status.pool_status == Stage::Running => {
                (reason, *needs_person)
            }
            DispatchState::Suspended { .. } | DispatchState::Running | DispatchState::Paused => {
                (self.is_suspended, self.needs_person) = (false, false);
                return None;
            }
        };
        let is_news = !self.is_suspended || (needs_person && !self.needs_person);
        (self.is_suspended, self.needs_person) = (true, needs_person);
        let bell = if needs_person && self.has_terminal { BELL } else { "" };
        is_news.then(|| format!("{bell}waiting: {reason}"))
    }
}

/// `PO15262984 COMPLETED 3 files 120.0 kB (12/200)`, with the reason if it did not succeed.
pub(crate) fn order_line(po: &PoNumber, outcome: &Outcome, settled: u64, total: u64) -> String {
    let files = outcome.files();
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    let files = count(files.len() as u64, "file");
    let mut line = format!("{po} {} {files} {} ({settled}/{total})", outcome.status(), size(bytes));
    if let Some(failure) = outcome.failure() {
        // one line, whatever the portal's message contains
        let _ = write!(line, ": {}", in_one_line(&failure.message)); // cannot fail on a String
    }
    line
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).display().si().to_string()
}

/// The bars on the screen.
struct Bars {
    bars: MultiProgress,
    all: ProgressBar,
    workers: BTreeMap<WorkerId, ProgressBar>,
}

impl Bars {
    fn new(bars: &MultiProgress, has_colours: bool) -> Self {
        let bar = if has_colours { "{bar:30.green}" } else { "{bar:30}" };
        let all = bars.add(ProgressBar::new(0).with_style(style(&format!("{bar} {{pos}}/{{len}} {{msg}}"))));
        Self { bars: bars.clone(), all, workers: BTreeMap::new() }
    }

    fn show(&mut self, status: &PoolStatus) {
        self.all.set_length(status.tasks.admitted);
        self.all.set_position(status.tasks.settled());
        self.all.set_message(overall(status));
        for (worker, view) in &status.workers {
            let line = self
                .workers
                .entry(*worker)
                .or_insert_with(|| self.bars.add(ProgressBar::new_spinner().with_style(style("  {msg}"))));
            line.set_message(worker_line(*worker, view));
        }
        let bars = &self.bars;
        self.workers.retain(|worker, line| {
            let is_there = status.workers.contains_key(worker);
            if !is_there {
                bars.remove(line);
            }
            is_there
        });
    }
}

fn style(template: &str) -> ProgressStyle {
    // the templates are constants, checked by a test; a broken one would only look plainer
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `0.8/s, 3 min left, 2 failed, 12.3 MB`, and what delays the run.
fn overall(status: &PoolStatus) -> String {
    let tasks = &status.tasks;
    let settled = tasks.settled();
    let mut parts = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
    if settled > 0 && status.uptime_seconds > 0.0 {
        let rate = settled as f64 / status.uptime_seconds;
        parts.push(if rate < 1.0 { format!("{:.1}/min", rate * 60.0) } else { format!("{rate:.1}/s") });
        let left = (tasks.pending + tasks.running) as f64 / rate;
        if left >= 1.0 && status.pool_status == Stage::Running {
            parts.push(format!("{} left", span(left)));
        }
    }
    let bad = tasks.partial + tasks.not_found + tasks.failed + tasks.skipped;
    parts.push(format!("{} succeeded", settled - bad));
    if bad > 0 {
        parts.push(format!("{bad} with problems"));
    }
    parts.push(format!("{} files, {}", tasks.files, size(tasks.bytes)));
    match (&status.pool_status, &status.dispatch) {
        (Stage::Draining, _) => parts.push("stopping".to_owned()),
        (Stage::Aborting | Stage::Closed, _) => parts.push("closing the browsers".to_owned()),
        (Stage::Running, DispatchState::Paused) => parts.push("paused".to_owned()),
        (Stage::Running, DispatchState::Suspended { reason, .. }) => parts.push(format!("waiting: {reason}")),
        (Stage::Running, DispatchState::Running) => {
            if let Some(limit) = status.slowed_to {
                parts.push(format!("{} at a time, as the portal asked", count(limit as u64, "order")));
            }
            if status.memory_level >= MemoryLevel::High {
                parts.push(format!("low memory: {} now", count(status.worker_target as u64, "worker")));
            }
            if let Some(why) = &status.held_back {
                parts.push(format!("no further order starts: {why}"));
            }
        }
    }
    parts.join(", ")
}

/// A time span in at most two units.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and whole on purpose")]
fn span(seconds: f64) -> String {
    let seconds = seconds as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `w1 busy     PO15262984   312.0 MB`, or `PO15262984 +3` when three more are in work.
fn worker_line(worker: WorkerId, view: &WorkerStatus) -> String {
    let po = match view.po.as_slice() {
        [] => String::new(),
        [po] => po.to_string(),
        [first, others @ ..] => format!("{first} +{}", others.len()),
    };
    let memory = view.memory_bytes.map(size).unwrap_or_default();
    let line = format!("{:<4}{:<9} {po:<14} {memory:>9}", worker.to_string(), view.status);
    line.trim_end().to_owned()
}
