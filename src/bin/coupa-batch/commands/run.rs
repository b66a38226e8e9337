//! `coupa-batch run`: a sheet of orders in, files and a report out.

use std::sync::Arc;

use coupa_batch::download::Claim;
use coupa_batch::input;

use crate::args::RunArgs;
use crate::batch::{self, perform, print_summary};
use crate::exit::{ExitReason, Stopped};
use crate::layers;

pub(crate) fn run(args: &RunArgs) -> Result<ExitReason, Stopped> {
    let settings = &args.settings;
    let mut flags = settings.to_settings();
    flags.stop_after = args.window.stop_after;
    let config = layers::load_config(flags, settings.file.config.as_deref()).map_err(Stopped::bad_call)?;
    let closing = args.window.closing()?;
    if config.site.base_url.is_none() {
        return Err(Stopped::bad_call(
            "which portal? Give its address with --base-url https://<company>.coupahost.com, COUPA_BATCH_BASE_URL, \
             or base_url in coupa-batch.toml",
        ));
    }
    let intake = input::read(&args.inputs, args.priority).map_err(Stopped::bad_call)?;
    if intake.tasks.is_empty() {
        let refused: Vec<_> = intake.rejects.iter().take(10).map(|reject| format!("\n  {reject}")).collect();
        return Err(Stopped::bad_call(format!("the input holds no order{}", refused.concat())));
    }
    // only now: a refused call leaves no folder behind
    let claim = Arc::new(Claim::take(&config.out).map_err(Stopped::bad_call)?);
    let progress = batch::start_logging(&args.output, &config)?;
    for remark in &intake.remarks {
        progress.say(&format!("note: {remark}"));
    }
    if intake.duplicates > 0 {
        progress.say(&format!("{} rows name an order that was named before; each is fetched once", intake.duplicates));
    }
    batch::block_on(async {
        let finished = perform(config, intake.tasks, intake.rejects, &progress, claim, closing.as_ref()).await?;
        print_summary(&finished, &args.output, &progress)?;
        Ok(finished.reason)
    })
}
