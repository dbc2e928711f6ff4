//! The `prunella` binary: arguments, terminal, exit codes. Everything else is in the libraries.

#![forbid(unsafe_code)]

mod args;
mod command;
mod exit;
mod failure;
mod files;
mod progress;
mod report;
mod session;
mod shipped;
mod terminal;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::Cli;

fn main() -> ExitCode {
    // The sandbox's helper is this same program; it must be single-threaded and see nothing of ours.
    prunella_sandbox::run_if_init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            let _ = error.print();
            return ExitCode::from(if asked { exit::OK } else { exit::USAGE });
        }
    };
    let ok = cli.ok.clone();
    let code = command::dispatch(cli).unwrap_or_else(|failure| {
        terminal::failure(&failure);
        failure.code
    });
    ExitCode::from(if ok.contains(&code) { exit::OK } else { code })
}
