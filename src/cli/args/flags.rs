//! Flags that several commands share. Those that stand for settings are made from the table of settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{InvalidValue, SETTINGS, Setting, Settings, Value};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use jiff::Zoned;
use jiff::civil::Time;

use crate::batch::stop::{TimeLimit, time_of_day};
use crate::cli::exit::CommandError;

/// Declares a group of flags that stand for settings; each is made from the row of its setting in [`SETTINGS`].
macro_rules! setting_flags {
    ($($(#[doc = $doc:literal])+ $group:ident: $has:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $group(Settings);

        impl $group {
            /// The values of these flags, as a layer of settings.
            pub(crate) fn to_settings(&self) -> Settings {
                self.0.clone()
            }
        }

        impl Args for $group {
            fn augment_args(command: Command) -> Command {
                flagged($has).fold(command, add_flag)
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }

        impl FromArgMatches for $group {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                let mut settings = Settings::default();
                flagged($has).try_for_each(|setting| read_flag(setting, matches, &mut settings))?;
                Ok(Self(settings))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = Self::from_arg_matches(matches)?.0.over(std::mem::take(&mut self.0));
                Ok(())
            }
        }
    )+};
}

setting_flags! {
    /// Which portal, and which recipe describes its pages.
    PortalFlags: |name| ["base_url", "recipe"].contains(&name);
    /// Which browser.
    BrowserArgs: |name| ["browser", "browser_path", "driver_path"].contains(&name);
    /// Every setting that has a flag; all others are given in the file or the environment.
    SettingFlags: |_| true;
}

/// The settings that have a flag and whose names match `has`.
fn flagged(has: impl Fn(&str) -> bool) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |setting| setting.flag.is_some() && has(setting.name))
}

/// The setting whose flag `--headless` has an opposite, `--headed`.
const HEADLESS: &str = "headless";
const HEADED: &str = "headed";

fn dashed(name: &str) -> String {
    name.replace('_', "-")
}

/// Adds the flag of one setting to a command.
fn add_flag(command: Command, setting: &'static Setting) -> Command {
    let flag = Arg::new(setting.name)
        .long(dashed(setting.name))
        .aliases(setting.aliases.iter().map(|alias| dashed(alias)))
        .help(setting.summary());
    match setting.flag {
        None | Some("") if setting.name == HEADLESS => command
            .arg(Arg::new(HEADED).long(HEADED).help("Show the browsers' windows").action(ArgAction::SetTrue))
            .arg(flag.action(ArgAction::SetTrue).conflicts_with(HEADED)),
        None | Some("") => command.arg(flag.action(ArgAction::SetTrue)),
        Some(value_name) => command.arg(flag.value_name(value_name).value_parser(move |text: &str| {
            let value = toml::Value::String(text.to_owned());
            match Settings::default().set(setting.name, &value) {
                Some(Err(why)) => Err(why),
                Some(Ok(())) | None => Ok(value),
            }
        })),
    }
}

/// Puts the value of one setting's flag, if it was given, into `settings`.
fn read_flag(setting: &Setting, matches: &ArgMatches, settings: &mut Settings) -> Result<(), clap::Error> {
    let value = if setting.flag == Some("") {
        if matches.get_flag(setting.name) {
            Some(toml::Value::Boolean(true))
        } else {
            (setting.name == HEADLESS && matches.get_flag(HEADED)).then_some(toml::Value::Boolean(false))
        }
    } else {
        matches.get_one::<toml::Value>(setting.name).cloned()
    };
    match value.and_then(|value| settings.set(setting.name, &value)) {
        Some(Err(why)) => Err(clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{why}\n"))),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Which portal, and the configuration file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PortalArgs {
    #[command(flatten)]
    flags: PortalFlags,
    #[command(flatten)]
    pub(crate) file: ConfigFileArg,
}

impl PortalArgs {
    /// The values of these flags, on top of a weaker layer of settings.
    pub(crate) fn over(&self, settings: Settings) -> Settings {
        self.flags.to_settings().over(settings)
    }
}

/// Every setting that has a flag, and the configuration file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SettingsArgs {
    #[command(flatten)]
    flags: SettingFlags,
    #[command(flatten)]
    pub(crate) file: ConfigFileArg,
}

impl SettingsArgs {
    /// The values of the flags, as the strongest layer of settings.
    pub(crate) fn to_settings(&self) -> Settings {
        self.flags.to_settings()
    }
}

pub(crate) fn out_settings(out: Option<&Path>) -> Settings {
    Settings { out: out.map(Path::to_owned), ..Settings::default() }
}

/// The journal of a run.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct JournalArg {
    /// Journal file; .coupa-batch/journal.db in the output folder if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
}

impl JournalArg {
    /// The journal of the output folder in force.
    pub(crate) fn path(&self, out: Option<&Path>) -> Result<PathBuf, CommandError> {
        let config = crate::config::layers::load_config(out_settings(out), None).map_err(CommandError::bad_call)?;
        Ok(crate::batch::run_record::path(self.journal.as_deref(), &config.out))
    }
}

/// The configuration file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigFileArg {
    /// Configuration file; COUPA_BATCH_CONFIG or coupa-batch.toml in the current folder if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// When to start no more orders.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TimeLimitArgs {
    /// Start no order after this time of day, such as 06:00; running orders finish, the others stay open
    #[arg(long, value_name = "HH:MM", value_parser = time_of_day)]
    pub(crate) until: Option<Time>,
    /// Start no order after this long, such as 3h
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) max_duration: Option<Duration>,
}

impl TimeLimitArgs {
    /// The time limit, counted from now.
    pub(crate) fn closing(&self) -> Result<Option<TimeLimit>, CommandError> {
        TimeLimit::of(self.until, self.max_duration, &Zoned::now()).map_err(CommandError::bad_call)
    }
}

/// What is printed and logged.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OutputArgs {
    /// Print one JSON object with the summary on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Print only errors
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more; twice for everything
    #[arg(long, short, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Log file (JSON lines); coupa-batch.log in the output folder if not given
    #[arg(long, value_name = "PATH")]
    pub(crate) log_file: Option<PathBuf>,
    /// Plain lines instead of progress bars
    #[arg(long)]
    pub(crate) no_progress: bool,
}

/// A time span as in a configuration file.
pub(crate) fn span(text: &str) -> Result<Duration, InvalidValue> {
    Duration::read(&toml::Value::String(text.to_owned()))
}
