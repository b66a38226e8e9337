//! What a driver prints: logged, its last lines kept, and its port read from them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::watch;

/// How many of the driver's last lines are kept for error messages.
const KEPT_LINES: usize = 20;
/// Longer lines are cut: a driver may print a whole command line.
const MAX_LINE: u64 = 2_000;

/// The last lines that a driver printed.
#[derive(Debug, Default)]
pub(crate) struct CapturedOutput {
    /// Whose driver it is.
    of: String,
    lines: Mutex<VecDeque<String>>,
}

impl CapturedOutput {
    /// Of this driver.
    pub(crate) fn of(name: String) -> Self {
        Self { of: name, lines: Mutex::default() }
    }

    fn keep(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }
}

impl std::fmt::Display for CapturedOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return f.write_str("(nothing)");
        }
        f.write_str(&Vec::from_iter(lines.iter().map(String::as_str)).join(" | "))
    }
}

/// Reads to the end, for ever: a full pipe would block the driver.
pub(crate) async fn listen(
    output: impl AsyncRead + Unpin,
    words: Arc<CapturedOutput>,
    told: Option<watch::Sender<Option<u16>>>,
) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut output).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        tracing::debug!(target: "coupa_batch::driver", of = %words.of, "{text}");
        words.keep(text);
        if let (Some(told), Some(port)) = (&told, port_in(text)) {
            told.send_replace(Some(port));
        }
    }
}

/// The port in "… was started successfully on port 36547."; the line before it speaks of port 0.
fn port_in(line: &str) -> Option<u16> {
    let (before, after) = line.split_once(" on port ")?;
    if !before.contains("started successfully") {
        return None;
    }
    after.trim_end_matches('.').split_whitespace().next()?.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_both_drivers_words_and_from_no_other_line() {
        for (line, port) in [
            ("ChromeDriver was started successfully on port 36547.", Some(36547)),
            ("Microsoft Edge WebDriver was started successfully on port 9515.", Some(9515)),
            ("ChromeDriver was started successfully on port 9515", Some(9515)),
            ("Starting ChromeDriver 156.0.8078.79 (a21ce95) on port 0", None),
            ("Starting ChromeDriver 156.0.8078.79 (a21ce95) on port 17", None),
            ("Only local connections are allowed.", None),
        ] {
            assert_eq!(port_in(line), port, "{line}");
        }
    }

    #[tokio::test]
    async fn the_last_lines_are_kept_and_long_ones_are_cut() {
        let words = Arc::new(CapturedOutput::default());
        let mut text = String::new();
        for number in 0..100 {
            text += &format!("line {number}\n");
        }
        text += &"x".repeat(5_000);
        listen(text.as_bytes(), words.clone(), None).await;
        let kept = words.to_string();
        assert!(kept.contains("line 99") && !kept.contains("line 50"), "{kept}");
        assert!(words.lines.lock().unwrap().iter().all(|line| line.len() <= 2_000));
    }
}
