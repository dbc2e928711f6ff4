//! What the commands that touch runs share: the store, the world around a repository, and the engine over both.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prunella_engine::World;
use prunella_engine::event::Modes;
use prunella_engine::redact::Redactor;
use prunella_engine::run::{Engine, Loader, Options, Stop, StopWish};
use prunella_engine::store::Store;
use prunella_nodes::kinds;
use prunella_nodes::world::git::GitRepo;
use prunella_nodes::world::models::Providers;
use prunella_nodes::world::notify::Channels;
use prunella_nodes::world::tests::{HostSettings, Tester};
use prunella_nodes::world::{LocalWorld, Parts};
use prunella_sandbox::{ContainerSandbox, Probe, Sandbox, WasmSandbox};
use serde::{Deserialize, Serialize};

use crate::args::{SandboxChoice, TestArgs};
use crate::exit;
use crate::failure::{Failure, Result};

/// What a run knows of this machine only. Kept beside the run, never in its trace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Local {
    /// The repository's working tree.
    pub repo: PathBuf,
    /// How tests are run here, as the command line said it.
    pub tests: HostSettings,
    /// `linux`, `wasm`, `container` or `none`.
    pub sandbox: String,
    /// The image, for `container`.
    #[serde(default)]
    pub image: Option<String>,
    /// The folder of the graph file; nothing for a graph that ships.
    #[serde(default)]
    pub graph_dir: Option<PathBuf>,
    /// The command line that runs it again from any folder, in words.
    #[serde(default)]
    pub again: Vec<String>,
}

impl Local {
    /// What the command line says of `repo`.
    ///
    /// # Errors
    /// Exit 2 when the test command cannot be split into words.
    pub(crate) fn new(repo: &Path, args: &TestArgs) -> Result<Self> {
        Ok(Self {
            // A run is resumed from any folder.
            repo: repo.canonicalize().unwrap_or_else(|_| repo.to_owned()),
            tests: host_settings(args)?,
            sandbox: args.sandbox.unwrap_or_default().word().to_owned(),
            image: args.container_image.clone(),
            graph_dir: None,
            again: Vec::new(),
        })
    }

    fn choice(&self) -> SandboxChoice {
        SandboxChoice::of(&self.sandbox)
    }

    /// Fills in what the command line left open about the sandbox: the image that `prunella.yaml` names at `at`; and
    /// where nobody asked for a sandbox and the one of this system cannot be set up, `wasm`, if `doctor --compare`
    /// found that the tests of this very tree come to the same in it.
    ///
    /// # Errors
    /// Exit 2 for settings that cannot be followed, 5 when the repository cannot be read.
    pub(crate) fn settle(&mut self, args: &TestArgs, store: &Path, at: Option<&str>) -> Result<()> {
        let repo = GitRepo::open(&self.repo)?;
        let commit = repo.resolve(at.unwrap_or("HEAD"))?;
        if self.choice() == SandboxChoice::Container && self.image.is_none() {
            self.image = prunella_nodes::world::tests::sandbox_image(&repo, &commit)?;
        }
        if args.sandbox.is_some() || !matches!(prunella_sandbox::probe(), Probe::Unavailable { .. }) {
            return Ok(());
        }
        let wasm = Self { sandbox: SandboxChoice::Wasm.word().to_owned(), ..self.clone() };
        if matches!(WasmSandbox::new(wasm_dir(store)).probe(), Probe::Unavailable { .. }) {
            return Ok(());
        }
        let (_, tester) = tester(&wasm, store)?;
        if tester.compared(&commit, test_command(args)?.as_deref())?.is_some_and(|found| found.same) {
            crate::terminal::say(
                "the linux sandbox cannot be set up here: the tests run in wasm, where they come to the same",
            );
            *self = wasm;
        }
        Ok(())
    }
}

/// The test settings of the command line.
fn host_settings(args: &TestArgs) -> Result<HostSettings> {
    let path = |path: &PathBuf| path.to_string_lossy().into_owned();
    Ok(HostSettings {
        runner: args.runner.clone(),
        network_prepare: args.allow_network_prepare,
        command: test_command(args)?,
        python: args.python.as_ref().map(path),
        pythonpath: args.pythonpath.clone(),
        mounts: args.mount.iter().map(path).collect(),
        ..HostSettings::default()
    })
}

/// `--test-command` as words.
///
/// # Errors
/// Exit 2 when its quotes do not match.
pub(crate) fn test_command(args: &TestArgs) -> Result<Option<Vec<String>>> {
    let Some(text) = &args.test_command else { return Ok(None) };
    match shlex::split(text) {
        Some(words) if !words.is_empty() => Ok(Some(words)),
        _ => Err(Failure::usage(format!("--test-command `{text}` is no command"))
            .help("write it as on a shell, with quotes that match; no shell runs it")),
    }
}

/// Where runs and pull requests are kept.
///
/// # Errors
/// Exit 6 when neither `--store` nor a home says where.
pub(crate) fn store_dir(given: Option<PathBuf>) -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given
        .or_else(|| set("XDG_STATE_HOME").map(|state| state.join("prunella")))
        .or_else(|| set("HOME").map(|home| home.join(".local/state/prunella")))
        .ok_or_else(|| {
            Failure::new(exit::STORE, "there is no place for the store").help("give --store DIR, or set HOME")
        })
}

/// Opens the store.
///
/// # Errors
/// Exit 6 when it cannot be used, 22 when it is of a newer format.
pub(crate) fn store(given: Option<PathBuf>) -> Result<Arc<Store>> {
    Ok(Store::open(&store_dir(given)?)?)
}

/// Where the interpreter of the wasm sandbox is set up.
pub(crate) fn wasm_dir(store: &Path) -> PathBuf {
    store.join("wasm")
}

/// The chosen backend; `image` is for a container.
pub(crate) fn sandbox(choice: SandboxChoice, store: &Path, image: Option<&str>) -> Arc<dyn Sandbox> {
    match choice {
        SandboxChoice::Linux => prunella_sandbox::native().into(),
        SandboxChoice::Wasm => Arc::new(WasmSandbox::new(wasm_dir(store))),
        SandboxChoice::Container => Arc::new(ContainerSandbox::new(image.map(str::to_owned))),
        SandboxChoice::None => Arc::new(prunella_sandbox::NoSandbox),
    }
}

/// Runs the repository's tests.
///
/// # Errors
/// Exit 5 when it is no repository, 6 when the cache cannot be written.
pub(crate) fn tester(local: &Local, store: &Path) -> Result<(Arc<GitRepo>, Arc<Tester>)> {
    let repo = Arc::new(GitRepo::open(&local.repo)?);
    // What was measured without isolation must never stand for what is measured with it.
    let mut cache = store.join("cache").join(local.choice().word());
    if local.choice() == SandboxChoice::Container {
        // A name may stand for another image tomorrow.
        let image = ContainerSandbox::new(local.image.clone()).image().unwrap_or_default();
        cache.push(image.chars().filter(char::is_ascii_alphanumeric).collect::<String>());
    }
    let sandbox = sandbox(local.choice(), store, local.image.as_deref());
    let tester = Tester::new(Arc::clone(&repo), sandbox, &cache, local.tests.clone())?;
    Ok((repo, Arc::new(tester)))
}

/// Reads a stored graph again.
pub(crate) fn loader() -> Loader {
    prunella_engine::run::loader(&kinds())
}

/// The engine over `store`, for the repository that `local` names.
///
/// # Errors
/// Exit 5 when the repository is gone, 4 when a configured model lacks its credential.
pub(crate) fn engine(
    store: &Arc<Store>,
    local: &Local,
    providers: Providers,
    modes: Modes,
) -> Result<(Engine, Stop)> {
    let dir = store.dir().unwrap_or(Path::new(".")).to_owned();
    let (repo, tester) = tester(local, &dir)?;
    let mut secrets = providers.secrets();
    let vars = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let channels = Channels::configure(vars)?;
    secrets.extend(channels.secrets());
    let parts = Parts {
        repo,
        tester,
        providers,
        channels,
        store: Arc::clone(store),
        store_dir: dir,
        graph_dir: local.graph_dir.clone(),
    };
    let world: Arc<dyn World> = Arc::new(LocalWorld::new(parts));
    let mut options = Options::new(&kinds());
    options.redactor = Redactor::new(secrets);
    options.modes = modes;
    let stop = options.stop.clone();
    Ok((Engine::new(Arc::clone(store), kinds(), world, options), stop))
}

/// A runtime for effects.
///
/// # Errors
/// Exit 1 when threads cannot be had.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::new(exit::BUG, format!("the runtime cannot start: {e}")))
}

/// Stops the run on SIGINT and SIGTERM: after the present step first, at once when asked again. Gives the exit
/// code of the signal that came.
pub(crate) fn on_signals(stop: Stop) -> tokio::sync::watch::Receiver<u8> {
    let (sender, receiver) = tokio::sync::watch::channel(0);
    #[cfg(unix)]
    for (kind, code) in [
        (tokio::signal::unix::SignalKind::interrupt(), 130),
        (tokio::signal::unix::SignalKind::terminate(), 143),
    ] {
        let (stop, sender) = (stop.clone(), sender.clone());
        tokio::spawn(async move {
            let Ok(mut signals) = tokio::signal::unix::signal(kind) else { return };
            let mut wish = StopWish::Drain;
            while signals.recv().await.is_some() {
                sender.send_replace(code);
                crate::terminal::say(if wish == StopWish::Drain {
                    "stopping after this step; again to stop now"
                } else {
                    "stopping now"
                });
                stop.wish_for(wish);
                wish = StopWish::Now;
            }
        });
    }
    receiver
}
