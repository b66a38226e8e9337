//! Two logs of the same events: readable lines on the terminal, JSON lines in a file.
//!
//! Both are fed from `tracing`. The file is written by `structured-logger`, which is a sink for the `log` crate: a layer
//! of our own hands it each event with its fields. (`tracing`'s own `log-always` bridge was looked at: it flattens the
//! fields into the text and ignores the filters.)

pub(crate) mod bridge;
pub(crate) mod redact;
#[cfg(test)]
mod tests;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::{File, OpenOptions};
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

/// The crate whose events are told in full; the binary's own module path begins with the same word.
const OURS: &str = "coupa_batch";
/// What is logged, in the words of `tracing-subscriber`'s `EnvFilter`.
const VARIABLE: &str = "COUPA_BATCH_LOG";

/// How much is said, and where. Not `Debug`: it holds the secrets.
#[derive(Clone)]
pub(crate) struct LogOptions {
    /// Nothing but errors on the terminal.
    pub(crate) is_quiet: bool,
    /// 0, 1 or 2 and more.
    pub(crate) verbosity: u8,
    /// Whether progress bars tell the good news already.
    pub(crate) has_bars: bool,
    /// Whether colours are wanted.
    pub(crate) has_colours: bool,
    /// The JSON lines.
    pub(crate) file: Option<PathBuf>,
    /// Texts that no log may hold, such as the password.
    pub(crate) secrets: Vec<String>,
}

/// Starts both logs for the life of the program, panics included. The lines on the terminal go through `bars`, so that they do not tear them.
///
/// # Errors
/// A message, when the file cannot be opened or the filter cannot be understood.
pub(crate) fn start(options: &LogOptions, bars: &MultiProgress) -> Result<(), String> {
    let scrub = Arc::new(LogRedactor::new(&options.secrets));
    let terminal = Terminal { bars: bars.clone(), scrub: scrub.clone() };
    let file = options.file.as_deref().map(open).transpose()?;
    let logger = file.map(|file| structured(scrub.over(file)));
    let wish = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let subscriber = subscriber(options, wish.as_deref(), terminal, logger.clone())?;
    // not `init`, which would also claim the `log` crate's one place
    tracing::subscriber::set_global_default(subscriber).map_err(|why| format!("logging was started twice: {why}"))?;
    if let Some(logger) = logger {
        // crates that speak `log` and not `tracing`
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

/// The time of day, as on the reader's wall; the file has the full date.
struct WallClock;

impl FormatTime for WallClock {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        write!(to, "{}", jiff::Zoned::now().strftime("%H:%M:%S"))
    }
}

fn structured(to: impl Write + Send + Sync + 'static) -> Logger {
    // the filters are the layers'; this one lets everything pass
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

/// Libraries below us print what they send and receive, and that holds the password and cookies. Whatever anybody asks
/// for, nothing of theirs is logged but warnings.
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

/// Opens the file to be written at its end, for nobody else to read: names of suppliers and files stand in it.
fn open(path: &Path) -> Result<File, String> {
    let failed = |why: io::Error| {
        format!("the log file {} cannot be written: {why}; choose another place with --log-file", path.display())
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(failed)
}

/// Standard error, written to while the bars stand aside.
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
