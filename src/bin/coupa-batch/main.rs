//! The command line of `coupa-batch`: arguments, terminal, exit codes. Everything else is in the library.

#![expect(clippy::print_stderr, reason = "this is the program that speaks to people")]

mod args;
mod batch;
mod canary;
mod clock;
mod commands;
mod exit;
mod layers;
mod logging;
mod login_source;
mod notices;
mod progress;
mod record;
mod selection;
mod stdout;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
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
        Command::Verify(args) => commands::verify::verify(&args),
    };
    match ended {
        Ok(reason) => reason.into(),
        Err(stopped) => {
            eprintln!("coupa-batch: {}", stdout::blanked(&stopped.message));
            stopped.reason.into()
        }
    }
}
