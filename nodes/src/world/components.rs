//! Effect `component.load`: a WebAssembly component that lies beside the graph file.

use std::path::Path;

use prunella_engine::EffectError;
use prunella_engine::blob::Blobs;

use crate::effects::{LoadRequest, LoadResponse};
use crate::gate::check_path;
use crate::wasm::MAX_COMPONENT_BYTES;

/// Exit code of input that cannot be read.
const UNREADABLE: u8 = 5;
/// Exit code of our own store.
const STORE: u8 = 6;

/// Reads the component below `folder`, the graph file's; nothing for a graph that is no file.
///
/// # Errors
/// Exit 5 when it is not there, leads out of the folder, is too large, or has another hash.
pub fn load(
    folder: Option<&Path>,
    request: &LoadRequest,
    blobs: &dyn Blobs,
) -> Result<LoadResponse, EffectError> {
    let path = &request.path.0;
    let refuse = |why: String| EffectError::new("component.load", UNREADABLE, why);
    check_path(path).map_err(|refusal| refuse(format!("the component's {refusal}")))?;
    let folder = folder.ok_or_else(|| {
        refuse(format!("the component {path} lies beside a graph file, and this graph is none"))
    })?;
    let unreadable = |e: std::io::Error| refuse(format!("the component {path} cannot be read: {e}"));
    let top = folder.canonicalize().map_err(unreadable)?;
    let file = folder.join(path).canonicalize().map_err(unreadable)?;
    if !file.starts_with(&top) {
        return Err(refuse(format!("the component {path} is a link that leads out of the graph's folder")));
    }
    let size = file.metadata().map_err(unreadable)?.len();
    if size > MAX_COMPONENT_BYTES as u64 {
        return Err(refuse(format!(
            "the component {path} has {size} bytes; {MAX_COMPONENT_BYTES} are allowed"
        )));
    }
    let bytes = std::fs::read(&file).map_err(unreadable)?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    if hash != request.hash.to_ascii_lowercase() {
        return Err(refuse(format!(
            "the component {path} has the hash {hash}, and the graph pins {}",
            request.hash
        ))
        .help("where the change is meant, write that hash into the graph"));
    }
    let component = blobs.put(&bytes).map_err(|e| EffectError::new(&e.code, STORE, e.message))?;
    Ok(LoadResponse { component })
}

#[cfg(test)]
mod tests {
    use prunella_engine::blob::MemoryBlobs;

    use super::*;

    #[test]
    fn only_the_pinned_bytes_below_the_folder_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("graphs");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("a.wasm"), b"bytes").unwrap();
        std::fs::write(dir.path().join("b.wasm"), b"bytes").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("../b.wasm", folder.join("link.wasm")).unwrap();
        let blobs = MemoryBlobs::default();
        let hash = blake3::hash(b"bytes").to_hex().to_string();
        let load = |path: &str, hash: &str| {
            load(Some(&folder), &LoadRequest { path: path.into(), hash: hash.to_owned() }, &blobs)
        };
        let loaded = load("a.wasm", &hash.to_uppercase()).unwrap();
        assert_eq!(blobs.get(&loaded.component).unwrap(), b"bytes");
        for (path, hash, words) in [
            ("a.wasm", "00", hash.as_str()),
            ("../b.wasm", &hash, "`..` part"),
            ("/b.wasm", &hash, "is absolute"),
            ("link.wasm", &hash, "leads out"),
            ("c.wasm", &hash, "cannot be read"),
        ] {
            let error = load(path, hash).unwrap_err();
            assert!(error.exit == 5 && error.message.contains(words), "{path}: {}", error.message);
        }
    }
}
