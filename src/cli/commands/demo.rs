//! `coupa-batch demo`: the real batch against a portal inside the program, every file checked against what was served.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::History;
use crate::browser::{locate, provision};
use crate::config::{BrowserConfig, Credentials, PoolConfig};
use crate::demo::{DemoConfig, DemoPortal, Faults, NamedFault, check};
use crate::download::OutputLock;
use crate::fs::private;
use crate::model::PoTask;
use crate::model::TaskState;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::batch::selection::{OrderFilter, Refresh};
use crate::batch::{Batch, BatchReport};
use crate::cli::args::{DemoArgs, FaultArg};
use crate::cli::batch_view::{BatchView, print_summary};
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::interrupt::Interrupt;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::setup::{block_on, start_logging};
use crate::config::layers;
use crate::text::count;

/// Differences that the terminal lists.
const SHOWN_MISMATCHES: usize = 50;

pub(crate) fn demo(args: &DemoArgs) -> Result<ExitReason, CommandError> {
    let mut faults = Faults::new();
    for fault in &args.faults {
        match fault {
            FaultArg::List => return list_faults(),
            FaultArg::Rule(rule) => faults.push(rule.clone()),
        }
    }
    let out = match &args.out {
        Some(out) => out.clone(),
        None => fresh_folder()?,
    };
    let mut flags = args.browser.to_settings();
    flags.out = Some(out);
    flags.workers = args.workers;
    flags.headless = args.headed.then_some(false);
    // browser settings of the environment and the file apply here too, but not those of a portal
    let mut config = layers::load_config(flags, None).map_err(CommandError::bad_call)?;
    let lock = Arc::new(OutputLock::take(&config.out).map_err(CommandError::bad_call)?);
    let progress = start_logging(&args.output, &config)?;
    if args.yes {
        install_missing(&config.browser, |line| progress.say(line))?;
    }
    block_on(|signals| async {
        let demo = DemoConfig { orders: args.orders as usize, look: args.look, faults, ..DemoConfig::default() };
        let portal = DemoPortal::start(demo)
            .await
            .map_err(|why| CommandError::new(ExitReason::Unexpected, format!("the demo portal cannot start: {why}")))?;
        point_at(&mut config, &portal);
        progress.say(&format!("demo portal at {} with {} orders", portal.base_url(), portal.orders().len()));
        let ended = batch_on(&portal, config, args, &progress, lock, signals.counts()).await;
        if args.keep && ended.is_ok() {
            keep_up(&portal, &progress, signals.without_earlier()).await;
        }
        portal.stop().await;
        ended
    })
}

async fn batch_on(
    portal: &DemoPortal,
    config: PoolConfig,
    args: &DemoArgs,
    progress: &Progress,
    lock: Arc<OutputLock>,
    signals: watch::Receiver<u32>,
) -> Result<ExitReason, CommandError> {
    let out = config.out.clone();
    let tasks = portal.orders().into_iter().map(PoTask::new).collect();
    // always a new run, whatever the folder contains
    let filter = OrderFilter { refresh: Refresh::Always, ..OrderFilter::default() };
    let view = BatchView::new(progress);
    let lines = view.clone();
    let ended = Batch::new(config)
        .locked(lock)
        .signals(signals)
        .observe(move |event| lines.observe(event))
        .run_selected(tasks, Vec::new(), filter)
        .await;
    view.finish().await;
    let Some(finished) = ended? else { return Ok(ExitReason::AllWell) };
    print_summary(&finished, &args.output, progress)?;
    let reason = ExitReason::from(finished.status);
    if matches!(reason, ExitReason::AllWell | ExitReason::Failures) {
        compare(portal, &out, &finished, progress)
    } else {
        Ok(reason)
    }
}

/// Compares each file and status with what the portal served.
fn compare(
    portal: &DemoPortal,
    out: &Path,
    finished: &BatchReport,
    progress: &Progress,
) -> Result<ExitReason, CommandError> {
    let outcomes = outcomes(&finished.history);
    let mismatches = check(portal, out, &outcomes);
    if mismatches.is_empty() {
        progress.say(&format!(
            "verified: all {} files and {} statuses match what the portal served",
            finished.summary.files,
            outcomes.len()
        ));
        progress.say(&format!("the files are in {}", out.display()));
        return Ok(ExitReason::AllWell);
    }
    let list: Vec<_> = mismatches.iter().take(SHOWN_MISMATCHES).map(|mismatch| format!("\n  {mismatch}")).collect();
    Err(CommandError::new(
        ExitReason::Failures,
        format!("{} from what the portal served:{}", count(mismatches.len(), "difference"), list.concat()),
    ))
}

fn outcomes(history: &History) -> Vec<(crate::model::PoNumber, crate::model::Outcome)> {
    let ended = |state: &TaskState| Some((state.order().po.clone(), state.outcome()?.clone()));
    history.tasks.values().filter_map(ended).collect()
}

pub(crate) fn point_at(config: &mut PoolConfig, portal: &DemoPortal) {
    config.site.recipe = portal.look().recipe().to_owned();
    config.site.base_url = Some(portal.base_url());
    config.site.credentials = Some(Credentials { username: portal.username().to_owned(), password: portal.password() });
}

fn list_faults() -> Result<ExitReason, CommandError> {
    let width = NamedFault::ALL.iter().map(|named| named.name.len()).max().unwrap_or_default();
    let lines: Vec<_> =
        NamedFault::ALL.iter().map(|named| format!("{:width$}  {}\n", named.name, named.about)).collect();
    output::print(&lines.concat()).map(|()| ExitReason::AllWell)
}

/// Installs browser and driver if no usable pair is installed.
pub(crate) fn install_missing(config: &BrowserConfig, mut say: impl FnMut(&str)) -> Result<(), CommandError> {
    if locate(config).is_ok() {
        return Ok(());
    }
    let no_browser = |why: provision::InstallError| CommandError::new(ExitReason::NoBrowser, why);
    let plan = provision::plan(config.choice).map_err(no_browser)?;
    say(&plan.to_string());
    provision::install(&plan, |line| say(line)).map_err(no_browser)
}

/// Creates a new private folder: everyone can write to the system's folder for temporary files.
pub(crate) fn fresh_folder() -> Result<PathBuf, CommandError> {
    let name = format!("coupa-batch-demo-{}-{}", Timestamp::now().strftime("%Y%m%d-%H%M%S"), std::process::id());
    let folder = std::env::temp_dir().join(name);
    private::create_folder(&folder).map_err(|why| {
        CommandError::bad_call(format!("cannot create {}: {why}; choose another folder with --out", folder.display()))
    })?;
    Ok(folder)
}

/// Keeps the portal running for a person to look at.
async fn keep_up(portal: &DemoPortal, progress: &Progress, mut signals: Interrupt) {
    use secrecy::ExposeSecret;
    progress.say(&format!(
        "the portal keeps running at {} until Ctrl-C; user name {}, password {}",
        portal.base_url(),
        portal.username(),
        portal.password().expose_secret() // made for this demo, and gone with it
    ));
    signals.received().await;
}
