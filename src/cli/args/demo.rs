//! The words of `coupa-batch demo`.

use std::path::PathBuf;

use crate::config::WorkerCount;
use crate::demo::{FaultRule, NamedFault, PortalKind};
use clap::Args;

use super::{BrowserArgs, OutputArgs};

fn look(text: &str) -> Result<PortalKind, String> {
    PortalKind::ALL
        .into_iter()
        .find(|look| look.recipe() == text)
        .ok_or_else(|| format!("use one of {}", PortalKind::ALL.map(PortalKind::recipe).join(", ")))
}

/// How often a fault strikes when nobody says: often enough to be seen, and seldom enough to be got over.
const STRIKES_EACH: u32 = 5;

/// What `demo --fault` asks for.
#[derive(Clone, Debug)]
pub(crate) enum FaultArg {
    /// To see which there are.
    List,
    /// This one.
    Rule(FaultRule),
}

fn fault(text: &str) -> Result<FaultArg, String> {
    if text == "list" {
        return Ok(FaultArg::List);
    }
    let (name, every) = text.split_once('=').map_or((text, None), |(name, every)| (name, Some(every)));
    let Some(named) = NamedFault::find(name) else {
        let names: Vec<_> = NamedFault::ALL.iter().map(|named| named.name).collect();
        return Err(format!("use one of {} (or `list`, which explains them)", names.join(", ")));
    };
    let every = match every {
        None => STRIKES_EACH,
        Some(every) => {
            let count = every.parse().ok().filter(|count| *count > 0);
            count.ok_or_else(|| format!("{every:?} is not a number of requests from 1 on"))?
        }
    };
    Ok(FaultArg::Rule(named.each(every)))
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coupa-batch demo --orders 100 --workers 2 --yes\n  \
    coupa-batch demo --fault login-ends=7 --fault truncated")]
pub(crate) struct DemoArgs {
    /// How many orders the portal has
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) orders: u32,
    /// How many browsers work side by side; `auto` goes by orders, processors and memory
    #[arg(long, value_name = "N|auto")]
    pub(crate) workers: Option<WorkerCount>,
    /// Folder that the files go into; a fresh temporary one if not given
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Show the browsers' windows
    #[arg(long)]
    pub(crate) headed: bool,
    /// Install a missing browser or driver with the system's package manager
    #[arg(long)]
    pub(crate) yes: bool,
    /// Which kind of portal it is, by the name of the shipped recipe for it (`recipe list`)
    #[arg(long = "recipe", value_name = "NAME", default_value = "coupa", value_parser = look)]
    pub(crate) look: PortalKind,
    /// Let something go wrong, with each fifth request of its kind or each EVERY-th; can be given several times, `list`
    /// says what there is
    #[arg(long = "fault", value_name = "NAME[=EVERY]", value_parser = fault)]
    pub(crate) faults: Vec<FaultArg>,
    /// Leave the portal up after the batch, until Ctrl-C
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) browser: BrowserArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
