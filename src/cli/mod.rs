//! The command line of `coupa-batch`: arguments, terminal, exit codes. Everything else is in the library.

#![expect(clippy::print_stderr, reason = "this is the program that speaks to people")]

pub(crate) mod args;
pub(crate) mod batch_view;
pub(crate) mod commands;
pub(crate) mod exit;
pub(crate) mod intake_view;
pub(crate) mod interrupt;
pub(crate) mod logging;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod setup;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::args::{Cli, Command};

/// Runs the program; returns its exit code.
pub fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Config(args) => commands::config::config(&args),
        Command::Demo(args) => commands::demo::demo(&args),
        Command::Doctor(args) => commands::doctor::doctor(&args),
        Command::Login(args) => commands::login::login(&args),
        Command::Logout(args) => commands::login::logout(&args),
        Command::Recipe { command } => commands::recipe::recipe(&command),
        Command::Report(args) => commands::status::report(&args),
        Command::Resume(args) => commands::run::resume(&args),
        Command::Run(args) => commands::run::run(&args),
        Command::Status(args) => commands::status::status(&args),
        Command::Sweep(args) => commands::sweep::sweep(&args),
        Command::Tune(args) => commands::tune::tune(&args),
        Command::Verify(args) => commands::verify::verify(&args),
    };
    match ended {
        Ok(reason) => reason.into(),
        Err(stopped) => {
            eprintln!("coupa-batch: {}", crate::cli::output::blanked(&stopped.message));
            stopped.reason.into()
        }
    }
}
