//! Arguments of the command line.

pub(crate) mod demo;
pub(crate) mod flags;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Settings, parse_address};
use crate::input::Source;
use crate::model::OrderStatus;
use crate::model::PoNumber;
use crate::model::TaskPriority;
use clap::builder::styling::Styles;
use clap::{Args, Parser, Subcommand};
use url::Url;

pub(crate) use self::demo::{DemoArgs, FaultArg, TuneArgs};
pub(crate) use self::flags::{
    BrowserArgs, ConfigFileArg, JournalArg, OutputArgs, PortalArgs, SettingsArgs, TimeLimitArgs,
};
use self::flags::{out_settings, span};
use crate::batch::selection::{OrderFilter, Refresh};

/// Downloads every attachment of thousands of Coupa purchase orders with a pool of browsers, verified file by file.
#[derive(Debug, Parser)]
#[command(
    name = "coupa-batch",
    version,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true,
    styles = Styles::styled(),
    after_help = "First run, on a portal of its own: coupa-batch demo\n\
                  Then:                              coupa-batch run orders.xlsx --base-url https://acme.coupahost.com"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch the attachments of a batch of orders
    Run(Box<RunArgs>),
    /// Continue the last unfinished run
    Resume(Box<ResumeArgs>),
    /// Log in to the portal by hand, in a window, and save the login for later runs
    Login(Box<LoginArgs>),
    /// Delete the saved login, and the password in the system's keyring
    Logout(Box<LogoutArgs>),
    /// Show the state of the last run in an output folder, also from another terminal
    Status(StatusArgs),
    /// Write the report of a run again from its journal
    Report(ReportArgs),
    /// Check the files in an output folder against their manifests: missing, changed, extra
    Verify(VerifyArgs),
    /// List and show site recipes, and check what one finds on a real page
    Recipe {
        #[command(subcommand)]
        command: RecipeCommand,
    },
    /// Fetch a batch from a small portal inside this program, with real browsers, and check every file
    Demo(Box<DemoArgs>),
    /// Find out how many browsers in parallel suit this machine, on the portal of the demo
    Tune(Box<TuneArgs>),
    /// Check browser, driver, memory and disk, and say what to do
    Doctor(Box<DoctorArgs>),
    /// Remove what killed runs left behind: profile folders, and browsers that still use them
    Sweep(SweepArgs),
    /// Print the settings in force
    Config(Box<ConfigArgs>),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    coupa-batch run orders.xlsx --base-url https://acme.coupahost.com --out May\n  \
    coupa-batch run PO15262984 PM16928033 --headed\n  \
    grep urgent list.txt | coupa-batch run - --priority urgent\n\n\
    The login is read from COUPA_USERNAME and COUPA_PASSWORD, or from the system's keyring (`login --save-password`);\n\
    there is no flag for it.\n\n\
    Exit codes: 0 all well, 1 unexpected, 2 invalid arguments or input, 3 finished with failures,\n\
    4 stopped early, 5 no usable browser, 6 journal unusable, 130 forced.")]
pub(crate) struct RunArgs {
    /// CSV, XLSX, XLSB, XLS or ODS files with a PO_NUMBER column, lists of numbers, numbers, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<Source>,
    /// Priority of orders whose row has none: urgent, high, normal or low
    #[arg(long, value_name = "P", default_value_t)]
    pub(crate) priority: TaskPriority,
    #[command(flatten)]
    pub(crate) wanted: FilterArgs,
    #[command(flatten)]
    pub(crate) window: TimeLimitArgs,
    #[command(flatten)]
    pub(crate) journal: JournalArg,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  coupa-batch resume --out May")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) window: TimeLimitArgs,
    #[command(flatten)]
    pub(crate) journal: JournalArg,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    coupa-batch login --base-url https://acme.coupahost.com\n  \
    coupa-batch login --username me@example.com --base-url https://acme.coupahost.com\n  \
    coupa-batch login --save-password --base-url https://acme.coupahost.com\n\n\
    Without a user name a window opens in which you log in as usual, with single sign-on and second factor.")]
pub(crate) struct LoginArgs {
    /// Log in through the portal's form as this user; the password is taken from COUPA_PASSWORD or the keyring, or asked for
    #[arg(long, value_name = "USER")]
    pub(crate) username: Option<String>,
    /// Save user name and password in the system's keyring after the portal has accepted them; later runs use them
    #[arg(long)]
    pub(crate) save_password: bool,
    /// How long to wait for the login in the window
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "10m")]
    pub(crate) wait: Duration,
    /// No window, for tests
    #[arg(long, hide = true)]
    pub(crate) headless: bool,
    #[command(flatten)]
    pub(crate) portal: PortalArgs,
    #[command(flatten)]
    pub(crate) browser: BrowserArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  coupa-batch logout --all")]
pub(crate) struct LogoutArgs {
    /// Delete the logins of all portals
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) portal: PortalArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecipeCommand {
    /// List the built-in recipes
    List,
    /// Print a built-in recipe, as a start for your own
    Show {
        /// Its name
        name: String,
    },
    /// Open a page and show what each selector of the recipe finds there
    Check(Box<RecipeCheckArgs>),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    coupa-batch recipe check --po PO15262984 --base-url https://acme.coupahost.com\n  \
    coupa-batch recipe check https://acme.coupahost.com/order_headers/15262984 --recipe ours.toml")]
pub(crate) struct RecipeCheckArgs {
    /// Address of the page
    #[arg(value_name = "URL", value_parser = parse_address, conflicts_with = "po")]
    pub(crate) url: Option<Url>,
    /// Use the page of this order
    #[arg(long, value_name = "PO", value_parser = |text: &str| PoNumber::try_from(text.to_owned()))]
    pub(crate) po: Option<PoNumber>,
    /// File for the screenshot
    #[arg(long, value_name = "FILE", default_value = "recipe-check.png")]
    pub(crate) screenshot: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) portal: PortalArgs,
    #[command(flatten)]
    pub(crate) browser: BrowserArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  coupa-batch status --out May --watch")]
pub(crate) struct StatusArgs {
    /// Output folder of the run
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Show every change until the run ends
    #[arg(long)]
    pub(crate) watch: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) journal: JournalArg,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  coupa-batch report --out May")]
pub(crate) struct ReportArgs {
    /// Output folder of the run; the report is written there
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The run; the last one if not given
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) journal: JournalArg,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  coupa-batch verify May\n  coupa-batch verify \"May/Acme Industries/PO15262984_COMPLETED\""
)]
pub(crate) struct VerifyArgs {
    /// An output folder, or the folder of one order; the output folder in force if not given
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) journal: JournalArg,
}

impl ReportArgs {
    /// The values of the flags, as a layer of settings.
    pub(crate) fn to_settings(&self) -> Settings {
        out_settings(self.out.as_deref())
    }
}

/// Which orders of the input are fetched.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FilterArgs {
    /// When to fetch an order again that was completed before: never, missing (if one of its files is gone or changed),
    /// always, or "older-than 30d"
    #[arg(long, value_name = "WHEN", conflicts_with = "force")]
    pub(crate) refresh: Option<Refresh>,
    /// Fetch everything again; short for --refresh always
    #[arg(long)]
    pub(crate) force: bool,
    /// Only orders that an earlier run could not complete
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Only orders that ended with this status in an earlier run, such as NO_ATTACHMENTS
    #[arg(long, value_name = "STATUS", value_parser = status_word)]
    pub(crate) only: Option<OrderStatus>,
}

impl FilterArgs {
    pub(crate) fn wanted(&self) -> OrderFilter {
        let asked = self.refresh.unwrap_or_default();
        // a status asks for these orders again, even completed ones
        let refresh =
            if self.force || (self.only.is_some() && self.refresh.is_none()) { Refresh::Always } else { asked };
        OrderFilter { refresh, only_failed: self.retry_failed, only: self.only }
    }
}

fn status_word(text: &str) -> Result<OrderStatus, String> {
    let wanted = text.trim();
    OrderStatus::ALL
        .into_iter()
        .find(|status| status.as_str().eq_ignore_ascii_case(wanted))
        .ok_or_else(|| format!("use one of {}", OrderStatus::ALL.map(OrderStatus::as_str).join(", ")))
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  coupa-batch doctor --browser edge")]
pub(crate) struct DoctorArgs {
    /// Install what is missing with the system's package manager
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFileArg,
    #[command(flatten)]
    pub(crate) browser: BrowserArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  coupa-batch sweep --dry-run\n\n\
    Each run does this by itself when it starts. Folders and browsers of running programs, and your own, are not touched.\n\
    Exit codes: 0 nothing is left, 1 something could not be removed.")]
pub(crate) struct SweepArgs {
    /// Only show what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also remove what is kept on purpose: profile templates, and profiles of runs with profile_cleanup = false
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFileArg,
}

#[derive(Debug, Args)]
#[command(after_help = "The output is a configuration file:\n  coupa-batch config --workers 6 > coupa-batch.toml")]
pub(crate) struct ConfigArgs {
    /// Print the documentation of all settings instead
    #[arg(long)]
    pub(crate) reference: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_words_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let line = "coupa-batch run a.csv PO7 --base-url https://a.com --out o --workers 3 --headed --browser edge \
                    --browser-path b --driver-path d --recipe r --cookies c --types pdf --name x* --max-size 5MB --column C --sheet Feb --shutdown-timeout 90 --task-timeout 2m --retries 1";
        let Command::Run(run) = Cli::try_parse_from(line.split_whitespace()).unwrap().command else { panic!() };
        let (expected, problems) = Settings::from_toml(
            "base_url = 'https://a.com'\nout = 'o'\nworkers = 3\nheadless = false\nbrowser = 'edge'\nbrowser_path = 'b'\n\
             driver_path = 'd'\nrecipe = 'r'\ncookies = 'c'\ntypes = 'pdf'\nname = 'x*'\nmax_size = '5MB'\ncolumn = 'C'\nsheet = 'Feb'\nshutdown_timeout = 90\ntask_timeout = '2m'\nretry_limit = 1",
            "test",
        );
        assert_eq!(problems, []);
        assert_eq!(run.settings.to_settings(), expected);
        assert_eq!(run.inputs.len(), 2);
    }

    #[test]
    fn flags_that_are_not_given_leave_the_setting_alone() {
        let Command::Run(run) = Cli::try_parse_from(["coupa-batch", "run", "7"]).unwrap().command else { panic!() };
        assert_eq!(run.settings.to_settings(), Settings::default());
    }

    #[test]
    fn each_built_in_recipe_has_a_demo_portal() {
        for (name, _) in crate::site::built_in_recipes() {
            let cli = Cli::try_parse_from(["coupa-batch", "demo", "--recipe", name]).unwrap();
            let Command::Demo(demo) = cli.command else { panic!() };
            assert_eq!(demo.look.recipe(), *name);
        }
    }

    #[test]
    fn wrong_calls_are_refused_with_code_2() {
        for line in [
            "",
            "run",
            "run 7 --headed --headless",
            "run 7 -q -v",
            "run 7 --password x",
            "demo --orders 0",
            "demo --recipe chair",
            "demo --fault rain",
            "tune --workers 0",
            "tune --workers 1,x",
            "demo --fault truncated=0",
            "demo --fault truncated=often",
        ] {
            let refused = Cli::try_parse_from(["coupa-batch"].into_iter().chain(line.split_whitespace())).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{line:?}");
        }
    }
}
