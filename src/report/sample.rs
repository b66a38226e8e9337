//! A run with one order of each kind.

use crate::backend::History;
use crate::model::{
    AttemptCounts, Failure, FailureKind, FileOrigin, FileRecord, ListingId, MissingFile, Outcome, PoTask, Receipt,
    RejectedRow, RunId, TaskId, TaskState,
};
use crate::report::data::RunFacts;

pub(crate) fn facts() -> RunFacts {
    RunFacts {
        run: RunId::new("20261121-0100-abc"),
        started: "2026-11-21T01:00:00Z".parse().unwrap(),
        finished: "2026-11-21T01:02:30Z".parse().unwrap(),
        base_url: Some("https://acme.coupahost.com/".to_owned()),
        version: "0.1.0".to_owned(),
        rejects: vec![RejectedRow {
            source: "sheet.csv".to_owned(),
            line: 4,
            text: "N/A".to_owned(),
            reason: "not a number".to_owned(),
        }],
        stopped_because: None,
    }
}

pub(crate) fn receipt() -> Receipt {
    let file = |name: &str, source| FileRecord {
        path: format!("Acme/PO1_COMPLETED/{}", name.replace(['=', '\n'], "_")),
        name: name.to_owned(),
        size: 1500,
        sha256: "ab".repeat(32),
        source,
        media_type: None,
        listings: vec![ListingId::new(name)],
    };
    Receipt {
        supplier: Some("=HYPERLINK(\"http://evil\")".to_owned()),
        url: "https://acme.coupahost.com/order_headers/1".to_owned(),
        listed_count: 2,
        folder: "Acme/PO1_COMPLETED".to_owned(),
        files: vec![file("=cmd.pdf", FileOrigin::Order), file("two\nlines.pdf", FileOrigin::Requisition)],
        ..Receipt::default()
    }
}

pub(crate) fn history() -> History {
    let seen_at =
        |po: u32| Some(Receipt { url: format!("https://acme.coupahost.com/order_headers/{po}"), ..Receipt::default() });
    let mut partial = receipt();
    let gone = Failure::new(FailureKind::DownloadStalled, "the download, begun, stood still");
    partial.missing.push(MissingFile {
        name: "c.pdf".to_owned(),
        listing: ListingId::new("c.pdf"),
        source: FileOrigin::Order,
        failure: gone.clone(),
    });
    partial.listed_count = 3;
    let states = [
        Some(Outcome::Completed(receipt())),
        Some(Outcome::NoAttachments(Receipt { files: Vec::new(), listed_count: 0, ..receipt() })),
        Some(Outcome::Partial(partial, gone)),
        Some(Outcome::NotFound(Failure::new(FailureKind::OrderMissing, "no such order"), seen_at(4))),
        Some(Outcome::Failed(Failure::new(FailureKind::RequisitionDenied, "requisition not yours"), seen_at(5))),
        Some(Outcome::Failed(Failure::new(FailureKind::PageChanged, "-page is new"), seen_at(6))),
        Some(Outcome::Skipped(Failure::new(FailureKind::Interrupted, "cancelled"), None)),
        None,
        Some(Outcome::Failed(Failure::new(FailureKind::AccessDenied, "order not yours"), seen_at(9))),
    ];
    let mut history = History::default();
    for (id, outcome) in (1..).zip(states) {
        let order = PoTask::new(format!("PO{id}").parse().unwrap());
        let state = match outcome {
            Some(outcome) => {
                history.settled_at.insert(TaskId(id), "2026-11-21T01:01:00Z".parse().unwrap());
                TaskState::Settled {
                    order,
                    counts: AttemptCounts { started: 1, ..AttemptCounts::default() },
                    outcome,
                    reused_from: None,
                }
            }
            None => TaskState::Ready { order, counts: AttemptCounts::default(), receipt: None },
        };
        history.tasks.insert(TaskId(id), state);
    }
    history
}
