//! `prunella graph fmt`: the canonical layout of graph files.

use std::io::Write;
use std::path::{Path, PathBuf};

use prunella_engine::graph::{self, Unformatted};
use similar::TextDiff;

use crate::exit;
use crate::failure::{Failure, Result};
use crate::files;
use crate::terminal::{out, out_raw, say};

/// Lays the files out, or says what would change.
pub(super) fn fmt(paths: &[PathBuf], check: bool) -> Result {
    let mut changed = Vec::new();
    // Everything is read before anything is written: one file that is no YAML leaves all as they are.
    for path in paths {
        let name = path.display().to_string();
        let (before, after) = laid_out(path, &name)?;
        if before != after {
            changed.push((path, name, before, after));
        }
    }
    for (path, name, before, after) in &changed {
        if check {
            let diff = TextDiff::from_lines(before.as_str(), after.as_str());
            out_raw(&diff.unified_diff().header(name, &format!("{name} (laid out)")).to_string());
        } else {
            write(path, after)
                .map_err(|e| Failure::new(exit::UNREADABLE, format!("{name} cannot be written: {e}")))?;
            out(name);
        }
    }
    Ok(if check && !changed.is_empty() { exit::GRAPH } else { exit::OK })
}

/// A file's text, and the same laid out.
fn laid_out(path: &Path, name: &str) -> Result<(String, String)> {
    let bytes = files::bytes(path)
        .map_err(|why| Failure::new(exit::UNREADABLE, format!("{name} cannot be read: {why}")))?;
    let wrong = |found: &[graph::Diagnostic], source: &str| {
        for finding in found {
            say(finding.render(source));
        }
        Failure::new(exit::GRAPH, format!("{name} is not laid out: it is no YAML that graph files use"))
    };
    let before = graph::text(name, bytes).map_err(|found| wrong(&[*found], ""))?;
    match graph::fmt(name, &before) {
        Ok(after) => Ok((before, after)),
        Err(Unformatted::Invalid(found)) => Err(wrong(&found, &before)),
        Err(Unformatted::Unsafe) => {
            let message =
                format!("{name} cannot be laid out without changing what it says; it is left as it was");
            Err(Failure::new(exit::BUG, message)
                .help("this is a mistake of ours: please report it with the file"))
        }
    }
}

/// Replaces the file at `path` as a whole, or not at all. A link stays one.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(path.metadata()?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|e| e.error)?;
    Ok(())
}
