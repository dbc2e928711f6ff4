//! What tests see beside the tree: folders of modules, further mounts, variables. Nothing that holds secrets.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use prunella_sandbox::Mount;

use super::HostSettings;
use crate::world::git::GitRepo;

pub(super) type Paths = (Vec<String>, Vec<Mount>);

/// The folders that modules are found in, and what has to be visible for them.
pub(super) fn paths(repo: &GitRepo, files: &[String], given: &HostSettings) -> Result<Paths, String> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let here = repo.root.join(&repo.subfolder);
    let mut mounts = Vec::new();
    let mut entries = Vec::new();
    for entry in &given.pythonpath {
        match inside(&repo.root, &here, entry) {
            Some(relative) => entries.push(relative),
            None => {
                let mount = mount(&here, entry, home.as_deref())?;
                entries.push(mount.guest.to_string_lossy().into_owned());
                mounts.push(mount);
            }
        }
    }
    if given.pythonpath.is_empty() {
        let prefix = if repo.subfolder.is_empty() { String::new() } else { format!("{}/", repo.subfolder) };
        if files.iter().any(|file| file.starts_with(&format!("{prefix}src/")) && file.ends_with(".py")) {
            entries.push(format!("{prefix}src"));
        }
    }
    if !entries.contains(&repo.subfolder) {
        entries.push(repo.subfolder.clone());
    }
    for entry in &given.mounts {
        mounts.push(mount(&here, entry, home.as_deref())?);
    }
    let mut seen = std::collections::BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.clone()));
    Ok((entries, mounts))
}

/// Where `entry` lies below the repository's top, when it does; the top itself is the empty string.
fn inside(root: &Path, here: &Path, entry: &str) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in here.join(entry).components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    let full = PathBuf::from(format!("/{}", parts.join("/")));
    full.strip_prefix(root).ok().map(|rest| rest.to_string_lossy().into_owned())
}

/// Names that no folder of secrets is made visible under.
const SECRETS: &[&str] = &[
    ".ssh",
    ".aws",
    ".gnupg",
    ".kube",
    ".docker",
    ".config",
    ".azure",
    ".gcloud",
    ".netrc",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    ".password-store",
    ".mozilla",
    ".git",
    "keyrings",
];

/// A folder of this machine as a mount at its own path.
fn mount(here: &Path, entry: &str, home: Option<&Path>) -> Result<Mount, String> {
    let named = here.join(entry);
    let host = named
        .canonicalize()
        .map_err(|e| format!("`{entry}` (of pythonpath or mounts) at {}: {e}", named.display()))?;
    if host.parent().is_none() || home.is_some_and(|home| home.starts_with(&host)) {
        return Err(format!(
            "`{entry}` would make {} visible to the tests; name the folder in it that they need",
            host.display()
        ));
    }
    if let Some(part) = host.components().find(|part| SECRETS.iter().any(|name| part.as_os_str() == *name)) {
        return Err(format!(
            "`{entry}` lies in `{}`, where secrets are kept",
            part.as_os_str().to_string_lossy()
        ));
    }
    Ok(Mount { guest: host.clone(), host })
}

/// Variables that would change the interpreter or the loader, or look like secrets, are refused.
pub(in crate::world::tests) fn check_env(env: &BTreeMap<String, String>) -> Result<(), String> {
    for name in env.keys() {
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain {
            return Err(format!("`{}` is no name of an environment variable", name.escape_debug()));
        }
        let upper = name.to_uppercase();
        let loader = upper.starts_with("LD_")
            || upper.starts_with("DYLD_")
            || upper.starts_with("PRUNELLA_")
            || matches!(
                upper.as_str(),
                "PATH" | "HOME" | "PYTHONHOME" | "PYTHONPATH" | "PYTHONSTARTUP" | "PYTHONINSPECT"
            );
        if loader {
            return Err(format!(
                "variable {name} is not the tests' to set; use `pythonpath`, `python` or `mounts`"
            ));
        }
        let secret = [
            "SECRET",
            "TOKEN",
            "PASSWORD",
            "PASSWD",
            "CREDENTIAL",
            "API_KEY",
            "APIKEY",
            "PRIVATE_KEY",
            "ACCESS_KEY",
        ];
        if let Some(word) = secret.iter().find(|word| upper.contains(**word)) {
            return Err(format!("variable {name} looks like a secret ({word}); candidates could read it"));
        }
    }
    Ok(())
}
