//! `coupa-batch run`: a sheet of orders in, files and a report out. `coupa-batch resume`: the rest of an unfinished run.

use std::sync::Arc;

use crate::assembly::check_login;
use crate::batch::notices::RunNotices;
use crate::batch::{Batch, BatchError, BatchReport, run_record};
use crate::cli::args::{OutputArgs, ResumeArgs, RunArgs};
use crate::cli::batch_view::{BatchView, print_summary};
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::intake_view::show_intake;
use crate::cli::interrupt::Interrupt;
use crate::cli::progress::Progress;
use crate::cli::setup::{block_on, start_logging};
use crate::config::PoolConfig;
use crate::config::layers;
use crate::credentials::LoginSource;
use crate::download::OutputLock;
use crate::input::{self, InputOptions};
use crate::journal::JournalReader;
use crate::notify::RunFinished;
use crate::site::number_rules;

pub(crate) fn run(args: &RunArgs) -> Result<ExitReason, CommandError> {
    let settings = &args.settings;
    let flags = settings.to_settings();
    let mut config = layers::load_config(flags, settings.file.config.as_deref()).map_err(CommandError::bad_call)?;
    let closing = args.window.closing()?;
    if config.site.base_url.is_none() {
        return Err(CommandError::bad_call(
            "no portal given: use --base-url https://<company>.coupahost.com, COUPA_BATCH_BASE_URL, \
             or base_url in coupa-batch.toml",
        ));
    }
    let numbers = number_rules(&config.site.recipe).map_err(CommandError::bad_call)?;
    let options = InputOptions {
        priority: args.priority,
        numbers: config.input.numbers.clone().or(&numbers.format),
        prefix_counts: numbers.prefix_counts,
        column: config.input.column.clone(),
        sheet: config.input.sheet.clone(),
    };
    let intake = input::read(&args.inputs, &options).map_err(CommandError::bad_call)?;
    if intake.tasks.is_empty() {
        let refused: Vec<_> = intake.rejects.iter().take(10).map(|reject| format!("\n  {reject}")).collect();
        return Err(CommandError::bad_call(format!("there is no order in the input{}", refused.concat())));
    }
    let login = LoginSource::fill(&mut config);
    check_login(&config.site).map_err(CommandError::bad_call)?;
    // only now: a refused command leaves no folder behind
    let lock = Arc::new(OutputLock::take(&config.out).map_err(CommandError::bad_call)?);
    let progress = start_logging(&args.output, &config)?;
    if let Some(remark) = login.remark() {
        progress.say(&remark);
    }
    show_intake(&intake, &progress);
    let journal = run_record::path(args.journal.journal.as_deref(), &config.out);
    let batch = Batch::new(config.clone()).locked(lock).journal(journal).time_limit(closing);
    let filter = args.wanted.wanted();
    block_on(|signals| {
        perform(batch, &config, &args.output, &progress, signals, |batch| {
            batch.run_selected(intake.tasks, intake.rejects, filter)
        })
    })
}

pub(crate) fn resume(args: &ResumeArgs) -> Result<ExitReason, CommandError> {
    let settings = &args.settings;
    let mut flags = settings.to_settings();
    let file = settings.file.config.as_deref();
    let config = layers::load_config(flags.clone(), file).map_err(CommandError::bad_call)?;
    let closing = args.window.closing()?;
    let journal = run_record::path(args.journal.journal.as_deref(), &config.out);
    let Some(info) =
        JournalReader::open(&journal).and_then(|reader| reader.last_unfinished()).map_err(CommandError::unreadable)?
    else {
        return Err(CommandError::bad_call(format!(
            "{} has no unfinished run: there is nothing to resume",
            journal.display()
        )));
    };
    // the portal of the run, unless another one is given
    if config.site.base_url.is_none() {
        flags.base_url = info.base_url.as_deref().and_then(|address| address.parse().ok());
    }
    let mut config = layers::load_config(flags, file).map_err(CommandError::bad_call)?;
    let login = LoginSource::fill(&mut config);
    check_login(&config.site).map_err(CommandError::bad_call)?;
    let lock = Arc::new(OutputLock::take(&config.out).map_err(CommandError::bad_call)?);
    let progress = start_logging(&args.output, &config)?;
    if let Some(remark) = login.remark() {
        progress.say(&remark);
    }
    let batch = Batch::new(config.clone()).locked(lock).journal(journal).time_limit(closing);
    block_on(|signals| {
        perform(batch, &config, &args.output, &progress, signals, |batch| async move {
            batch.resume_run(&info).await.map(Some)
        })
    })
}

/// Performs a batch with its lines, its totals and its notices.
async fn perform<F>(
    batch: Batch,
    config: &PoolConfig,
    output: &OutputArgs,
    progress: &Progress,
    signals: Interrupt,
    work: impl FnOnce(Batch) -> F,
) -> Result<ExitReason, CommandError>
where
    F: Future<Output = Result<Option<BatchReport>, BatchError>>,
{
    let view = BatchView::new(progress);
    let notices = Arc::new(RunNotices::new(config));
    let (lines, webhook) = (view.clone(), Arc::clone(&notices));
    let ended = work(batch.signals(signals.counts()).observe(move |event| {
        webhook.observe(event);
        lines.observe(event);
    }))
    .await
    .map_err(CommandError::from);
    view.finish().await;
    let shown = match &ended {
        Ok(Some(report)) => print_summary(report, output, progress),
        Ok(None) | Err(_) => Ok(()),
    };
    let mut later_signals = signals.without_earlier();
    tokio::select! {
        () = notices.finish(notice_of(&ended)) => {}
        () = later_signals.received() => {}
    }
    let reason = ended?.map_or(ExitReason::AllWell, |report| report.status.into());
    shown.map(|()| reason)
}

/// The last notice of a run.
fn notice_of(ended: &Result<Option<BatchReport>, CommandError>) -> RunFinished {
    let (reason, message, summary) = match ended {
        Ok(Some(report)) => (report.status.into(), None, Some(report.summary.clone())),
        Ok(None) => (ExitReason::AllWell, Some("there was nothing to fetch".to_owned()), None),
        Err(error) => (error.reason, Some(error.message.clone()), None),
    };
    RunFinished { exit_code: reason.code(), status: reason.word(), message, summary }
}
