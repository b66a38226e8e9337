//! `coupa-batch status` and `report`: the state of the last run, from the journal.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::journal::{JournalReader, RunInfo};
use crate::model::{OrderStatus, RunId};
use crate::report::{self, RunFacts};
use jiff::Timestamp;

use crate::batch::run_record;
use crate::cli::args::{ReportArgs, StatusArgs};
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::output;
use crate::cli::setup::block_on;
use crate::config::layers;
use crate::text::count;

/// How often `--watch` reads the journal.
const WATCH_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn status(args: &StatusArgs) -> Result<ExitReason, CommandError> {
    let journal = args.journal.path(args.out.as_deref())?;
    if !args.watch {
        return show(&journal, args.json).map(|()| ExitReason::AllWell);
    }
    block_on(|mut signals| async move {
        let mut last = None;
        loop {
            let (info, owner) = newest(&journal)?;
            let is_over = info.finished_at.is_some() || owner.is_none();
            let owner = owner.as_deref();
            let text = if args.json { format!("{}\n", to_json(&info, owner)) } else { to_text(&info, owner) };
            if last.as_ref() != Some(&text) {
                output::print(&text)?;
                last = Some(text);
            }
            if is_over {
                return Ok(ExitReason::AllWell);
            }
            // polling is the only way: another program writes the journal
            tokio::select! {
                () = tokio::time::sleep(WATCH_EVERY) => {}
                () = signals.received() => return Err(CommandError::new(ExitReason::Forced, "stopped")),
            }
        }
    })
}

fn show(journal: &Path, is_json: bool) -> Result<(), CommandError> {
    let (info, owner) = newest(journal)?;
    let owner = owner.as_deref();
    if is_json { output::print_json(&to_json(&info, owner)) } else { output::print(&to_text(&info, owner)) }
}

/// The last run, and the program that is working on it.
fn newest(journal: &Path) -> Result<(RunInfo, Option<String>), CommandError> {
    let reader = JournalReader::open(journal).map_err(CommandError::unreadable)?;
    // read before the runs, so that a run that ends in between is shown as running and not as crashed
    let mut owner = reader.owner();
    let mut newest = reader.runs().map_err(CommandError::unreadable)?.into_iter().next_back();
    if owner.is_none() && newest.as_ref().is_some_and(|info| info.finished_at.is_none()) {
        // or a run has started in between
        owner = reader.owner();
        newest = reader.runs().map_err(CommandError::unreadable)?.into_iter().next_back();
    }
    let info = newest.ok_or_else(|| {
        CommandError::bad_call(format!(
            "there is no run in {} yet: start one with `coupa-batch run`",
            journal.display()
        ))
    })?;
    let owner = owner.filter(|_| info.finished_at.is_none());
    Ok((info, owner))
}

pub(crate) fn report(args: &ReportArgs) -> Result<ExitReason, CommandError> {
    let config = layers::load_config(args.to_settings(), None).map_err(CommandError::bad_call)?;
    let journal = run_record::path(args.journal.journal.as_deref(), &config.out);
    let reader = JournalReader::open(&journal).map_err(CommandError::unreadable)?;
    let runs = reader.runs().map_err(CommandError::journal)?;
    let info = match &args.run {
        Some(name) => runs.into_iter().find(|info| info.run == RunId::new(name)),
        None => runs.into_iter().next_back(),
    };
    let Some(info) = info else {
        return Err(CommandError::bad_call(format!(
            "there is no such run in {}: omit --run to take the last one",
            journal.display()
        )));
    };
    let facts = RunFacts {
        run: info.run.clone(),
        started: info.started_at,
        finished: info.finished_at.unwrap_or_else(Timestamp::now),
        base_url: info.base_url.clone(),
        version: info.version.clone(),
        rejects: reader.rejects(&info.run).map_err(CommandError::journal)?,
        stopped_because: info.stopped.as_ref().map(ToString::to_string),
    };
    let history = reader.history(&info.run).map_err(CommandError::journal)?;
    let (files, summary) = report::write(&config.out, &history, &facts).map_err(CommandError::bad_call)?;
    output::print(&format!("{summary}report: {}\n", files.csv.path.display()))?;
    Ok(ExitReason::AllWell)
}

fn to_text(info: &RunInfo, owner: Option<&str>) -> String {
    let state = match (info.finished_at, owner, info.open_count()) {
        (Some(at), _, 0) => format!("finished at {at}"),
        (Some(at), _, open) => {
            format!("stopped at {at} with {} open; continue with `coupa-batch resume`", count(open, "order"))
        }
        (None, Some(owner), _) => format!("running ({owner}), {} in progress", count(info.leased_count, "order")),
        (None, None, open) => {
            format!("crashed with {} open; continue with `coupa-batch resume`", count(open, "order"))
        }
    };
    let mut text = format!("run {}, started at {}, {state}\n", info.run, info.started_at);
    for status in OrderStatus::ALL {
        if let Some(count) = info.by_status.get(&status) {
            let _ = writeln!(text, "  {status:<18} {count:>7}"); // cannot fail on a String
        }
    }
    if let Some(stop) = &info.stopped {
        let _ = writeln!(text, "  stopped early: {stop}");
    }
    text
}

fn to_json(info: &RunInfo, owner: Option<&str>) -> serde_json::Value {
    serde_json::json!({
        "run": info.run,
        "started": info.started_at,
        "finished": info.finished_at,
        "at_work": owner,
        "base_url": info.base_url,
        "orders": info.order_count(),
        "open": info.open_count(),
        "running": info.leased_count,
        "by_status": info.by_status,
        "stopped_because": info.stopped,
    })
}
