//! What commands set up first: logs, progress display, async runtime.

use std::time::Duration;

use secrecy::ExposeSecret;

use crate::cli::args::OutputArgs;
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::interrupt::{Interrupt, SignalWatch};
use crate::cli::logging::{self, LogOptions};
use crate::cli::progress::{Progress, Style, Terminal};
use crate::config::{PoolConfig, SecretUrl};

/// How long background threads (name lookups, file access) may take to end after everything else.
const RUNTIME_DEADLINE: Duration = Duration::from_secs(5);

/// Starts both logs and the progress display of a command.
pub(crate) fn start_logging(output: &OutputArgs, config: &PoolConfig) -> Result<Progress, CommandError> {
    let surroundings = Terminal::look();
    let progress = Progress::new(surroundings, output.no_progress || output.verbose > 1, output.quiet);
    let password = config.site.credentials.as_ref().map(|login| login.password.clone());
    let hook = config.notify_url.iter().flat_map(SecretUrl::secret_parts);
    let options = LogOptions {
        is_quiet: output.quiet,
        verbosity: output.verbose,
        has_bars: progress.style() == Style::Bars,
        has_colours: surroundings.has_colours,
        file: Some(output.log_file.clone().unwrap_or_else(|| config.out.join("coupa-batch.log"))),
        secrets: password.into_iter().chain(hook).map(|secret| secret.expose_secret().to_owned()).collect(),
    };
    logging::start(&options, progress.bars()).map_err(CommandError::bad_call)?;
    Ok(progress)
}

/// Runs `command` on a runtime of its own, with the signals that it receives. The third one ends the program.
pub(crate) fn block_on<T, F>(command: impl FnOnce(Interrupt) -> F) -> Result<T, CommandError>
where
    F: Future<Output = Result<T, CommandError>>,
{
    let signals = SignalWatch::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|why| {
        CommandError::new(ExitReason::Unexpected, format!("cannot start the program's threads: {why}"))
    })?;
    let ended = runtime.block_on(command(signals.interrupt()));
    signals.command_is_over();
    runtime.shutdown_timeout(RUNTIME_DEADLINE);
    ended
}
