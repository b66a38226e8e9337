//! `coupa-batch run`: a sheet of orders in, files and a report out. `coupa-batch resume`: the rest of an unfinished run.

use std::collections::HashSet;
use std::sync::Arc;

use crate::assembly::check_login;
use crate::config::PoolConfig;
use crate::download::OutputLock;
use crate::input;
use crate::journal::{JournalReader, RunInfo};
use crate::model::PoNumber;
use crate::model::PoTask;
use crate::model::RejectedRow;
use jiff::Timestamp;

use crate::batch::notices::{courier, perform_and_tell, tell_idle};
use crate::batch::run::{self, Batch};
use crate::batch::run_record::{self, RunRecord, blocking, unreadable};
use crate::batch::selection::{OrderFilter, Selection, select};
use crate::cli::args::{ResumeArgs, RunArgs};
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::login_source::LoginSource;
use crate::cli::progress::Progress;
use crate::config::layers;

pub(crate) fn run(args: &RunArgs) -> Result<ExitReason, CommandError> {
    let settings = &args.settings;
    let flags = settings.to_settings();
    let mut config = layers::load_config(flags, settings.file.config.as_deref()).map_err(CommandError::bad_call)?;
    let closing = args.window.closing()?;
    if config.site.base_url.is_none() {
        return Err(CommandError::bad_call(
            "which portal? Give its address with --base-url https://<company>.coupahost.com, COUPA_BATCH_BASE_URL, \
             or base_url in coupa-batch.toml",
        ));
    }
    let intake = input::read(&args.inputs, args.priority).map_err(CommandError::bad_call)?;
    if intake.tasks.is_empty() {
        let refused: Vec<_> = intake.rejects.iter().take(10).map(|reject| format!("\n  {reject}")).collect();
        return Err(CommandError::bad_call(format!("the input holds no order{}", refused.concat())));
    }
    let login = LoginSource::fill(&mut config);
    check_login(&config.site).map_err(CommandError::bad_call)?;
    // only now: a refused call leaves no folder behind
    let claim = Arc::new(OutputLock::take(&config.out).map_err(CommandError::bad_call)?);
    let progress = run::start_logging(&args.output, &config)?;
    if let Some(remark) = login.remark() {
        progress.say(&remark);
    }
    for remark in &intake.remarks {
        progress.say(&format!("note: {remark}"));
    }
    if intake.duplicates > 0 {
        progress.say(&format!("{} rows name an order that was named before; each is fetched once", intake.duplicates));
    }
    run::show_rejects(&intake.rejects, &progress);
    let journal = run_record::path(args.journal.journal.as_deref(), &config.out);
    run::block_on(async {
        let store = RunRecord::open(journal.clone()).await?;
        let (record, selection) =
            plan(store, &config, intake.tasks, intake.rejects, args.wanted.wanted(), &progress).await?;
        if record.history.tasks.is_empty() && selection.orders.is_empty() {
            let courier = courier(&config, &record);
            record.finish(None).await?;
            progress.say("nothing to fetch");
            tell_idle(courier).await;
            return Ok(ExitReason::AllWell);
        }
        perform_and_tell(Batch { config, claim, record, selection, closing, mailbox: None }, &args.output, &progress)
            .await
    })
}

pub(crate) fn resume(args: &ResumeArgs) -> Result<ExitReason, CommandError> {
    let settings = &args.settings;
    let mut flags = settings.to_settings();
    let file = settings.file.config.as_deref();
    let config = layers::load_config(flags.clone(), file).map_err(CommandError::bad_call)?;
    let closing = args.window.closing()?;
    let journal = run_record::path(args.journal.journal.as_deref(), &config.out);
    let Some(info) = JournalReader::open(&journal).and_then(|reader| reader.last_unfinished()).map_err(unreadable)?
    else {
        return Err(CommandError::bad_call(format!(
            "{} holds no unfinished run: there is nothing to resume",
            journal.display()
        )));
    };
    // the portal of the run, unless the caller knows better
    if config.site.base_url.is_none() {
        flags.base_url = info.base_url.as_deref().and_then(|address| address.parse().ok());
    }
    let mut config = layers::load_config(flags, file).map_err(CommandError::bad_call)?;
    let login = LoginSource::fill(&mut config);
    check_login(&config.site).map_err(CommandError::bad_call)?;
    let claim = Arc::new(OutputLock::take(&config.out).map_err(CommandError::bad_call)?);
    let progress = run::start_logging(&args.output, &config)?;
    if let Some(remark) = login.remark() {
        progress.say(&remark);
    }
    run::block_on(async {
        let store = RunRecord::open(journal).await?;
        tell_resumed(&info, &progress);
        let record = RunRecord::resume(store, &info).await?;
        let selection = Selection::default();
        perform_and_tell(Batch { config, claim, record, selection, closing, mailbox: None }, &args.output, &progress)
            .await
    })
}

/// Goes on with an unfinished run of the same portal, or begins one; says what of the input is fetched.
async fn plan(
    store: crate::journal::SqliteStore,
    config: &PoolConfig,
    tasks: Vec<PoTask>,
    rejects: Vec<RejectedRow>,
    wanted: OrderFilter,
    progress: &Progress,
) -> Result<(RunRecord, Selection), CommandError> {
    let path = store.path().to_owned();
    let (unfinished, past) = blocking(move || {
        let reader = JournalReader::open(&path)?;
        Ok((reader.last_unfinished()?, reader.latest_all()?))
    })
    .await?;
    let base_url = config.site.base_url.as_ref().map(ToString::to_string);
    let unfinished = unfinished.filter(|info| wanted.is_all() && info.base_url == base_url);
    let mut record = match &unfinished {
        Some(info) => {
            tell_resumed(info, progress);
            RunRecord::resume(store, info).await?
        }
        None => RunRecord::begin(store, config, rejects.clone()).await?,
    };
    if unfinished.is_some() {
        let known: HashSet<_> = record.rejects.iter().map(ToString::to_string).collect();
        record.rejects.extend(rejects.into_iter().filter(|reject| !known.contains(&reject.to_string())));
    }
    // an order of the unfinished run has its place there already
    let own: HashSet<PoNumber> = record.history.tasks.values().map(|state| state.order().po.clone()).collect();
    let tasks: Vec<_> = tasks.into_iter().filter(|task| !own.contains(&task.po)).collect();
    let (out, filter) = (config.out.clone(), config.site.filter.to_string());
    let selection = blocking(move || Ok(select(tasks, &past, wanted, &filter, &out, Timestamp::now()))).await?;
    if selection.reused_count() > 0 {
        progress.say(&format!(
            "{} orders were completed before and their files are as they were: they are not fetched again \
             (--force fetches them)",
            selection.reused_count()
        ));
    }
    if selection.left_out > 0 {
        progress.say(&format!("{} orders of the input are left out, as asked", selection.left_out));
    }
    Ok((record, selection))
}

fn tell_resumed(info: &RunInfo, progress: &Progress) {
    progress.say(&format!(
        "going on with the unfinished run {}: {} of {} orders are open",
        info.run,
        info.open_count(),
        info.order_count()
    ));
}
