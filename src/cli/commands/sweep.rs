//! `coupa-batch sweep`: ends and removes what killed programs left behind.

use std::fmt::Write as _;

use crate::assembly::{Sweep, sweep as end_leftovers};
use crate::browser::ProfileManager;
use crate::config::Settings;
use crate::model::SweepReport;

use crate::cli::args::SweepArgs;
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::output;
use crate::config::layers;
use crate::text::count;

pub(crate) fn sweep(args: &SweepArgs) -> Result<ExitReason, CommandError> {
    let config =
        layers::load_config(Settings::default(), args.file.config.as_deref()).map_err(CommandError::bad_call)?;
    let unreadable = |why| {
        let advice = "check its owner, or set profile_dir to another folder";
        CommandError::new(
            ExitReason::Unexpected,
            format!("the folder for browser profiles cannot be read ({why}): {advice}"),
        )
    };
    let profiles = ProfileManager::new(&config).map_err(unreadable)?;
    let how = Sweep { is_dry: args.dry_run, with_templates: args.all, with_kept: args.all };
    let report = end_leftovers(&profiles, how).map_err(unreadable)?;
    output::print(&to_text(&report, args.dry_run))?;
    if report.left.is_empty() {
        return Ok(ExitReason::AllWell);
    }
    Err(CommandError::new(
        ExitReason::Unexpected,
        format!("not everything could be removed:\n  {}", report.left.join("\n  ")),
    ))
}

fn to_text(report: &SweepReport, is_dry: bool) -> String {
    let (ended, removed) = if is_dry { ("would end", "would remove") } else { ("ended", "removed") };
    let SweepReport { removed: folders, ended: processes, kept, in_use, left: _ } = report;
    let mut text = String::new();
    // writing to a String cannot fail
    for process in processes {
        let _ = writeln!(text, "{ended:<12} process {} ({})", process.pid, process.name);
    }
    for folder in folders {
        let _ = writeln!(text, "{removed:<12} {}", folder.display());
    }
    for folder in kept {
        let _ = writeln!(text, "{:<12} {}", "kept", folder.display());
    }
    for folder in in_use {
        let _ = writeln!(text, "{:<12} {}", "in use", folder.display());
    }
    let _ = writeln!(
        text,
        "{ended} {}, {removed} {}, {} in use",
        count(processes.len(), "process"),
        count(folders.len(), "folder"),
        in_use.len()
    );
    text
}
