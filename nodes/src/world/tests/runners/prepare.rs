//! Dependencies that are not here: fetched once by the repository's own package manager, in the sandbox, with the network
//! in that step alone and only when the user allows it; kept by the hash of what locks them.

mod locks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prunella_engine::{EffectError, canonical};
use prunella_sandbox::{End, File, Job, Limits, Mount, Network};
use serde_json::json;

use super::toolchain::{Places, ask};
use super::{Foreign, Tool};
use crate::world::tests::jobs::Launcher;
use crate::world::tests::{STORE, UNSTARTABLE};

/// Where the step leaves what is kept.
pub(crate) const PREPARED: &str = "/tmp/prepared";
/// Most bytes of an archive of dependencies.
const MAX_ARCHIVE: u64 = 2 << 30;

/// What would be fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preparation {
    /// The commands, one after the other.
    commands: Vec<Vec<String>>,
    /// The files that lock the dependencies; the first one is named to the user.
    locks: Vec<String>,
    /// What is missing, for a person.
    missing: String,
    env: BTreeMap<String, String>,
    mounts: Vec<Mount>,
    version: String,
    /// Files of ours for the commands.
    files: Vec<(String, String)>,
}

/// What has to be fetched for `foreign` before its tests can run; nothing when all is here. `given` is what the
/// repository says how.
pub(crate) fn needed(
    foreign: &Foreign,
    places: &Places<'_>,
    given: Option<&[String]>,
) -> Option<Preparation> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut out = Preparation::default();
    let node = foreign.tool.on_node() || places.read("package.json").is_some();
    match foreign.tool {
        Tool::Cargo | Tool::Nextest => {
            let missing = crates_not_here(&places.read("Cargo.lock")?, places);
            if missing.is_empty() && given.is_none() {
                return None;
            }
            let kit = super::toolchain::Kit::find(foreign, places).ok()?;
            out.commands =
                vec![vec![kit.program.as_ref()?.display().to_string(), "fetch".into(), "--locked".into()]];
            out.locks = words(&["Cargo.lock"]);
            out.missing = format!("crates of Cargo.lock: {}", missing.join(", "));
            out.version = kit.version;
            out.mounts = kit.mounts;
            out.env = kit.env;
            // Where crates come from, when the user's configuration says so.
            out.files = kit.files;
            out.env.insert("CARGO_HOME".to_owned(), PREPARED.to_owned());
            out.env.insert("CARGO_NET_OFFLINE".to_owned(), "false".to_owned());
        }
        _ if node => {
            let here = places.repo.root.join(&places.repo.subfolder).join("node_modules");
            if here.is_dir() || (!wants_packages(&places.read("package.json")?) && given.is_none()) {
                return None;
            }
            places.read("package-lock.json").or(given.map(|_| String::new()))?;
            out.commands = vec![words(&["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"])];
            out.locks = words(&["package-lock.json", "package.json"]);
            out.missing = "node_modules of package-lock.json".to_owned();
            let node = places.program("node")?;
            let mut kit = super::toolchain::Kit::default();
            kit.take(&node, places).ok()?;
            out.version = ask(&node, &["--version"], &[]).unwrap_or_default();
            out.mounts = kit.mounts;
            out.env = kit.env;
            // Where packages come from, when the user says so; an address that carries a user is not passed on.
            let npm = places.program("npm").and_then(|npm| ask(&npm, &["config", "get", "registry"], &[]));
            if let Some(registry) = npm.filter(|r| r.starts_with("http") && !r.contains('@')) {
                out.env.insert("npm_config_registry".to_owned(), registry);
            }
        }
        _ => {
            given?;
            out.missing = "what `tests.prepare` of prunella.yaml fetches".to_owned();
        }
    }
    if let Some(given) = given {
        out.commands = vec![given.to_vec()];
        out.locks.push("prunella.yaml".to_owned());
    }
    out.certificates();
    Some(out)
}

/// A name of the virtual environment among what is kept.
const ENVIRONMENT: &str = "venv";

/// The interpreter of a prepared environment, as the sandbox sees it.
pub(crate) fn environment() -> PathBuf {
    Path::new(PREPARED).join(ENVIRONMENT).join("bin/python")
}

/// What has to be fetched before tests of Python can run, where a lock file says what: an environment of their own,
/// made with `python`. Nothing of a package is run in it: only wheels are installed.
pub(crate) fn python(
    places: &Places<'_>,
    python: &Path,
    version: &str,
    mounts: &[Mount],
) -> Option<Preparation> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let exe = environment().display().to_string();
    let top = Path::new(PREPARED).join(ENVIRONMENT).display().to_string();
    let mut install = words(&[
        &exe,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "--require-hashes",
    ]);
    let mut out = Preparation {
        version: format!("Python {version}"),
        mounts: mounts.to_vec(),
        ..Preparation::default()
    };
    let project = places.read("pyproject.toml").unwrap_or_default();
    let locked = [("uv.lock", places.read("uv.lock").and_then(|text| locks::uv(&text)))]
        .into_iter()
        .chain([("poetry.lock", places.read("poetry.lock").and_then(|text| locks::poetry(&text, &project)))])
        .find_map(|(name, text)| Some((name, text?)));
    if let Some((name, text)) = locked {
        out.locks = words(&[name, "pyproject.toml"]);
        out.files = vec![("locked.txt".to_owned(), text)];
        // The lock is whole: what it does not name is not wanted.
        install.extend(words(&["--no-deps", "-r", "/prunella/locked.txt"]));
    } else {
        let names = ["requirements.txt", "requirements-dev.txt", "requirements-test.txt"];
        out.locks = words(&names)
            .into_iter()
            .filter(|name| places.read(name).is_some_and(|text| locks::hashed(&text)))
            .collect();
        if out.locks.is_empty() {
            return None;
        }
        install.extend(out.locks.iter().flat_map(|name| ["-r".to_owned(), name.clone()]));
    }
    out.missing = format!("packages of {}", out.locks.first()?);
    out.commands = vec![words(&[&python.display().to_string(), "-m", "venv", &top]), install];
    // Where packages come from, when the user says so; an address that carries a user is not passed on.
    for name in ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"] {
        if let Some(value) =
            std::env::var(name).ok().filter(|value| !value.is_empty() && !value.contains('@'))
        {
            out.env.insert(name.to_owned(), value);
        }
    }
    out.certificates();
    Some(out)
}

/// Variables that name certificates which package managers are to trust.
const CERTIFICATES: [&str; 7] = [
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// Crates of a `Cargo.lock` from the registry that cargo's cache does not hold; at most a few.
fn crates_not_here(lock: &str, places: &Places<'_>) -> Vec<String> {
    let Ok(table) = lock.parse::<toml::Table>() else { return Vec::new() };
    let home = super::toolchain::folder("CARGO_HOME", ".cargo");
    let caches: Vec<PathBuf> = home
        .and_then(|home| std::fs::read_dir(home.join("registry/cache")).ok())
        .map(|dir| dir.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    let packages = table.get("package").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let text = |package: &toml::Value, key: &str| {
        package.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
    };
    let vendored = places.read(".cargo/config.toml").is_some_and(|config| config.contains("vendor"));
    packages
        .iter()
        .filter(|package| text(package, "source").starts_with("registry+") && !vendored)
        .map(|package| format!("{}-{}", text(package, "name"), text(package, "version")))
        .filter(|name| caches.iter().all(|cache| !cache.join(format!("{name}.crate")).is_file()))
        .take(5)
        .collect()
}

fn wants_packages(package: &str) -> bool {
    let json: serde_json::Value = serde_json::from_str(package).unwrap_or_default();
    ["dependencies", "devDependencies"]
        .iter()
        .any(|key| json.get(key).and_then(serde_json::Value::as_object).is_some_and(|list| !list.is_empty()))
}

impl Preparation {
    /// Has the commands trust whom the user's own commands do.
    fn certificates(&mut self) {
        for name in CERTIFICATES {
            let path = std::env::var_os(name).map(PathBuf::from).and_then(|path| path.canonicalize().ok());
            let Some(path) = path.filter(|path| path.is_absolute()) else { continue };
            self.env.insert(name.to_owned(), path.display().to_string());
            // Those of the system are seen anyway.
            if path.is_file() && !path.starts_with("/etc") && !path.starts_with("/usr") {
                self.mounts.push(Mount { host: path.clone(), guest: path });
            }
        }
    }

    /// The folder with the dependencies: kept from another time, or fetched now when `allowed`.
    ///
    /// # Errors
    /// Exit 15 when it is not allowed, or fails; 31 when the sandbox cannot start; 6 when the cache cannot be written.
    pub(crate) fn run(
        &self,
        launcher: &Launcher,
        tree: &Path,
        cache: &Path,
        places: &Places<'_>,
        allowed: bool,
    ) -> Result<PathBuf, EffectError> {
        let locks: BTreeMap<&String, Option<String>> =
            self.locks.iter().map(|lock| (lock, places.read(lock))).collect();
        let key = canonical::hash(&json!({
            "commands": self.commands, "locks": locks, "files": self.files, "version": self.version,
            "start": places.start(),
        }));
        let kept = cache.join("prepared").join(&key);
        if kept.is_dir() {
            return Ok(kept);
        }
        let command = self.commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join(" && ");
        if !allowed {
            return Err(EffectError::new(
                "tests.dependencies",
                UNSTARTABLE,
                format!("dependencies are not here: {}", self.missing),
            )
            .help(format!(
                "fetch them in the working tree, or allow it with --allow-network-prepare: `{command}` then runs once in the sandbox, with the host's network in that step alone"
            )));
        }
        let mut files = vec![File {
            name: "prunella_prepare.sh".to_owned(),
            content: include_str!("../harness/prunella_prepare.sh").as_bytes().to_vec(),
        }];
        let mut names = String::new();
        for (number, words) in self.commands.iter().enumerate() {
            let name = format!("command{number}");
            let content = words.iter().map(|word| format!("{word}\n")).collect::<String>().into_bytes();
            names.push_str(&format!("{name}\n"));
            files.push(File { name, content });
        }
        files.push(File { name: "commands".to_owned(), content: names.into_bytes() });
        for (name, content) in &self.files {
            files.push(File { name: name.clone(), content: content.clone().into_bytes() });
        }
        let wall = Duration::from_secs(1200);
        let job = Job {
            tree: tree.to_owned(),
            argv: ["sh", "/prunella/prunella_prepare.sh"].map(str::to_owned).to_vec(),
            env: self.env.clone(),
            cwd: places.repo.subfolder.clone(),
            mounts: self.mounts.clone(),
            files,
            limits: Limits {
                wall,
                cpu: wall,
                memory: 6 << 30,
                processes: 1024,
                cores: super::job::cores(),
                disk: 4 << 30,
                output_max: MAX_ARCHIVE,
                ..Limits::default()
            },
            network: Network::Host,
            channel: true,
            ..Job::default()
        };
        let report = launcher.perform(&job)?;
        if report.end != (End::Exited { code: 0 }) {
            let said = format!("{}{}", report.stdout.text(), report.stderr.text());
            let lines: Vec<&str> = said.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n");
            return Err(EffectError::new(
                "tests.prepare",
                UNSTARTABLE,
                format!(
                    "dependencies could not be prepared: `{command}` did not end well ({:?}): {tail}",
                    report.end
                ),
            ));
        }
        keep(&report.channel, &kept)
            .map_err(|e| EffectError::new("tests.prepare", STORE, format!("keep dependencies: {e}")))?;
        Ok(kept)
    }
}

/// Lays an archive out beside and moves it into place. Nothing of it lands elsewhere: entries that lead out of the folder,
/// and whatever is neither file, folder nor link, are left out.
fn keep(archive: &[u8], kept: &Path) -> std::io::Result<()> {
    let parent = kept.parent().unwrap_or(kept);
    std::fs::create_dir_all(parent)?;
    let draft = tempfile::Builder::new().prefix(".draft-").tempdir_in(parent)?;
    let mut archive = tar::Archive::new(archive);
    archive.set_preserve_ownerships(false);
    archive.set_preserve_mtime(true);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_hard_link() {
            entry.unpack_in(draft.path())?;
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(draft.path(), std::fs::Permissions::from_mode(0o755))?;
    }
    let draft = draft.keep();
    if let Err(error) = std::fs::rename(&draft, kept) {
        let _ = std::fs::remove_dir_all(&draft);
        // Another run was faster.
        if !kept.is_dir() {
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_stays_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |path: &str, kind: tar::EntryType, link: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(0o644);
            header.set_size(if kind.is_file() { 1 } else { 0 });
            // A header takes what a library would refuse.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            if !link.is_empty() {
                header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            }
            header.set_cksum();
            let content: &[u8] = if kind.is_file() { b"x" } else { b"" };
            builder.append(&header, content).unwrap();
        };
        add("a", tar::EntryType::Regular, "");
        add("../b", tar::EntryType::Regular, "");
        add("l", tar::EntryType::Symlink, "..");
        add("f", tar::EntryType::Fifo, "");
        let bytes = builder.into_inner().unwrap();
        let kept = folder.path().join("prepared/k");
        keep(&bytes, &kept).unwrap();
        assert_eq!(std::fs::read(kept.join("a")).unwrap(), b"x");
        assert!(!folder.path().join("prepared/b").exists() && !kept.join("f").exists());
        // What would be written through a link that leads out is an error, and nothing is kept.
        let mut builder = tar::Builder::new(bytes);
        builder.get_mut().clear();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "l", "..").unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_cksum();
        builder.append_data(&mut header, "l/c", &b"x"[..]).unwrap();
        let kept = folder.path().join("prepared/m");
        assert!(keep(&builder.into_inner().unwrap(), &kept).is_err());
        assert!(!kept.exists() && !folder.path().join("prepared/c").exists());
    }
}
