//! `coupa-batch tune`: the same batch with one number of workers after the other, and which of them suits this machine.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::batch::selection::{OrderFilter, Refresh};
use crate::cli::args::TuneArgs;
use crate::cli::commands::demo::{fresh_folder, install_missing, point_at};
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::interrupt::Interrupt;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::setup::{block_on, start_logging};
use crate::config::{PoolConfig, Settings, WorkerCount, layers};
use crate::demo::{DemoConfig, DemoPortal};
use crate::download::OutputLock;
use crate::fs::private;
use crate::model::PoTask;
use crate::text::count;

/// How much slower than the fastest a smaller number may be and still be recommended: what it saves is worth more, and one
/// measurement differs from the next by as much.
const TOLERANCE: f64 = 0.05;

pub(crate) fn tune(args: &TuneArgs) -> Result<ExitReason, CommandError> {
    let out = fresh_folder()?;
    let (progress, batches) = match prepare(args, &out) {
        Ok(Some(prepared)) => prepared,
        nothing => {
            // there is nothing in it to look at
            if let Err(why) = std::fs::remove_dir_all(&out) {
                tracing::debug!(%why, "a folder could not be removed");
            }
            return nothing.map(|_| ExitReason::AllWell);
        }
    };
    let ended = measure_all(args, batches, &progress);
    if !matches!(ended, Ok(ExitReason::AllWell)) {
        progress.say(&format!("log and evidence are in {}", out.display()));
    } else if let Err(why) = std::fs::remove_dir_all(&out) {
        // the files are the demo's, and nobody asked for them
        progress.say(&format!("{} could not be removed: {why}", out.display()));
    }
    ended
}

/// A number of workers and the settings of its batch.
type Candidate = (NonZeroUsize, PoolConfig);

/// Reads the settings and starts the log in `out`; none if there is no number to measure.
fn prepare(args: &TuneArgs, out: &Path) -> Result<Option<(Progress, Vec<Candidate>)>, CommandError> {
    let settings = |workers: NonZeroUsize| {
        let mut settings: Settings = args.browser.to_settings();
        settings.workers = Some(WorkerCount::Exactly(workers));
        settings.max_workers = Some(u32::try_from(workers.get()).unwrap_or(u32::MAX));
        settings.out = Some(out.join(workers.to_string()));
        layers::load_config(settings, None).map(|config| (workers, config)).map_err(CommandError::bad_call)
    };
    // a number that is given twice is measured once
    let mut seen = BTreeSet::new();
    let numbers = args.workers.iter().copied().filter(|number| seen.insert(*number));
    let batches: Vec<_> = numbers.map(settings).collect::<Result<_, _>>()?;
    let Some((_, first)) = batches.first() else { return Ok(None) };
    let log = PoolConfig { out: out.to_owned(), ..first.clone() };
    Ok(Some((start_logging(&args.output, &log)?, batches)))
}

fn measure_all(args: &TuneArgs, batches: Vec<Candidate>, progress: &Progress) -> Result<ExitReason, CommandError> {
    if let Some((_, first)) = batches.first().filter(|_| args.yes) {
        install_missing(&first.browser, |line| progress.say(line))?;
    }
    block_on(|signals| async move {
        let demo = DemoConfig { orders: args.orders as usize, ..DemoConfig::default() };
        let portal = DemoPortal::start(demo)
            .await
            .map_err(|why| CommandError::new(ExitReason::Unexpected, format!("the demo portal cannot start: {why}")))?;
        let ended = sweep(&portal, batches, args, progress, &signals).await;
        portal.stop().await;
        ended
    })
}

async fn sweep(
    portal: &DemoPortal,
    batches: Vec<Candidate>,
    args: &TuneArgs,
    progress: &Progress,
    signals: &Interrupt,
) -> Result<ExitReason, CommandError> {
    let mut measurements = Vec::new();
    for (workers, mut config) in batches {
        point_at(&mut config, portal);
        progress.say(&format!("{} with {}", count(args.orders, "order"), count(workers.get() as u64, "worker")));
        let (reason, took) = measure(portal, config, signals).await?;
        if reason != ExitReason::AllWell {
            progress.say("the batch did not end well: there is no recommendation without comparable figures");
            return Ok(reason);
        }
        measurements.push(Measurement { workers: workers.get(), items: u64::from(args.orders), took });
    }
    let best = recommend(&measurements);
    if args.output.json {
        let rows = measurements.iter().map(|row| {
            serde_json::json!({ "workers": row.workers, "seconds": row.took.as_secs_f64(), "orders_per_minute": row.per_minute() })
        });
        output::print_json(
            &serde_json::json!({ "recommended_workers": best, "orders": args.orders, "measurements": rows.collect::<Vec<_>>() }),
        )?;
    } else {
        output::print(&table(&measurements, best))?;
    }
    Ok(ExitReason::AllWell)
}

/// Runs the whole batch once, from its start to its report.
async fn measure(
    portal: &DemoPortal,
    config: PoolConfig,
    signals: &Interrupt,
) -> Result<(ExitReason, Duration), CommandError> {
    make_folder(&config.out)?;
    let lock = Arc::new(OutputLock::take(&config.out).map_err(CommandError::bad_call)?);
    let tasks = portal.orders().into_iter().map(PoTask::new).collect();
    let filter = OrderFilter { refresh: Refresh::Always, ..OrderFilter::default() };
    let started = Instant::now();
    let report =
        Batch::new(config).locked(lock).signals(signals.counts()).run_selected(tasks, Vec::new(), filter).await?;
    let reason = report.map_or(ExitReason::AllWell, |report| ExitReason::from(report.status));
    Ok((reason, started.elapsed()))
}

fn make_folder(folder: &Path) -> Result<(), CommandError> {
    private::create_folder(folder)
        .map_err(|why| CommandError::bad_call(format!("cannot create {}: {why}", folder.display())))
}

fn table(measurements: &[Measurement], best: Option<usize>) -> String {
    let mut text = String::from("workers   seconds   orders/min   times the first\n");
    let first = measurements.first().map_or(1.0, Measurement::per_minute);
    for row in measurements {
        let rate = row.per_minute();
        // writing to a string cannot fail
        _ = writeln!(
            text,
            "{:>7}   {:>7.1}   {rate:>10.1}   {:>15.2}",
            row.workers,
            row.took.as_secs_f64(),
            rate / first
        );
    }
    if let Some(best) = best {
        let workers = count(best as u64, "worker");
        _ = writeln!(
            text,
            "recommended for this machine: {workers} (--workers {best}), the fewest within 5 % of the best"
        );
    }
    text
}

/// The same work, done by one number of workers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Measurement {
    /// How many workers.
    workers: usize,
    /// How many pieces of work.
    items: u64,
    /// How long they took together.
    took: Duration,
}

impl Measurement {
    /// Pieces of work per minute.
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    fn per_minute(&self) -> f64 {
        self.items as f64 * 60.0 / self.took.as_secs_f64().max(f64::EPSILON)
    }
}

/// The fewest workers that are about as fast as the fastest; none without a measurement.
fn recommend(measurements: &[Measurement]) -> Option<usize> {
    let best = measurements.iter().map(Measurement::per_minute).fold(0.0, f64::max);
    let good = measurements.iter().filter(|row| row.per_minute() >= best * (1.0 - TOLERANCE));
    good.map(|row| row.workers).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_workers_that_are_about_as_fast_as_the_fastest_are_recommended() {
        let row = |workers, seconds| Measurement { workers, items: 60, took: Duration::from_secs(seconds) };
        assert_eq!(recommend(&[row(1, 100), row(2, 52), row(4, 50), row(8, 60)]), Some(2));
        assert_eq!(recommend(&[row(1, 100), row(2, 60), row(4, 50)]), Some(4));
        assert_eq!(recommend(&[row(8, 10), row(1, 10)]), Some(1));
        assert_eq!(recommend(&[]), None);
    }

    #[test]
    fn the_table_says_what_the_recommendation_is_based_on() {
        let row = |workers, seconds| Measurement { workers, items: 30, took: Duration::from_secs(seconds) };
        let text = table(&[row(1, 60), row(2, 30)], Some(2));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["1", "60.0", "30.0", "1.00"]);
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["2", "30.0", "60.0", "2.00"]);
        assert!(lines[3].contains("--workers 2"), "{text}");
    }
}
