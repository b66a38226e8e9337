//! Arguments of `coupa-batch demo`.

use std::num::NonZeroUsize;
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

/// Default of `EVERY`: often enough to be seen, and rarely enough for retries to succeed.
const STRIKES_EACH: u32 = 5;

/// A value of `demo --fault`.
#[derive(Clone, Debug)]
pub(crate) enum FaultArg {
    /// List the faults.
    List,
    /// Add this fault.
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
            count.ok_or_else(|| format!("{every:?} is not a number of requests of at least 1"))?
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
    /// How many browsers work in parallel; `auto` depends on the number of orders, the processors and the memory
    #[arg(long, value_name = "N|auto")]
    pub(crate) workers: Option<WorkerCount>,
    /// Folder for the files; a new temporary one if not given
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Show the browsers' windows
    #[arg(long)]
    pub(crate) headed: bool,
    /// Install a missing browser or driver with the system's package manager
    #[arg(long)]
    pub(crate) yes: bool,
    /// The kind of portal, by the name of its built-in recipe (see `recipe list`)
    #[arg(long = "recipe", value_name = "NAME", default_value = "coupa", value_parser = look)]
    pub(crate) look: PortalKind,
    /// Let something fail on every fifth request of its kind, or on every EVERY-th; can be given several times; `list`
    /// shows all faults
    #[arg(long = "fault", value_name = "NAME[=EVERY]", value_parser = fault)]
    pub(crate) faults: Vec<FaultArg>,
    /// Keep the portal running after the batch, until Ctrl-C
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) browser: BrowserArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  coupa-batch tune --orders 50 --workers 1,2,4,8\n\n\
    A whole batch is fetched from the portal inside this program with each number of workers. Close what else uses the \
    machine.")]
pub(crate) struct TuneArgs {
    /// How many orders each batch has
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) orders: u32,
    /// The numbers of workers to try, one after the other
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "1,2,3,4,6,8", value_parser = workers)]
    pub(crate) workers: Vec<NonZeroUsize>,
    /// Install a missing browser or driver with the system's package manager
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) browser: BrowserArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.trim().parse().ok().filter(|count: &NonZeroUsize| count.get() <= 64);
    count.ok_or_else(|| "use numbers from 1 to 64, such as 1,2,4".to_owned())
}
