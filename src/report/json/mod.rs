//! `report.json`, described by `docs/report.schema.json`.
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use crate::backend::History;
use crate::model::{
    ExcludedFile, Failure, FailureKind, FileRecord, Lane, Metadata, MissingFile, OrderStatus, Outcome, PoNumber,
    RejectedRow, RunId, TaskPriority,
};
use crate::report::data::Summary;
use crate::report::data::{ReportRow, RunFacts, rows, why_open};

/// Goes up when a program that reads the report would have to change.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    schema_version: u32,
    version: &'a str,
    run: &'a RunId,
    base_url: Option<&'a str>,
    started: Timestamp,
    finished: Timestamp,
    stopped_because: Option<&'a str>,
    summary: &'a Summary,
    orders: Vec<Order<'a>>,
    rejected: &'a [RejectedRow],
}

#[derive(Serialize)]
struct Order<'a> {
    po_number: &'a PoNumber,
    status: OrderStatus,
    priority: TaskPriority,
    supplier: Option<&'a str>,
    url: Option<&'a str>,
    folder: Option<&'a str>,
    error: Option<Cause<'a>>,
    attempts: u32,
    lane: Option<Lane>,
    lane_reason: Option<&'a str>,
    reused_from: Option<&'a RunId>,
    settled: Option<Timestamp>,
    attachments_found: usize,
    files: Vec<File<'a>>,
    missing: Vec<Missing<'a>>,
    left_out: Vec<LeftOut<'a>>,
    metadata: &'a Metadata,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    name: &'a str,
    size: u64,
    sha256: &'a str,
    media_type: Option<&'a str>,
    source: crate::model::FileOrigin,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    name: &'a str,
    source: crate::model::FileOrigin,
    reason: &'a str,
}

#[derive(Serialize)]
struct Missing<'a> {
    name: &'a str,
    source: crate::model::FileOrigin,
    error: Cause<'a>,
}

#[derive(Serialize)]
struct Cause<'a> {
    kind: FailureKind,
    message: &'a str,
    evidence: Option<&'a str>,
}

impl<'a> Cause<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self { kind: failure.kind, message: &failure.message, evidence: failure.evidence.as_deref() }
    }
}

pub(crate) fn write(to: &mut dyn Write, history: &History, facts: &RunFacts, summary: &Summary) -> io::Result<()> {
    let report = Report {
        schema_version: SCHEMA_VERSION,
        version: &facts.version,
        run: &facts.run,
        base_url: facts.base_url.as_deref(),
        started: facts.started,
        finished: facts.finished,
        stopped_because: facts.stopped_because.as_deref(),
        summary,
        orders: rows(history).map(|row| order(&row, facts)).collect(),
        rejected: &facts.rejects,
    };
    serde_json::to_writer_pretty(&mut *to, &report)?;
    to.write_all(b"\n")
}

fn order<'a>(row: &ReportRow<'a>, facts: &'a RunFacts) -> Order<'a> {
    let receipt = row.outcome.and_then(Outcome::receipt);
    let error = match row.outcome {
        Some(outcome) => outcome.failure().map(Cause::of),
        None => Some(Cause { kind: FailureKind::Interrupted, message: why_open(facts), evidence: None }),
    };
    Order {
        po_number: &row.order.po,
        status: row.outcome.map_or(OrderStatus::NotDone, Outcome::status),
        priority: row.order.priority,
        supplier: receipt.and_then(|receipt| receipt.supplier.as_deref()),
        url: receipt.map(|receipt| receipt.url.as_str()),
        folder: receipt.map(|receipt| receipt.folder.as_str()).filter(|folder| !folder.is_empty()),
        error,
        attempts: row.attempts,
        lane: receipt.and_then(|receipt| receipt.lane),
        lane_reason: receipt.map(|receipt| receipt.lane_reason.as_str()).filter(|reason| !reason.is_empty()),
        reused_from: row.reused_from,
        settled: row.settled_at,
        attachments_found: receipt.map_or(0, |receipt| receipt.listed_count),
        files: receipt.map_or(&[][..], |receipt| &receipt.files).iter().map(file).collect(),
        missing: receipt.map_or(&[][..], |receipt| &receipt.missing).iter().map(missing).collect(),
        left_out: receipt.map_or(&[][..], |receipt| &receipt.left_out).iter().map(left_out).collect(),
        metadata: &row.order.metadata,
    }
}

fn file(file: &FileRecord) -> File<'_> {
    File {
        path: &file.path,
        name: &file.name,
        size: file.size,
        sha256: &file.sha256,
        media_type: file.media_type.as_deref(),
        source: file.source,
    }
}

fn left_out(file: &ExcludedFile) -> LeftOut<'_> {
    LeftOut { name: &file.name, source: file.source, reason: &file.reason }
}

fn missing(file: &MissingFile) -> Missing<'_> {
    Missing { name: &file.name, source: file.source, error: Cause::of(&file.failure) }
}
