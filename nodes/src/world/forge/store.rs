//! Pull requests as files: `pull.json`, `page.md` and `comment-1.md`, … in a folder each. A file is replaced
//! whole or not at all, and `pull.json` comes last, so that what it speaks of is there.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use prunella_engine::EffectError;

use super::{PullRecord, STORE};

/// The format of `pull.json`. It rises with every change of its fields.
pub(super) const FORMAT: u32 = 1;
/// Exit code for a format that is newer than this program.
const FORMAT_UNKNOWN: u8 = 22;

/// The folder of one repository's pull requests.
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the pull request called `id` is.
    pub(super) fn at(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    /// The records of all pull requests, sorted by id.
    pub(super) fn all(&self) -> Result<Vec<PullRecord>, EffectError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(unusable("read", &self.folder, &e)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| unusable("read", &self.folder, &e))?;
            ids.extend(entry.file_name().into_string());
        }
        ids.sort();
        Ok(ids
            .iter()
            .map(|id| self.record(id))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    /// The record of the pull request called `id`, or nothing when there is none (yet: a crash may have left its
    /// page alone).
    pub(super) fn record(&self, id: &str) -> Result<Option<PullRecord>, EffectError> {
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Ok(None);
        }
        let path = self.at(id).join("pull.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e)
                if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(unusable("read", &path, &e)),
        };
        let broken = |why: String| {
            EffectError::new("forge.record", STORE, format!("read {}: {why}", path.display()))
                .help("move this folder away to go on without what it says")
        };
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(|e| broken(e.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => {
                let what =
                    format!("{} has format {format}; this program knows up to {FORMAT}", path.display());
                return Err(
                    EffectError::new("forge.format", FORMAT_UNKNOWN, what).help("use a newer prunella")
                );
            }
            None => return Err(broken("it has no format number".to_owned())),
        }
        serde_json::from_value(value).map(Some).map_err(|e| broken(e.to_string()))
    }

    /// The text of a file of `id`; empty when it is not there.
    pub(super) fn text(&self, id: &str, name: &str) -> Result<String, EffectError> {
        let path = self.at(id).join(name);
        match fs::read(&path) {
            Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(e) => Err(unusable("read", &path, &e)),
        }
    }

    /// Replaces the record.
    pub(super) fn put(&self, record: &PullRecord) -> Result<(), EffectError> {
        let mut text = serde_json::to_string_pretty(record)
            .map_err(|e| EffectError::new("forge.record", STORE, format!("write a pull request: {e}")))?;
        text.push('\n');
        self.put_text(&record.id, "pull.json", &text)
    }

    /// Replaces a file of `id`.
    pub(super) fn put_text(&self, id: &str, name: &str, text: &str) -> Result<(), EffectError> {
        let folder = self.at(id);
        fs::create_dir_all(&folder).map_err(|e| unusable("create", &folder, &e))?;
        replace(&folder, name, text.as_bytes()).map_err(|e| unusable("write", &folder.join(name), &e))
    }
}

/// Writes a file beside its place, brings it to disk, and moves it there.
fn replace(folder: &Path, name: &str, content: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|e| e.error)?;
    fs::File::open(folder)?.sync_all()
}

fn unusable(verb: &str, path: &Path, e: &std::io::Error) -> EffectError {
    EffectError::new("store.unusable", STORE, format!("{verb} {}: {e}", path.display()))
        .help("the store's folder must be writable; --store names another")
}
