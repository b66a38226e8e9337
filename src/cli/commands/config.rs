//! `coupa-batch config`: the settings in force, as a file that gives the same ones.

use crate::config::reference;

use crate::cli::args::ConfigArgs;
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::output;
use crate::config::layers;

pub(crate) fn config(args: &ConfigArgs) -> Result<ExitReason, CommandError> {
    if args.reference {
        output::print(&reference())?;
        return Ok(ExitReason::AllWell);
    }
    let file = args.settings.file.config.as_deref();
    let flags = args.settings.to_settings();
    // refuses what a run would refuse, before it prints anything
    layers::load_config(flags.clone(), file).map_err(CommandError::bad_call)?;
    let settings = layers::load(flags, file).map_err(CommandError::bad_call)?;
    output::print(&settings.with_defaults().to_toml())?;
    Ok(ExitReason::AllWell)
}
