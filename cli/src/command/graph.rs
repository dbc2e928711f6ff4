//! `prunella graph`: the graphs that ship, drawings, tests.

mod copy;
mod show;
mod test;

use prunella_engine::graph::schema;
use prunella_nodes::kinds;

pub(crate) use copy::{schema_beside, write_new};

use crate::args::GraphCommand;
use crate::exit;
use crate::failure::Result;
use crate::shipped::SHIPPED;
use crate::terminal::{json, out};

/// Does what the subcommand says.
pub(super) fn graph(command: GraphCommand) -> Result {
    match command {
        GraphCommand::List => {
            for graph in SHIPPED {
                out(format!("{:<12} {}", graph.name, graph.about));
            }
            Ok(exit::OK)
        }
        GraphCommand::Copy { name, to } => copy::copy(&name, to),
        GraphCommand::Fmt { files, check } => super::graph_fmt::fmt(&files, check),
        GraphCommand::Schema => {
            json(&schema(&kinds()));
            Ok(exit::OK)
        }
        GraphCommand::Show { graph, format } => show::show(&graph, format),
        GraphCommand::Test(args) => test::test(&args),
    }
}
