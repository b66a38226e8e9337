//! A batch on the terminal: its events as lines, its totals at the end.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use crate::batch::{BatchEvent, BatchReport};
use crate::cli::args::OutputArgs;
use crate::cli::exit::{BROWSER_HINT, CommandError, ExitReason};
use crate::cli::output::print_json;
use crate::cli::progress::Progress;
use crate::report::{ReportFiles, WrittenFile};
use crate::text::{count, rounded};

/// Terminal view of one batch. Clones show the same batch.
#[derive(Clone)]
pub(crate) struct BatchView {
    progress: Progress,
    display: Arc<Mutex<JoinSet<()>>>,
}

impl BatchView {
    /// A view that shows nothing until the first event.
    pub(crate) fn new(progress: &Progress) -> Self {
        Self { progress: progress.clone(), display: Arc::default() }
    }

    /// Prints the line of an event, or starts the progress display.
    pub(crate) fn observe(&self, event: &BatchEvent) {
        match event {
            BatchEvent::PoolStarted(status) => {
                let (progress, status) = (self.progress.clone(), status.clone());
                let mut display = self.display.lock().unwrap_or_else(PoisonError::into_inner);
                display.spawn(async move { progress.follow(status).await });
            }
            BatchEvent::OrderFinished { po, outcome, settled, total } => {
                self.progress.order_done(po, outcome, *settled, *total);
            }
            other => lines(other).iter().for_each(|line| self.progress.say(line)),
        }
    }

    /// Waits until the progress display has drawn the end of the pool.
    pub(crate) async fn finish(&self) {
        let display = std::mem::take(&mut *self.display.lock().unwrap_or_else(PoisonError::into_inner));
        display.join_all().await;
    }
}

/// The lines of an event.
fn lines(event: &BatchEvent) -> Vec<String> {
    let line = match event {
        BatchEvent::Resumed { run, open, orders } => {
            let verb = if *open == 1 { "is" } else { "are" };
            format!("continuing the unfinished run {run}: {open} of {} {verb} open", count(*orders, "order"))
        }
        BatchEvent::Reused(number) => {
            let verb = if *number == 1 { "is" } else { "are" };
            format!(
                "{} {verb} already complete and unchanged: skipped (use --force to fetch again)",
                count(*number, "order")
            )
        }
        BatchEvent::LeftOut(number) => {
            let verb = if *number == 1 { "is" } else { "are" };
            format!("{} of the input {verb} left out, as requested", count(*number, "order"))
        }
        BatchEvent::NothingToFetch => "nothing to fetch".to_owned(),
        BatchEvent::CanaryStarted(po) => format!("fetching the canary {po} first"),
        BatchEvent::TimeUp(why) => format!("starting no more orders: {why}"),
        BatchEvent::Draining(grace) => format!(
            "stopping: no new order starts, running orders may finish within {}; press Ctrl-C again to abort them",
            rounded(*grace)
        ),
        BatchEvent::Aborting => {
            "aborting: running orders are left open; press Ctrl-C again to kill the browsers".to_owned()
        }
        BatchEvent::Killed => "killed the browsers".to_owned(),
        BatchEvent::LeftBehind(leftover) => format!("warning: left behind: {leftover}"),
        BatchEvent::JournalUnfinished(why) => format!("warning: {why}"),
        BatchEvent::ReportWritten(files) => return renamed(files),
        _ => return Vec::new(),
    };
    vec![line]
}

/// One line for each report file that did not get its usual name.
fn renamed(files: &ReportFiles) -> Vec<String> {
    let line = |file: &WrittenFile| {
        let wanted = file.instead_of.as_ref()?;
        Some(format!(
            "{} is in use by another program, so the report was written to {}",
            wanted.display(),
            file.path.display()
        ))
    };
    [&files.csv, &files.json].into_iter().filter_map(line).collect()
}

/// Prints the totals at the end, for a person or as one JSON object.
pub(crate) fn print_summary(
    report: &BatchReport,
    output: &OutputArgs,
    progress: &Progress,
) -> Result<(), CommandError> {
    progress.clear();
    let reason = ExitReason::from(report.status);
    if output.json {
        let object = serde_json::json!({
            "exit_code": reason.code(),
            "report": report.files.json.path,
            "summary": report.summary,
        });
        return print_json(&object);
    }
    progress.say(report.summary.to_string().trim_end());
    if reason == ExitReason::NoBrowser {
        progress.say(BROWSER_HINT);
    }
    progress.say(&format!("report: {}", report.files.csv.path.display()));
    if let Some(evidence) = &report.evidence {
        progress.say(&format!("evidence of failed attempts: {}", evidence.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RunId;

    #[test]
    fn counts_agree_with_their_nouns_and_verbs() {
        let text = |event| lines(&event).concat();
        assert!(text(BatchEvent::Reused(1)).starts_with("1 order is already complete"));
        assert!(text(BatchEvent::Reused(2)).starts_with("2 orders are already complete"));
        assert_eq!(text(BatchEvent::LeftOut(1)), "1 order of the input is left out, as requested");
        let resumed = |open, orders| text(BatchEvent::Resumed { run: RunId::new("r"), open, orders });
        assert_eq!(resumed(1, 1), "continuing the unfinished run r: 1 of 1 order is open");
        assert_eq!(resumed(2, 3), "continuing the unfinished run r: 2 of 3 orders are open");
    }
}
