//! What commands set up first: user name and password, logs, progress display, async runtime.

use std::time::Duration;

use secrecy::ExposeSecret;

use crate::cli::args::OutputArgs;
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::interrupt::{Interrupt, SignalWatch};
use crate::cli::logging::{self, LogOptions};
use crate::cli::progress::{Progress, Style, Terminal};
use crate::config::{PoolConfig, SecretUrl};
use crate::credentials::{Keyring, KeyringError};

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

/// Where user name and password come from.
#[derive(Debug)]
pub(crate) enum LoginSource {
    /// `COUPA_USERNAME` and `COUPA_PASSWORD`.
    Variables,
    /// What `login --save-password` saved.
    Keyring,
    /// There are none; with the reason if the keyring could not be read.
    Nowhere(Option<KeyringError>),
}

impl LoginSource {
    /// Takes them from the keyring if the variables are not set. Without a keyring the configuration stays as it is. Blocks
    /// for half a minute at most.
    pub(crate) fn fill(config: &mut PoolConfig) -> Self {
        if config.site.credentials.is_some() {
            return Self::Variables;
        }
        let Some(base) = &config.site.base_url else { return Self::Nowhere(None) };
        match Keyring::of(base).load() {
            Ok(Some(credentials)) => {
                config.site.credentials = Some(credentials);
                Self::Keyring
            }
            Ok(None) => Self::Nowhere(None),
            Err(why) => Self::Nowhere(Some(why)),
        }
    }

    /// The place in words, if there is one.
    pub(crate) fn word(&self) -> Option<&'static str> {
        match self {
            Self::Variables => Some("the environment"),
            Self::Keyring => Some("the keyring"),
            Self::Nowhere(_) => None,
        }
    }

    /// A line for the person who starts a run.
    pub(crate) fn remark(&self) -> Option<String> {
        match self {
            Self::Keyring => {
                Some("user name and password: from the system's keyring (`coupa-batch logout` removes them)".to_owned())
            }
            // without a keyring nothing can have been saved
            Self::Nowhere(Some(why)) if !why.is_absent() => Some(format!("note: {why}; continuing without it")),
            Self::Variables | Self::Nowhere(_) => None,
        }
    }
}
