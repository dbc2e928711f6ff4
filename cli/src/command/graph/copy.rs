//! `prunella graph copy`: a shipped graph as a file of one's own.

use std::path::{Path, PathBuf};

use crate::exit;
use crate::failure::{Failure, Result};
use crate::shipped;
use crate::terminal::out;

/// The schema's file, and the line by which an editor finds it.
const SCHEMA: &str = "graph.v1.schema.json";
const MODELINE: &str = "# yaml-language-server: $schema=./graph.v1.schema.json\n";

/// Writes the graph called `name` to `to`, its cases and the schema beside it, and says what it wrote.
pub(super) fn copy(name: &str, to: Option<PathBuf>) -> Result {
    let (_, source) = shipped::graph(name)?;
    let to = to.unwrap_or_else(|| format!("{name}.yaml").into());
    let source = if source.contains(MODELINE) { source } else { format!("{MODELINE}{source}") };
    let mut files = vec![(to.clone(), source)];
    if let Some((_, cases)) = shipped::cases(name) {
        files.push((to.with_extension("test.yaml"), cases));
    }
    files.extend(schema_beside(to.parent().unwrap_or(Path::new(""))));
    write_new(&files)?;
    Ok(exit::OK)
}

/// The schema's file for graphs in `dir`; nothing when one is there.
pub(crate) fn schema_beside(dir: &Path) -> Option<(PathBuf, String)> {
    let file = dir.join(SCHEMA);
    if file.exists() { None } else { Some((file, schema()?)) }
}

/// The JSON Schema of graph files.
fn schema() -> Option<String> {
    serde_json::to_string_pretty(&prunella_engine::graph::schema(&prunella_nodes::kinds())).ok()
}

/// Writes files that are not there yet, all or none, and says their names.
///
/// # Errors
/// Exit 5 when one is there already, or cannot be written.
pub(crate) fn write_new(files: &[(PathBuf, String)]) -> Result<()> {
    if let Some((there, _)) = files.iter().find(|(file, _)| file.exists()) {
        return Err(Failure::new(exit::UNREADABLE, format!("{} is there already", there.display()))
            .help("name another file, or move that one away"));
    }
    for (file, text) in files {
        let refused = |e: std::io::Error| {
            Failure::new(exit::UNREADABLE, format!("{} cannot be written: {e}", file.display()))
        };
        if let Some(folder) = file.parent().filter(|folder| *folder != Path::new("")) {
            std::fs::create_dir_all(folder).map_err(refused)?;
        }
        std::fs::write(file, text).map_err(refused)?;
        out(file.display());
    }
    Ok(())
}
