//! The data of a report: facts about the run and one row per order. Knows nothing of file formats.

use jiff::Timestamp;

use crate::backend::History;
use crate::model::{Outcome, PoTask, RejectedRow, RunId, TaskId, TaskState};

/// Facts about the run as a whole; everything about single orders comes from the journal.
#[derive(Clone, Debug)]
pub(crate) struct RunFacts {
    /// Which run.
    pub(crate) run: RunId,
    /// When it began.
    pub(crate) started: Timestamp,
    /// When it ended.
    pub(crate) finished: Timestamp,
    /// The portal's address.
    pub(crate) base_url: Option<String>,
    /// The version of the program.
    pub(crate) version: String,
    /// Rows of the input that are not orders.
    pub(crate) rejects: Vec<RejectedRow>,
    /// Why the run stopped early; none if it did not.
    pub(crate) stopped_because: Option<String>,
}

/// One order, as both files show it.
pub(crate) struct ReportRow<'a> {
    pub(crate) order: &'a PoTask,
    pub(crate) outcome: Option<&'a Outcome>,
    pub(crate) attempts: u32,
    /// The earlier run that fetched it, if this run reused its outcome.
    pub(crate) reused_from: Option<&'a RunId>,
    pub(crate) settled_at: Option<Timestamp>,
}

/// The orders in the order of their admission.
pub(crate) fn rows(history: &History) -> impl Iterator<Item = ReportRow<'_>> {
    history.tasks.iter().map(|(task, state): (&TaskId, &TaskState)| ReportRow {
        order: state.order(),
        outcome: state.outcome(),
        attempts: state.tally().started,
        reused_from: match state {
            TaskState::Settled { reused_from, .. } => reused_from.as_ref(),
            TaskState::Ready { .. } | TaskState::Leased { .. } => None,
        },
        settled_at: history.settled_at.get(task).copied(),
    })
}

/// The error message of an order that is still open.
pub(crate) fn why_open(facts: &RunFacts) -> &str {
    facts.stopped_because.as_deref().unwrap_or("the run ended before this order did; run it again to go on")
}
