//! `coupa-batch config`: the settings in force, as a file that gives the same ones.

use coupa_batch::config::reference;

use crate::args::ConfigArgs;
use crate::exit::{ExitReason, Stopped};
use crate::layers;

pub(crate) fn config(args: &ConfigArgs) -> Result<ExitReason, Stopped> {
    if args.reference {
        print!("{}", reference());
        return Ok(ExitReason::AllWell);
    }
    let file = args.settings.file.config.as_deref();
    let settings = layers::load(args.settings.to_settings(), file).map_err(Stopped::bad_call)?;
    // tells what is wrong with it as a run would, before printing it as if it were fine
    layers::load_config(args.settings.to_settings(), file).map_err(Stopped::bad_call)?;
    print!("{}", settings.with_defaults().to_toml());
    Ok(ExitReason::AllWell)
}
