//! What is kept from one time to the next, sealed with a key of the store's own: a file that was torn, moved to another
//! name or written by whoever cannot read the key is no verdict.
//!
//! No candidate gets at these files: sandboxes do not show them. Whoever runs as the same user outside of a sandbox (a
//! job of the sandbox `none` does) can read the key, and is not kept out.

use std::io::{Read, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of the key.
const KEY: usize = 32;

/// Files below a cache, sealed.
pub(crate) struct Sealed {
    /// Nothing when it cannot be had: then nothing is kept and nothing is believed.
    key: Option<[u8; KEY]>,
}

impl Sealed {
    /// With the key in `cache`, made when there is none; only this user may read it.
    pub(crate) fn new(cache: &Path) -> Self {
        let path = cache.join("key");
        Self { key: read_key(&path).or_else(|| make_key(&path)) }
    }

    /// What is in `path`, if it was written there by [`Self::write`].
    pub(crate) fn read<T: DeserializeOwned>(&self, path: &Path) -> Option<T> {
        let bytes = std::fs::read(path).ok()?;
        let at = bytes.iter().position(|byte| *byte == b'\n')?;
        let (seal, content) = bytes.split_at(at);
        let content = content.get(1..)?;
        let seal = blake3::Hash::from_hex(seal).ok()?;
        // The comparison takes the same time wherever they differ.
        if self.seal(path, content)? == seal { serde_json::from_slice(content).ok() } else { None }
    }

    /// Writes `data`, whole or not at all.
    pub(crate) fn write(&self, path: &Path, data: &impl Serialize) -> std::io::Result<()> {
        let content = serde_json::to_vec(data)?;
        let seal = self.seal(path, &content).ok_or_else(|| std::io::Error::other("there is no key"))?;
        let folder = path.parent().unwrap_or(path);
        std::fs::create_dir_all(folder)?;
        let mut draft = tempfile::Builder::new().prefix(".draft-").tempfile_in(folder)?;
        draft.write_all(seal.to_hex().as_bytes())?;
        draft.write_all(b"\n")?;
        draft.write_all(&content)?;
        draft.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// [`Self::write`] where a cache that cannot be written costs time, not truth.
    pub(crate) fn keep(&self, path: &Path, data: &impl Serialize) {
        let _ = self.write(path, data);
    }

    /// The seal of `content` under the name of `path`.
    fn seal(&self, path: &Path, content: &[u8]) -> Option<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_keyed(self.key.as_ref()?);
        let name = path.file_name()?.as_encoded_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name).update(content);
        Some(hasher.finalize())
    }
}

/// The key, unless others can read it.
fn read_key(path: &Path) -> Option<[u8; KEY]> {
    let mut file = std::fs::File::open(path).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let seen = std::fs::symlink_metadata(path).ok()?;
        if !seen.is_file() || seen.permissions().mode() & 0o077 != 0 {
            return None;
        }
    }
    let mut key = [0; KEY];
    file.read_exact(&mut key).ok()?;
    Some(key)
}

/// A new key; of two that make one at once both get the same.
fn make_key(path: &Path) -> Option<[u8; KEY]> {
    let mut key = [0; KEY];
    std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut key)).ok()?;
    let folder = path.parent()?;
    // Readable by this user alone from its first moment.
    let mut draft = tempfile::Builder::new().prefix(".draft-").tempfile_in(folder).ok()?;
    draft.write_all(&key).ok()?;
    match draft.persist_noclobber(path) {
        Ok(_) => Some(key),
        Err(_) => read_key(path).or_else(|| replaced(path, &key)),
    }
}

/// A key that others can read is none: another takes its place.
fn replaced(path: &Path, key: &[u8; KEY]) -> Option<[u8; KEY]> {
    let mut draft = tempfile::Builder::new().prefix(".draft-").tempfile_in(path.parent()?).ok()?;
    draft.write_all(key).ok()?;
    draft.persist(path).ok()?;
    Some(*key)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn file(cache: &Path, name: &str) -> PathBuf {
        cache.join("verdicts").join(name)
    }

    #[test]
    fn what_was_kept_comes_back_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (file(folder.path(), "a"), file(folder.path(), "b"));
        let sealed = Sealed::new(folder.path());
        sealed.keep(&one, &"fixed");
        assert_eq!(sealed.read::<String>(&one).as_deref(), Some("fixed"));
        assert_eq!(Sealed::new(folder.path()).read::<String>(&one).as_deref(), Some("fixed"));
        // Under another name, changed, cut short, without a seal.
        std::fs::copy(&one, &other).unwrap();
        assert_eq!(sealed.read::<String>(&other), None);
        let whole = std::fs::read_to_string(&one).unwrap();
        for bad in [&whole.replace("fixed", "fixes"), &whole[..whole.len() - 1], "\"fixed\"", ""] {
            std::fs::write(&one, bad).unwrap();
            assert_eq!(sealed.read::<String>(&one), None, "{bad}");
        }
        // By the key of another store.
        let elsewhere = tempfile::tempdir().unwrap();
        Sealed::new(elsewhere.path()).keep(&one, &"fixed");
        assert_eq!(sealed.read::<String>(&one), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let one = file(folder.path(), "a");
        Sealed::new(folder.path()).keep(&one, &1);
        let key = folder.path().join("key");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let sealed = Sealed::new(folder.path());
        assert_eq!(sealed.read::<i64>(&one), None);
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        sealed.keep(&one, &2);
        assert_eq!(sealed.read::<i64>(&one), Some(2));
    }
}
