//! A job's files on this machine, for sandboxes that cannot lay an overlay: a writable copy of its tree, our files,
//! and a temporary folder. Looked at by nobody but us, taken away at the end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::job::Job;
use crate::paths;
use crate::report::Change;
use crate::tree::{self, Listing};

/// Least time between two looks at how much was written.
const LOOK: Duration = Duration::from_millis(50);
/// How many times as long as a look took is waited for the next.
const REST: u32 = 10;

/// The files of one job.
#[derive(Debug)]
pub(crate) struct Place {
    top: PathBuf,
    start: Listing,
    weight: u64,
    disk: u64,
    protect: Vec<PathBuf>,
    look_at: Instant,
}

impl Place {
    /// Lays the files of `job` out below the temporary directory, where only this user gets in.
    pub(crate) fn new(job: &Job) -> io::Result<Self> {
        let top = tempfile::Builder::new().prefix("prunella-").tempdir()?.keep();
        let mut place = Self {
            top,
            start: Listing::new(),
            weight: 0,
            disk: job.limits.disk,
            protect: Vec::new(),
            look_at: Instant::now() + LOOK,
        };
        for folder in [place.repo(), place.files(), place.temporary(), place.home()] {
            fs::create_dir(folder)?;
        }
        let repo = place.repo();
        tree::copy(&job.tree, &repo)?;
        tree::edit(&repo, &job.edits)?;
        for file in &job.files {
            if file.name.is_empty() || file.name.contains(['/', '\0']) || file.name.starts_with('.') {
                return Err(wrong(format!("file {:?} needs a plain name", file.name)));
            }
            fs::write(place.files().join(&file.name), &file.content)?;
        }
        for path in &job.protect {
            let names = paths::relative(path)
                .ok_or_else(|| wrong(format!("protected {path:?} is no path of the tree")))?;
            place.protect.push(names.iter().collect());
        }
        place.begin()?;
        place.weight =
            tree::used(&place.top)?.ok_or_else(|| wrong("folders are nested too deeply".into()))?;
        Ok(place)
    }

    /// Notes the tree as the command finds it; to be called again by whoever touches it after it was laid out.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.start = tree::list(&self.repo())?;
        Ok(())
    }

    /// All of it.
    pub(crate) fn top(&self) -> &Path {
        &self.top
    }

    /// The copy of the tree.
    pub(crate) fn repo(&self) -> PathBuf {
        self.top.join("repo")
    }

    /// The job's own files.
    pub(crate) fn files(&self) -> PathBuf {
        self.top.join("files")
    }

    /// The temporary folder.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.top.join("tmp")
    }

    /// The home folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.top.join("home")
    }

    /// Whether more was written than the job may; looks only now and then, the rarer the longer it takes.
    pub(crate) fn over(&mut self) -> bool {
        let now = Instant::now();
        if now < self.look_at {
            return false;
        }
        let over = self.full();
        let took = now.elapsed();
        self.look_at = Instant::now() + LOOK.max(took * REST);
        over
    }

    /// Whether more was written than the job may.
    pub(crate) fn full(&self) -> bool {
        match tree::used(&self.top) {
            Ok(Some(used)) => used.saturating_sub(self.weight) > self.disk,
            // Nested so deeply that it cannot be told.
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// What is different now, and a protected path among it. To be asked when all are dead.
    pub(crate) fn changes(&self) -> (Vec<Change>, Option<String>) {
        let changed = match tree::list(&self.repo()) {
            Ok(end) => tree::compare(&self.start, &end),
            // Names that we cannot list are told as what they are: more.
            Err(_) => vec![Change { path: "…".into(), how: "changed" }],
        };
        let touched = changed.iter().find(|change| {
            let path = Path::new(&change.path);
            (change.path == "…" && !self.protect.is_empty())
                || self.protect.iter().any(|own| path.starts_with(own))
        });
        let touched = touched.map(|change| change.path.clone());
        (changed, touched)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        tree::remove_firmly(&self.top);
    }
}

fn wrong(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{File, Limits};

    fn job(tree: &Path) -> Job {
        fs::create_dir(tree.join("tests")).unwrap();
        fs::write(tree.join("tests/t.py"), "assert 1").unwrap();
        fs::write(tree.join("a.py"), "a").unwrap();
        Job {
            tree: tree.into(),
            protect: vec!["tests".into()],
            limits: Limits { disk: 1 << 20, ..Limits::default() },
            ..Job::default()
        }
    }

    #[test]
    fn tells_what_changed_and_what_should_not_have() {
        let tree = tempfile::tempdir().unwrap();
        let place = Place::new(&job(tree.path())).unwrap();
        fs::write(place.repo().join("a.py"), "b").unwrap();
        let (changed, touched) = place.changes();
        assert_eq!((changed.len(), touched), (1, None));
        // The same content, written anew, is a change: it was something else in between.
        fs::write(place.repo().join("tests/t.py"), "assert 1").unwrap();
        assert_eq!(place.changes().1.as_deref(), Some("tests/t.py"));
        fs::write(place.repo().join("tests/new.py"), "").unwrap();
        assert_eq!(place.changes().1.as_deref(), Some("tests/new.py"));
        let top = place.top().to_owned();
        drop(place);
        assert!(!top.exists());
    }

    #[test]
    fn is_full_when_more_was_written_than_allowed() {
        let tree = tempfile::tempdir().unwrap();
        let place = Place::new(&job(tree.path())).unwrap();
        assert!(!place.full());
        fs::write(place.temporary().join("big"), vec![1; 2 << 20]).unwrap();
        assert!(place.full());
        fs::remove_file(place.temporary().join("big")).unwrap();
        for number in 0..2100 {
            fs::write(place.home().join(number.to_string()), "").unwrap();
        }
        assert!(place.full(), "names fill a disk too");
    }

    #[test]
    fn refuses_names_that_lead_elsewhere() {
        let tree = tempfile::tempdir().unwrap();
        let mut job = job(tree.path());
        job.files = vec![File { name: "../x".into(), content: Vec::new() }];
        assert!(Place::new(&job).is_err());
        job.files.clear();
        job.protect = vec!["../x".into()];
        assert!(Place::new(&job).is_err());
    }
}
