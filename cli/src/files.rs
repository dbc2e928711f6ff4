//! The files of a graph: in a folder of the user's, or compiled in.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use prunella_engine::graph::{Beside, MAX_BYTES};

/// What the shipped graphs name beside themselves.
static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../graphs/prompts");

/// The folder of the shipped graphs.
pub(crate) struct Shipped;

impl Beside for Shipped {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let file = path.strip_prefix("prompts/").and_then(|path| SHIPPED.get_file(path));
        file.map(|file| file.contents().to_vec()).ok_or_else(|| "no such file ships".to_owned())
    }
}

/// The folder that a graph file stands in.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder of `graph`.
    pub(crate) fn of(graph: &Path) -> Self {
        Self(graph.parent().map(Path::to_path_buf).unwrap_or_default())
    }
}

impl Beside for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        // A link may lead anywhere, and a folder on the way may be one.
        let mut at = self.0.clone();
        let mut file = false;
        for part in path.split('/') {
            at.push(part);
            let kind = at.symlink_metadata().map_err(|e| why(&e))?.file_type();
            if kind.is_symlink() {
                return Err("it is a link, or lies behind one".to_owned());
            }
            file = kind.is_file();
        }
        if file { bytes(&at) } else { Err("it is no file".to_owned()) }
    }
}

/// What the file at `path` holds, and one byte more than a graph may have at most.
///
/// # Errors
/// Why it cannot be read, a lowercase fragment.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| why(&e))?;
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|e| why(&e))?;
    Ok(bytes)
}

fn why(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    }
}
