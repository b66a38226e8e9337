//! Output of a child process: logged line by line, the last lines kept for error messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::Notify;

/// How many lines are kept.
const KEPT_LINES: usize = 20;
/// Longer lines are cut, in bytes: a driver may print a whole command line.
const MAX_LINE: u64 = 2_000;

/// The last 20 lines that a process printed, of both its outputs. Displays as one line of text.
#[derive(Debug, Default)]
pub(crate) struct CapturedOutput {
    /// Which process it is, in the log.
    name: String,
    lines: Mutex<VecDeque<String>>,
    changed: Notify,
}

impl CapturedOutput {
    /// No output yet of the process called `name` in the log.
    pub(crate) fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// Reads `output` to its end: a pipe that nobody reads would block the process when it is full.
    pub(crate) async fn read(self: Arc<Self>, output: impl AsyncRead + Unpin) {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut output).take(MAX_LINE).read_until(b'\n', &mut line).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(why) => {
                    tracing::debug!(of = %self.name, %why, "the output of a process cannot be read");
                    return;
                }
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim();
            if !text.is_empty() {
                tracing::debug!(target: "coupa_batch::output", of = %self.name, "{text}");
                self.push(text);
            }
        }
    }

    /// Waits for a line in which `parse` finds something. For ever, if none comes; lines that were kept before count.
    pub(crate) async fn find_line<T>(&self, parse: impl Fn(&str) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            if let Some(found) = self.lock().iter().find_map(|line| parse(line)) {
                return found;
            }
            changed.await;
        }
    }

    fn push(&self, line: &str) {
        let mut lines = self.lock();
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
        drop(lines);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Display for CapturedOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines = self.lock();
        if lines.is_empty() {
            return f.write_str("(none)");
        }
        f.write_str(&Vec::from_iter(lines.iter().map(String::as_str)).join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept_and_long_ones_are_cut() {
        let output = Arc::new(CapturedOutput::default());
        let mut text = String::new();
        for number in 0..100 {
            text += &format!("line {number}\n");
        }
        text += &"x".repeat(5_000);
        output.clone().read(text.as_bytes()).await;
        let kept = output.to_string();
        assert!(kept.contains("line 99") && !kept.contains("line 50"), "{kept}");
        assert!(output.lock().iter().all(|line| line.len() <= 2_000));
    }

    #[tokio::test]
    async fn a_line_is_found_whether_it_came_before_or_comes_later() {
        let output = Arc::new(CapturedOutput::new("test".to_owned()));
        output.push("first");
        assert_eq!(output.find_line(|line| (line == "first").then_some(1)).await, 1);
        let (found, ()) = tokio::join!(output.find_line(|line| (line == "second").then_some(2)), async {
            output.push("second");
        });
        assert_eq!(found, 2);
    }
}
