//! Two logs of the same events: readable lines on the terminal, JSON lines in a file.
//!
//! Both get their events from `tracing`. The file is written by `structured-logger`, a sink of the `log` crate: a layer of
//! our own passes it each event with its fields. (The `log-always` feature of `tracing` would flatten the fields into the
//! text and ignore the filters.)

pub(crate) mod bridge;
pub(crate) mod redact;
#[cfg(test)]
mod tests;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::MultiProgress;
use structured_logger::{Builder, json};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use self::bridge::{JsonLines, Logger};
use crate::cli::logging::redact::LogRedactor;
use crate::fs::private;

/// The crate whose events are logged in full.
const OURS: &str = "coupa_batch";
/// The variable with a filter in the syntax of `tracing-subscriber`'s `EnvFilter`.
const VARIABLE: &str = "COUPA_BATCH_LOG";

/// What is logged, and where. Not `Debug`, since it contains secrets.
#[derive(Clone)]
pub(crate) struct LogOptions {
    /// Only errors on the terminal.
    pub(crate) is_quiet: bool,
    /// How often `-v` was given.
    pub(crate) verbosity: u8,
    /// Whether progress bars show the normal course of the run.
    pub(crate) has_bars: bool,
    /// Whether to use colours.
    pub(crate) has_colours: bool,
    /// The file for JSON lines.
    pub(crate) file: Option<PathBuf>,
    /// Texts that no log may contain, such as the password.
    pub(crate) secrets: Vec<String>,
}

/// Starts both logs for the rest of the program, panics included. Lines on the terminal suspend `bars` while they are
/// written.
///
/// # Errors
/// A message if the file cannot be opened or the filter cannot be parsed.
pub(crate) fn start(options: &LogOptions, bars: &MultiProgress) -> Result<(), String> {
    let scrub = Arc::new(LogRedactor::new(&options.secrets));
    let terminal = Terminal { bars: bars.clone(), scrub: scrub.clone() };
    let file = options.file.as_deref().map(open).transpose()?;
    let logger = file.map(|file| structured(scrub.over(file)));
    let wish = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let subscriber = subscriber(options, wish.as_deref(), terminal, logger.clone())?;
    // not `init`, which would also install a global `log` logger
    tracing::subscriber::set_global_default(subscriber).map_err(|why| format!("logging was started twice: {why}"))?;
    if let Some(logger) = logger {
        // for crates that use `log` and not `tracing`
        log::set_boxed_logger(Box::new(bridge::ForeignLogger(logger))).map_err(|why| why.to_string())?;
        log::set_max_level(log::LevelFilter::Warn);
    }
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture(); // empty unless RUST_BACKTRACE asks for it
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no message");
        match backtrace.status() {
            BacktraceStatus::Captured => tracing::error!(place, %backtrace, "panicked: {what}"),
            _ => tracing::error!(place, "panicked: {what}"),
        }
    }));
    Ok(())
}

/// The local time of day; the file has the full date.
struct WallClock;

impl FormatTime for WallClock {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        write!(to, "{}", jiff::Zoned::now().strftime("%H:%M:%S"))
    }
}

fn structured(to: impl Write + Send + Sync + 'static) -> Logger {
    // the layers filter; this logger accepts everything
    Arc::new(Builder::with_level("TRACE").with_default_writer(json::new_writer(to)).build())
}

fn subscriber<W>(
    options: &LogOptions,
    wish: Option<&str>,
    terminal: W,
    file: Option<Logger>,
) -> Result<impl Subscriber + use<W>, String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(terminal)
        .with_timer(WallClock)
        .with_ansi(options.has_colours)
        .with_target(options.verbosity > 0)
        .with_filter(filter(wish.unwrap_or(&terminal_filter(options)))?.and(filter_fn(may_be_logged)));
    let file = match file {
        Some(logger) => {
            let filter = filter(wish.unwrap_or(&file_filter(options)))?.and(filter_fn(may_be_logged));
            Some(JsonLines::new(logger).with_filter(filter))
        }
        None => None,
    };
    Ok(Registry::default().with(lines).with(file))
}

/// Libraries log what they send and receive, which includes the password and cookies. So only their warnings are logged,
/// whatever the filter says.
fn may_be_logged(of: &Metadata<'_>) -> bool {
    let is_ours = of.target() == OURS || of.target().strip_prefix(OURS).is_some_and(|rest| rest.starts_with("::"));
    is_ours || *of.level() <= Level::WARN
}

fn filter<S: Subscriber + for<'a> LookupSpan<'a>>(
    directives: &str,
) -> Result<impl tracing_subscriber::layer::Filter<S> + use<S>, String> {
    EnvFilter::try_new(directives)
        .map_err(|why| format!("{VARIABLE}={directives:?} is not a log filter such as debug: {why}"))
}

fn terminal_filter(options: &LogOptions) -> String {
    let ours = match options.verbosity {
        _ if options.is_quiet => return "error".to_owned(),
        0 if options.has_bars => "warn",
        0 => "info",
        1 => "debug",
        _ => "trace",
    };
    format!("warn,{OURS}={ours}")
}

fn file_filter(options: &LogOptions) -> String {
    let ours = match options.verbosity {
        0 => "info",
        1 => "debug",
        _ => "trace",
    };
    format!("warn,{OURS}={ours}")
}

/// Opens the file for appending. Only this user may read it, since it contains names of suppliers and files.
fn open(path: &Path) -> Result<File, String> {
    let failed = |why: io::Error| {
        format!("the log file {} cannot be written: {why}; choose another place with --log-file", path.display())
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    private::open_options().create(true).append(true).open(path).map_err(failed)
}

/// Standard error; writing suspends the bars.
struct Terminal {
    bars: MultiProgress,
    scrub: Arc<LogRedactor>,
}

impl<'a> MakeWriter<'a> for Terminal {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Terminal {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().lock().write_all(&self.scrub.clean(line)))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
