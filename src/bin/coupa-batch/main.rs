//! The command line of `coupa-batch`: arguments, terminal, exit codes. Everything else is in the library.

#![expect(clippy::print_stderr, reason = "this is the program that speaks to people")]

mod args;
mod commands;
#[cfg_attr(not(test), expect(dead_code, reason = "for the subcommands that are still to come"))]
mod exit;
mod layers;
#[expect(dead_code, reason = "for the subcommands that are still to come")]
mod logging;
#[expect(dead_code, reason = "for the subcommands that are still to come")]
mod progress;
mod stdout;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::exit::{ExitReason, Stopped};

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Config(args) => commands::config::config(&args),
        Command::Run(_) | Command::Demo(_) | Command::Doctor(_) => {
            Err(Stopped::new(ExitReason::Unexpected, "this subcommand is not there yet"))
        }
    };
    match ended {
        Ok(reason) => reason.into(),
        Err(stopped) => {
            eprintln!("coupa-batch: {}", stopped.message);
            stopped.reason.into()
        }
    }
}
