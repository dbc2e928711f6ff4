//! `prunella graph`: the graphs that ship, and drawings.

use prunella_engine::graph::{draw, schema};
use prunella_nodes::kinds;

use super::check::checked;
use crate::args::{Drawing, GraphCommand};
use crate::exit;
use crate::failure::{Failure, Result};
use crate::shipped::{self, SHIPPED};
use crate::terminal::{json, out, out_raw};

/// Does what the subcommand says.
pub(super) fn graph(command: GraphCommand) -> Result {
    match command {
        GraphCommand::List => {
            for graph in SHIPPED {
                out(format!("{:<12} {}", graph.name, graph.about));
            }
        }
        GraphCommand::Copy { name, to } => {
            let (_, source) = shipped::graph(&name)?;
            let to = to.unwrap_or_else(|| format!("{name}.yaml").into());
            let refused = |e: std::io::Error| {
                Failure::new(exit::UNREADABLE, format!("{} cannot be written: {e}", to.display()))
            };
            if to.exists() {
                return Err(Failure::new(exit::UNREADABLE, format!("{} is there already", to.display()))
                    .help("name another file, or move that one away"));
            }
            std::fs::write(&to, source).map_err(refused)?;
            out(to.display());
        }
        GraphCommand::Fmt { files, check } => return super::graph_fmt::fmt(&files, check),
        GraphCommand::Schema => json(&schema(&kinds())),
        GraphCommand::Show { graph, format } => {
            let graph = checked(&graph)?;
            out_raw(&match format {
                Drawing::Tree => draw::tree(&graph),
                Drawing::Mermaid => draw::mermaid(&graph),
            });
        }
    }
    Ok(exit::OK)
}
