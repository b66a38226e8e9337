//! Notices to a webhook: that a person is needed for the login, that the run continues, that it has ended. They are sent
//! beside the run, which never waits for one and never fails because of one.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

#[cfg(test)]
mod tests;
mod webhook;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::report::Summary;
use crate::model::{DispatchState, OrderStatus, PoolStatus, RunId, Stage};

pub use webhook::Notifier;

/// Longest text of a notice. A longer one can only come from somebody else's words in it.
const MAX_TEXT: usize = 1000;

/// Something that a person elsewhere needs to know.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The run waits until a person has logged in.
    LoginNeeded {
        /// Why, and what to do.
        reason: String,
    },
    /// Somebody has logged in, and the run continues.
    LoginRestored,
    /// The run has ended. Nothing is sent after it.
    RunEnded(RunFinished),
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunFinished {
    /// The exit code of the program.
    pub exit_code: u8,
    /// The same as a word for programs, such as `failures`.
    pub status: &'static str,
    /// Why there is no report, if there is none.
    pub message: Option<String>,
    /// Its totals, if there is a report.
    pub summary: Option<Summary>,
}

/// The run of a notice.
#[derive(Clone, Debug)]
pub struct NoticeContext {
    /// Its name.
    pub run: RunId,
    /// The portal's address.
    pub portal: Option<String>,
    /// The output folder.
    pub output: PathBuf,
}

impl Notice {
    /// The JSON that is sent: `event`, `text` (a sentence, which chat programs show as it is), and the facts.
    #[must_use]
    pub fn body(&self, place: &NoticeContext) -> Value {
        let (event, text, facts) = match self {
            Self::LoginNeeded { reason } => {
                ("login_needed", format!("coupa-batch waits for a person: {reason}"), json!({ "reason": reason }))
            }
            Self::LoginRestored => {
                ("login_restored", "coupa-batch continues: somebody has logged in".to_owned(), json!({}))
            }
            Self::RunEnded(end) => ("run_ended", end.sentence(), end.facts()),
        };
        let output = place.output.display().to_string();
        let text = sanitized(&format!("{text} (run {}, folder {output})", place.run));
        let mut body = json!({
            "event": event, "text": text, "run": place.run, "portal": place.portal, "output": output,
        });
        if let (Some(body), Value::Object(facts)) = (body.as_object_mut(), facts) {
            body.extend(facts);
        }
        body
    }
}

impl RunFinished {
    fn sentence(&self) -> String {
        let Some(summary) = &self.summary else {
            let why = self.message.as_deref().unwrap_or("there is no report");
            return format!("coupa-batch ended with exit code {}: {why}", self.exit_code);
        };
        let well = summary.count(OrderStatus::Completed) + summary.count(OrderStatus::NoAttachments);
        let open = summary.open_count();
        let bad = summary.orders - well - open;
        let mut text = match (&summary.stopped_because, open) {
            (Some(why), _) => format!("coupa-batch stopped early ({why}): "),
            (None, 0) => "coupa-batch is done: ".to_owned(),
            (None, _) => "coupa-batch stopped early: ".to_owned(),
        };
        text += &format!(
            "{}, {well} succeeded, {bad} did not, {open} open; {}",
            count(summary.orders, "order"),
            count(summary.files, "file")
        );
        text += &format!("; exit code {}", self.exit_code);
        text
    }

    fn facts(&self) -> Value {
        let summary = self.summary.as_ref();
        json!({
            "status": self.status,
            "exit_code": self.exit_code,
            "reason": self.message.as_ref().or(summary.and_then(|summary| summary.stopped_because.as_ref())),
            "counts": summary.map(|summary| json!({
                "orders": summary.orders,
                "open": summary.open_count(),
                "by_status": summary.by_status,
                "files": summary.files,
                "bytes": summary.bytes,
                "missing": summary.missing,
                "rejected": summary.rejected,
            })),
        })
    }
}

/// `1 order`, `2 orders`.
fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The text without what chat programs act on. It may quote the portal, which must not mention whole channels or place links.
fn sanitized(text: &str) -> String {
    let plain = text.chars().map(|c| match c {
        '<' => '‹',
        '>' => '›',
        '@' => '＠',
        c if c.is_control() => ' ',
        c => c,
    });
    plain.take(MAX_TEXT).collect()
}

/// The notice that a new status calls for. `is_needed` remembers whether a person is waited for.
fn next_notice(status: &PoolStatus, is_needed: &mut bool) -> Option<Notice> {
    if status.pool_status != Stage::Running {
        return None; // the notice of its end follows
    }
    match &status.dispatch {
        DispatchState::Suspended { reason, needs_person: true } if !*is_needed => {
            *is_needed = true;
            Some(Notice::LoginNeeded { reason: reason.clone() })
        }
        DispatchState::Running if *is_needed => {
            *is_needed = false;
            Some(Notice::LoginRestored)
        }
        DispatchState::Running | DispatchState::Paused | DispatchState::Suspended { .. } => None,
    }
}
