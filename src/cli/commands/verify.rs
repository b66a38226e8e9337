//! `coupa-batch verify`: checks that the files of earlier runs are there and unchanged.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::backend::JournalError;
use crate::config::Settings;
use crate::download::{Audit, AuditProblem, audit};
use crate::journal::JournalReader;
use crate::model::{Outcome, PoNumber};
use bytesize::ByteSize;

use crate::batch::run_record;
use crate::cli::args::VerifyArgs;
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::output;
use crate::config::layers;
use crate::text::count;

pub(crate) fn verify(args: &VerifyArgs) -> Result<ExitReason, CommandError> {
    let mut settings = Settings::default();
    settings.out.clone_from(&args.folder);
    let folder = layers::load_config(settings, None).map_err(CommandError::bad_call)?.out;
    if !folder.is_dir() {
        return Err(CommandError::bad_call(format!(
            "{} is not a folder: give the output folder of a run",
            folder.display()
        )));
    }
    let expected = expected(args.journal.journal.as_deref(), &folder)?;
    let audit = audit(&folder, &expected).map_err(|why| {
        CommandError::new(ExitReason::Unexpected, format!("the folder cannot be read completely: {why}"))
    })?;
    if audit.order_count == 0 && audit.findings.is_empty() {
        let advice = "give the output folder of a run, or the folder of one order in it";
        return Err(CommandError::bad_call(format!("there is no order in {}: {advice}", folder.display())));
    }
    if args.json { output::print_json(&to_json(&audit)) } else { output::print(&to_text(&audit)) }?;
    Ok(if audit.findings.is_empty() { ExitReason::AllWell } else { ExitReason::Failures })
}

/// The folders of all orders that have files, from the journal: a manifest cannot report its own absence.
fn expected(journal: Option<&Path>, folder: &Path) -> Result<HashMap<PoNumber, String>, CommandError> {
    let is_named = journal.is_some();
    let reader = match JournalReader::open(&run_record::path(journal, folder)) {
        // the folder of one order, a copy, or the output of a library user
        Err(JournalError::Missing { .. }) if !is_named => return Ok(HashMap::new()),
        other => other.map_err(CommandError::unreadable)?,
    };
    let all = reader.latest_all().map_err(CommandError::journal)?;
    let has_files = |outcome: &Outcome| {
        let receipt = outcome.receipt()?;
        (!receipt.files.is_empty()).then(|| receipt.folder.clone())
    };
    Ok(all.into_iter().filter_map(|(po, past)| Some((po, has_files(&past.outcome)?))).collect())
}

fn to_text(audit: &Audit) -> String {
    let mut text = String::new();
    for finding in &audit.findings {
        let _ = writeln!(text, "{finding}"); // cannot fail on a String
    }
    let Audit { order_count, intact_count, intact_bytes, never_came_count, findings } = audit;
    let bytes = ByteSize(*intact_bytes).display().si();
    let _ =
        writeln!(text, "{} with {} ({bytes}) unchanged", count(*order_count, "order"), count(*intact_count, "file"));
    if *never_came_count > 0 {
        let _ = writeln!(
            text,
            "{} could not be downloaded: see `missing` in the manifests",
            count(*never_came_count, "attachment")
        );
    }
    if !findings.is_empty() {
        let _ = writeln!(text, "{} found", count(findings.len(), "difference"));
    }
    text
}

fn to_json(audit: &Audit) -> serde_json::Value {
    let finding = |finding: &AuditProblem| {
        serde_json::json!({
            "what": finding.word(),
            "po_number": finding.po(),
            "path": finding.path(),
            "detail": finding.detail(),
        })
    };
    serde_json::json!({
        "orders": audit.order_count,
        "intact": audit.intact_count,
        "bytes": audit.intact_bytes,
        "never_came": audit.never_came_count,
        "findings": audit.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
