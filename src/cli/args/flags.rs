//! Flags that several commands share, and the settings that they stand for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{BrowserChoice, Settings, WorkerCount, parse_address};
use bytesize::ByteSize;
use clap::{ArgAction, Args};
use jiff::Zoned;
use jiff::civil::Time;
use url::Url;

use crate::batch::stop::{TimeLimit, time_of_day};
use crate::cli::exit::CommandError;

/// Which portal, and what its pages look like.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PortalArgs {
    /// Address of the portal
    #[arg(long, value_name = "URL", value_parser = parse_address)]
    pub(crate) base_url: Option<Url>,
    /// Site recipe: a shipped one's name, or a TOML file
    #[arg(long, value_name = "NAME")]
    pub(crate) recipe: Option<String>,
    #[command(flatten)]
    pub(crate) file: ConfigFileArg,
}

impl PortalArgs {
    /// What these flags say, on top of a weaker layer of settings.
    pub(crate) fn over(&self, mut settings: Settings) -> Settings {
        settings.base_url.clone_from(&self.base_url);
        settings.recipe.clone_from(&self.recipe);
        settings
    }
}

pub(crate) fn out_settings(out: Option<&Path>) -> Settings {
    let mut settings = Settings::default();
    settings.out = out.map(Path::to_owned);
    settings
}

/// Where the record of a run is kept.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct JournalArg {
    /// The journal; .coupa-batch/journal.db in the output folder if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
}

impl JournalArg {
    /// The journal of the output folder in force.
    pub(crate) fn path(&self, out: Option<&Path>) -> Result<PathBuf, CommandError> {
        let config = crate::cli::layers::load_config(out_settings(out), None).map_err(CommandError::bad_call)?;
        Ok(crate::batch::run_record::path(self.journal.as_deref(), &config.out))
    }
}

/// The way to the configuration file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigFileArg {
    /// Configuration file; else the one that COUPA_BATCH_CONFIG names, else coupa-batch.toml in the current folder
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Which browser.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct BrowserArgs {
    /// Which browser: auto, edge, chrome or chromium
    #[arg(long, value_name = "WHICH")]
    pub(crate) browser: Option<BrowserChoice>,
    /// The browser's program file
    #[arg(long, value_name = "FILE")]
    pub(crate) browser_path: Option<PathBuf>,
    /// The driver's program file
    #[arg(long, value_name = "FILE")]
    pub(crate) driver_path: Option<PathBuf>,
}

impl BrowserArgs {
    /// What these flags say, as a layer of settings.
    pub(crate) fn to_settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.browser = self.browser;
        settings.browser_path.clone_from(&self.browser_path);
        settings.driver_path.clone_from(&self.driver_path);
        settings
    }
}

/// Settings that have a flag; all others are given in the file or the environment.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SettingsArgs {
    /// Address of the portal
    #[arg(long, value_name = "URL", value_parser = parse_address)]
    pub(crate) base_url: Option<Url>,
    /// Folder that the files, the report and the log go into
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How many browsers work side by side; `auto` goes by orders, processors and memory
    #[arg(long, value_name = "N|auto")]
    pub(crate) workers: Option<WorkerCount>,
    #[command(flatten)]
    pub(crate) file: ConfigFileArg,
    /// Show the browsers' windows
    #[arg(long)]
    pub(crate) headed: bool,
    /// Work without windows, whatever the configuration says
    #[arg(long, conflicts_with = "headed")]
    pub(crate) headless: bool,
    #[command(flatten)]
    pub(crate) browser: BrowserArgs,
    /// Site recipe: a shipped one's name, or a TOML file
    #[arg(long, value_name = "NAME")]
    pub(crate) recipe: Option<String>,
    /// Cookies of a browser that is logged in: a cookies.txt as curl, wget and yt-dlp take it
    #[arg(long, value_name = "FILE")]
    pub(crate) cookies: Option<PathBuf>,
    /// An order with known attachments that is fetched first (PO15262984, or PO15262984=5 if it has five); if they do not
    /// arrive, nothing else is tried
    #[arg(long, value_name = "PO[=FILES]")]
    pub(crate) canary: Option<String>,
    /// Be gentle with the portal: fewer workers, one request a second, more patience
    #[arg(long)]
    pub(crate) polite: bool,
    /// Only attachments with these endings, such as pdf,msg
    #[arg(long, value_name = "LIST")]
    pub(crate) types: Option<String>,
    /// Only attachments whose name matches, such as 'Invoice*'
    #[arg(long, value_name = "PATTERN")]
    pub(crate) name: Option<String>,
    /// Only attachments up to this size, such as 50MB
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_size: Option<ByteSize>,
    /// How long running orders may go on after the first signal
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) shutdown_timeout: Option<Duration>,
    /// How long one attempt at one order may take
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) task_timeout: Option<Duration>,
    /// How often an order is tried again
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
}

impl SettingsArgs {
    /// What the flags say, as the strongest layer of settings.
    pub(crate) fn to_settings(&self) -> Settings {
        let mut settings = self.browser.to_settings();
        settings.base_url.clone_from(&self.base_url);
        settings.out.clone_from(&self.out);
        settings.workers = self.workers;
        settings.headless = match (self.headed, self.headless) {
            (true, _) => Some(false),
            (_, true) => Some(true),
            (false, false) => None,
        };
        settings.recipe.clone_from(&self.recipe);
        settings.cookies.clone_from(&self.cookies);
        settings.canary.clone_from(&self.canary);
        settings.polite = self.polite.then_some(true);
        settings.types.clone_from(&self.types);
        settings.name.clone_from(&self.name);
        settings.max_size = self.max_size;
        settings.shutdown_timeout = self.shutdown_timeout;
        settings.task_timeout = self.task_timeout;
        settings.retry_limit = self.retries;
        settings
    }
}

/// When no more orders are started.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TimeLimitArgs {
    /// Start no order after this time of the day, such as 06:00; running ones finish, the rest stays open
    #[arg(long, value_name = "HH:MM", value_parser = time_of_day)]
    pub(crate) until: Option<Time>,
    /// Start no order after this long, such as 3h
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) max_duration: Option<Duration>,
    /// Stop after so many failed orders in a row
    #[arg(long, value_name = "N")]
    pub(crate) stop_after: Option<u32>,
}

impl TimeLimitArgs {
    /// When the time is over, counted from now.
    pub(crate) fn closing(&self) -> Result<Option<TimeLimit>, CommandError> {
        TimeLimit::of(self.until, self.max_duration, &Zoned::now()).map_err(CommandError::bad_call)
    }
}

/// What is said, and where.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OutputArgs {
    /// Print one JSON object with the summary on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Say nothing but errors
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more; twice for everything
    #[arg(long, short, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Log file, JSON lines; coupa-batch.log in the output folder if not given
    #[arg(long, value_name = "PATH")]
    pub(crate) log_file: Option<PathBuf>,
    /// Plain lines instead of progress bars
    #[arg(long)]
    pub(crate) no_progress: bool,
}

/// A time span as in a configuration file.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    humantime::parse_duration(text).map_err(|_| "use a time span such as 30s, 2m or 1h".to_owned())
}
