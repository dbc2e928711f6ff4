//! Which paths of the host a job may see.

use std::collections::BTreeMap;
use std::env;
use std::path::{Component, Path, PathBuf};

use crate::job::Job;

/// Places that belong to the sandbox, and are never replaced.
const OURS: [&str; 9] =
    ["/proc", "/dev", "/repo", "/prunella", "/tmp", "/etc", "/home/sbx", "/.w", "/.lower"];

/// The job's mounts with their real host paths, parents first; an error says what is wrong with one.
pub(crate) fn resolved(job: &Job) -> Result<Vec<(PathBuf, PathBuf)>, String> {
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
        if !guest.is_absolute() || !plain || guest == Path::new("/") {
            return Err(format!("mount {shown}: its place {} is no absolute path", guest.display()));
        }
        // A toolchain may live under the host's /tmp or /etc, but nothing replaces those folders themselves.
        let replaced = OURS.iter().any(|ours| Path::new(ours).starts_with(guest));
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
