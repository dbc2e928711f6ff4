//! Checks a job and turns it into what the helper is told.

use std::collections::BTreeMap;
use std::env;
use std::path::{Component, Path, PathBuf};

use super::spec::{Identity, MAX_SPEC, Spec, SpecEdit, SpecFile};
use crate::environment::{self, Places};
use crate::job::{Job, Network};
use crate::paths;

/// Most files, edits, mounts or protected paths of a job.
const MAX_PARTS: usize = 50_000;

/// The order for `job`, with the contents it mentions one after the other; an error says what is wrong with the job.
pub(super) fn order(job: &Job, identity: Identity, copy: bool) -> Result<(Spec, Vec<u8>), String> {
    let parts = job.files.len() + job.edits.len() + job.mounts.len() + job.protect.len();
    if parts > MAX_PARTS {
        return Err(format!("{parts} files, edits, mounts and protected paths are more than {MAX_PARTS}"));
    }
    let tree = job.tree.canonicalize().map_err(|error| format!("tree {}: {error}", job.tree.display()))?;
    if !tree.is_dir() {
        return Err(format!("tree {}: is no folder", tree.display()));
    }
    if job.argv.iter().chain(job.env.values()).any(|text| text.contains('\0')) {
        return Err("an argument or a variable has a zero byte".into());
    }
    paths::relative(&job.cwd)
        .ok_or_else(|| format!("working directory {:?} is no path of the tree", job.cwd))?;
    let mut blobs = Vec::new();
    let mut files = Vec::new();
    for file in &job.files {
        if file.name.is_empty() || file.name.contains(['/', '\0']) || matches!(file.name.as_str(), "." | "..")
        {
            return Err(format!("file {:?} needs a name without a slash", file.name));
        }
        blobs.extend_from_slice(&file.content);
        files.push(SpecFile { name: file.name.clone(), length: file.content.len() as u64 });
    }
    let mut edits = Vec::new();
    for edit in &job.edits {
        if paths::relative(&edit.path).is_none_or(|names| names.is_empty() || names.first() == Some(&".git"))
        {
            return Err(format!("edit {:?} is no path of the tree", edit.path));
        }
        let length = edit.content.as_ref().map(|content| {
            blobs.extend_from_slice(content);
            content.len() as u64
        });
        edits.push(SpecEdit { path: edit.path.clone(), length, executable: edit.executable });
    }
    if blobs.len() as u64 > MAX_SPEC {
        return Err("files and edits are larger than a job may be".into());
    }
    let spec = Spec {
        identity,
        tree,
        copy,
        argv: job.argv.clone(),
        env: environment::whole(
            &job.env,
            &Places { home: "/home/sbx", temporary: "/tmp", repo: "/repo", files: "/prunella" },
        )?,
        cwd: job.cwd.clone(),
        mounts: mounts(job)?,
        files,
        edits,
        protect: job.protect.clone(),
        cpu_seconds: job.limits.cpu.as_secs().max(1),
        memory: job.limits.memory,
        processes: job.limits.processes,
        disk: job.limits.disk,
        loopback: job.network == Network::Loopback,
        channel: job.channel,
    };
    Ok((spec, blobs))
}

/// Resolved mounts, parents first.
fn mounts(job: &Job) -> Result<Vec<(PathBuf, PathBuf)>, String> {
    let home = env::home_dir().filter(|home| home != Path::new("/"));
    let mut mounts = BTreeMap::new();
    for mount in &job.mounts {
        let shown = mount.host.display();
        let host = mount.host.canonicalize().map_err(|error| format!("mount {shown}: {error}"))?;
        if let Some(reason) = forbidden(&host, home.as_deref()) {
            return Err(format!("mount {shown}: {reason}"));
        }
        let guest = &mount.guest;
        let plain = guest.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
        let ours = ["/proc", "/dev", "/repo", "/prunella", "/tmp", "/etc", "/home/sbx", "/.w", "/.lower"];
        if !guest.is_absolute() || !plain || guest == Path::new("/") {
            return Err(format!("mount {shown}: its place {} is no absolute path", guest.display()));
        }
        // A toolchain may live under the host's /tmp or /etc, but nothing replaces those folders themselves.
        let replaced = ours.iter().any(|ours| Path::new(ours).starts_with(guest));
        let within = ["/proc", "/dev", "/repo", "/prunella"].iter().any(|ours| guest.starts_with(ours));
        if replaced || within {
            return Err(format!("mount {shown}: its place {} is the sandbox's own", guest.display()));
        }
        mounts.insert(guest.clone(), host);
    }
    Ok(mounts.into_iter().map(|(guest, host)| (host, guest)).collect())
}

/// Why a host path may not be shown to a job, if it may not.
fn forbidden(host: &Path, home: Option<&Path>) -> Option<&'static str> {
    const SECRET: [&str; 13] = [
        ".ssh",
        ".aws",
        ".gnupg",
        ".kube",
        ".docker",
        ".netrc",
        ".git-credentials",
        ".pypirc",
        ".npmrc",
        ".azure",
        "gcloud",
        "gh",
        ".password-store",
    ];
    const WHOLE: [&str; 7] = ["/proc", "/sys", "/dev", "/run", "/var/run", "/boot", "/etc"];
    if host == Path::new("/") {
        return Some("the whole file system is never shown");
    }
    if home.is_some_and(|home| home.starts_with(host)) {
        return Some("it holds the home folder");
    }
    if WHOLE.iter().any(|whole| host.starts_with(whole) || Path::new(whole).starts_with(host)) {
        return Some("it belongs to the system, and is never shown");
    }
    if host.components().any(|part| SECRET.iter().any(|secret| part.as_os_str() == *secret)) {
        return Some("credentials are kept there");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_home_nor_secrets_nor_the_system_are_shown() {
        let home = Some(Path::new("/home/ann"));
        for path in
            ["/", "/home", "/home/ann", "/home/ann/.ssh", "/home/ann/.config/gh", "/etc/ssl", "/run/x"]
        {
            assert!(forbidden(Path::new(path), home).is_some(), "{path}");
        }
        for path in ["/home/ann/.pyenv/versions/3.11.7", "/opt/tools", "/usr/lib/x"] {
            assert_eq!(forbidden(Path::new(path), home), None, "{path}");
        }
    }
}
