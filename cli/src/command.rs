//! One module a command.

mod check;
mod demo;
mod detect;
mod diff;
mod doctor;
mod explain;
mod fork;
mod graph;
mod graph_fmt;
mod init;
mod judge;
mod pulls;
mod replay;
mod run;
mod runs;
mod sandbox;
mod setup;
mod trace;

use crate::args::{Cli, Command};
use crate::failure::Result;

/// Does what the command line says and gives the exit code.
///
/// # Errors
/// Whatever stops the command, with its exit code.
pub(crate) fn dispatch(cli: Cli) -> Result {
    let store = cli.store;
    match cli.command {
        Command::Demo(args) => demo::demo(&args, store),
        Command::Init(args) => init::init(&args),
        Command::Run(args) => run::run(&args, store),
        Command::Detect(args) => detect::detect(&args),
        Command::Judge(args) => judge::judge(&args, store),
        Command::Sandbox(crate::args::SandboxCommand::Run(args)) => sandbox::run(&args, store),
        Command::Check(args) => check::check(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Replay(args) => replay::replay(&args, store),
        Command::Runs(command) => runs::runs(command, store),
        Command::Fork(args) => fork::fork(&args, store),
        Command::Diff(args) => diff::diff(&args, store),
        Command::Trace(command) => trace::trace(command, store),
        Command::Pulls(command) => pulls::pulls(command, store),
        Command::Graph(command) => graph::graph(command),
        Command::Doctor(args) => doctor::doctor(&args, store),
        Command::Setup(crate::args::SetupCommand::Wasm(args)) => setup::wasm(&args, store),
    }
}
