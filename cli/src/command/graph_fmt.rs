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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_laid_out_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a.yaml"), "a:   1   # why\n").unwrap();
        std::fs::write(path("b.yaml"), "b: [1\n").unwrap();
        std::os::unix::fs::symlink("a.yaml", path("link.yaml")).unwrap();
        let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
        // One that is no YAML leaves the other as it was.
        assert_eq!(fmt(&[path("a.yaml"), path("b.yaml")], false).unwrap_err().code, exit::GRAPH);
        assert_eq!(fmt(&[path("a.yaml")], true).unwrap(), exit::GRAPH);
        assert_eq!(read("a.yaml"), "a:   1   # why\n");
        assert_eq!(fmt(&[path("link.yaml")], false).unwrap(), exit::OK);
        assert_eq!(read("a.yaml"), "a: 1     # why\n");
        assert!(path("link.yaml").is_symlink());
        assert_eq!(fmt(&[path("a.yaml")], true).unwrap(), exit::OK);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn shipped_graphs_are_laid_out() {
        for graph in crate::shipped::SHIPPED {
            let laid_out = graph::fmt(graph.name, graph.source);
            assert!(matches!(&laid_out, Ok(text) if text == graph.source), "{}", graph.name);
        }
    }
}
