//! `prunella graph show`: a graph, drawn.

use prunella_engine::graph::draw;

use super::super::check::checked;
use crate::args::Drawing;
use crate::exit;
use crate::failure::Result;
use crate::terminal::out_raw;

/// Draws the graph called `name`.
pub(super) fn show(name: &str, format: Drawing) -> Result {
    let graph = checked(name)?;
    out_raw(&match format {
        Drawing::Tree => draw::tree(&graph),
        Drawing::Mermaid => draw::mermaid(&graph),
        Drawing::Dot => draw::dot(&graph),
        Drawing::Svg => draw::svg(&graph),
    });
    Ok(exit::OK)
}
