//! `prunella run`: a graph against an incident.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prunella_engine::blob::Blobs;
use prunella_engine::event::{Event, Mode, Modes};
use prunella_engine::graph::{Graph, NodeDef};
use prunella_engine::run::{Engine, NewInputs, Stop};
use prunella_engine::store::Store;
use prunella_engine::types::Type;
use prunella_nodes::kinds;
use prunella_nodes::types::Repo;
use prunella_nodes::world::git::GitRepo;
use prunella_nodes::world::intake::read_log;
use prunella_nodes::world::models::{Providers, Roles};
use serde_json::{Map, Value, json};

use super::check::checked;
use crate::args::{RunArgs, SandboxChoice};
use crate::exit;
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::report::conclude;
use crate::session::{self, Local};
use crate::shipped;
use crate::terminal::{out, say};

/// Starts a run and sees it to its end.
pub(super) fn run(args: &RunArgs, store: Option<PathBuf>) -> Result {
    let graph = checked(&args.graph)?;
    let most = args.max_cost.map(cost).transpose()?;
    let fingerprint = args.fingerprint.as_deref().map(fingerprint).transpose()?;
    let store = session::store(store)?;
    let (inputs, repo) = inputs(args, &graph, &store)?;
    let (providers, models) = models(args, &graph)?;
    let mut local = Local::new(&repo.path, &args.tests)?;
    local.settle(&args.tests, store.dir().unwrap_or(Path::new(".")), args.at.as_deref())?;
    let file = Path::new(&args.graph);
    if shipped::is_file(&args.graph) {
        local.graph_dir = file.canonicalize().ok().and_then(|file| Some(file.parent()?.to_owned()));
    }
    local.again = again(args, &local);
    let stream = Stream::of(&args.stream)?;
    let (engine, stop) = session::engine(&store, &local, providers, stream.modes())?;
    let options = json!({"fingerprint": fingerprint, "again": args.again, "dry_run": args.dry_run});
    let settings = json!({
        "models": models,
        "nodes": {"repo": repo.record, "options": options},
        "sandbox": local.sandbox,
        "limits": {"cost_microusd": most},
        "durability": args.durability.word(),
    });
    let new = NewInputs { inputs, settings, local: serde_json::to_value(&local).unwrap_or_default() };
    let id = engine.start(&graph, new)?;
    see_through(&engine, stop, &id, &local, args.json, stream)
}

/// The events that `--stream` asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream(Option<Modes>);

impl Stream {
    /// The events of the modes that these words name.
    pub(super) fn of(words: &[String]) -> Result<Self> {
        if words.is_empty() {
            return Ok(Self(None));
        }
        let modes = Modes::parse(words.iter().map(String::as_str)).map_err(|word| {
            let known: Vec<&str> = Mode::ALL.iter().map(|mode| mode.word()).collect();
            Failure::usage(format!("there is no stream mode `{word}`"))
                .help(format!("one of {}, or debug for all", known.join(", ")))
        })?;
        Ok(Self(Some(modes)))
    }

    /// What the engine must tell: these, and what the terminal shows.
    pub(super) fn modes(self) -> Modes {
        self.0.unwrap_or_default().with(Mode::Tasks)
    }

    /// Prints an event on a line of its own, when it is asked for.
    fn print(self, event: &Event) {
        if self.0.is_some_and(|modes| modes.has(event.mode())) {
            let line = json!({"format": 1, "mode": event.mode(), "told": event});
            out(line);
        }
    }
}

/// Runs `id` to rest, telling what happens, and gives the exit code.
///
/// # Errors
/// Whatever keeps the run from going on at all.
pub(super) fn see_through(
    engine: &Engine,
    stop: Stop,
    id: &str,
    local: &Local,
    as_json: bool,
    stream: Stream,
) -> Result {
    let runtime = session::runtime()?;
    let (result, signal) = runtime.block_on(async {
        let signal = session::on_signals(stop);
        let mut progress = Progress::new();
        let mut tell = |event| {
            stream.print(&event);
            progress.tell(event);
        };
        let result = engine.run(id, &mut tell).await;
        let signal = *signal.borrow();
        (result, signal)
    });
    conclude(engine, id, &result?, local, as_json, signal)
}

/// The repository of a run.
struct RunRepo {
    path: PathBuf,
    record: Repo,
}

/// The graph's inputs from the command line, and the repository.
fn inputs(args: &RunArgs, graph: &Graph, store: &Arc<Store>) -> Result<(Value, RunRepo)> {
    let mut inputs = Map::new();
    let path = args.repo.clone().ok_or_else(|| {
        Failure::usage("--repo is missing").help("name the git repository that the incident is about")
    })?;
    let repo = RunRepo { record: repository(args)?, path };
    for (name, ty) in &graph.inputs {
        match ty.to_string().as_str() {
            "Log" => {
                let file = args.incident.as_ref().ok_or_else(|| {
                    Failure::usage("--incident is missing").help("name the log with the incident")
                })?;
                let log = read_log(file)?;
                if log.skipped > 0 {
                    say(format!("{}: only the last 64 MiB are read", log.name));
                }
                let text =
                    store.put(log.text.as_bytes()).map_err(|e| Failure::new(exit::STORE, e.message))?;
                inputs.insert(name.clone(), json!({"name": log.name, "text": text}));
            }
            "Repo" => {
                inputs.insert(name.clone(), serde_json::to_value(&repo.record).unwrap_or_default());
            }
            _ => {}
        }
    }
    for pair in &args.set {
        let (name, value) = set(pair)?;
        let ty = graph.inputs.get(name).ok_or_else(|| {
            let known: Vec<_> = graph.inputs.keys().map(String::as_str).collect();
            Failure::usage(format!("graph {} has no input `{name}`", graph.name))
                .help(format!("its inputs: {}", known.join(", ")))
        })?;
        ty.check(&value).map_err(|mismatch| Failure::usage(format!("--set {name}: {mismatch}")))?;
        inputs.insert(name.to_owned(), value);
    }
    if let Some(command) = session::test_command(&args.tests)?
        && graph.inputs.contains_key("test_command")
    {
        inputs.entry("test_command").or_insert_with(|| json!(command));
    }
    for (name, ty) in &graph.inputs {
        if matches!(ty, Type::Optional(_)) {
            inputs.entry(name.clone()).or_insert(Value::Null);
        } else if !inputs.contains_key(name) {
            return Err(Failure::usage(format!("input `{name}` ({ty}) is missing"))
                .help(format!("give it with --set {name}=VALUE")));
        }
    }
    Ok((Value::Object(inputs), repo))
}

/// `KEY=VALUE`; a value that is no JSON is text.
fn set(pair: &str) -> Result<(&str, Value)> {
    let (name, text) =
        pair.split_once('=').ok_or_else(|| Failure::usage(format!("--set {pair}: there is no `=`")))?;
    Ok((name, serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))))
}

/// The repository's record: what a trace knows of it.
fn repository(args: &RunArgs) -> Result<Repo> {
    let path = args.repo.as_deref().unwrap_or(std::path::Path::new("."));
    let repo = GitRepo::open(path)?;
    let commit = repo.resolve(args.at.as_deref().unwrap_or("HEAD"))?;
    let dirty = repo.dirty()?;
    if dirty {
        say(format!(
            "{} has changes that are not committed: the run works from HEAD and leaves them alone",
            path.display()
        ));
    }
    Ok(Repo { handle: "repo".to_owned(), commit, subfolder: repo.subfolder.as_str().into(), dirty })
}

/// The configured providers, and each role of the graph resolved: what the run is pinned to.
fn models(args: &RunArgs, graph: &Graph) -> Result<(Providers, Value)> {
    let (providers, roles) =
        Providers::configure(&graph.models, &args.model, |name| std::env::var(name).ok())?;
    asked_of_nobody(graph, &roles)?;
    if roles.values().all(Value::is_null) && !graph.models.is_empty() {
        say("no model is configured: the playbook alone (PRUNELLA_MODEL=openai/NAME@URL adds one)");
    }
    Ok((providers, json!(roles)))
}

/// Refuses to start a run whose nodes would ask a model that is not configured, and have no `on_error`.
fn asked_of_nobody(graph: &Graph, roles: &Roles) -> Result<()> {
    let kinds = kinds();
    let needs = |node: &NodeDef| {
        let kind = kinds.kinds.get(node.kind.as_str());
        kind.is_some_and(|kind| kind.needs.contains(&"model")) && node.on_error.is_none()
    };
    let graphs = std::iter::once(graph).chain(graph.graphs.values().map(AsRef::as_ref));
    for node in graphs.flat_map(|graph| graph.nodes.values()).filter(|node| needs(node)) {
        let role = node.model.as_deref().unwrap_or_default();
        if roles.get(role).is_none_or(Value::is_null) {
            return Err(Failure::new(
                exit::CREDENTIAL,
                format!("node `{}` asks the model role `{role}`, and no model is configured", node.name),
            )
            .help(format!("set PRUNELLA_MODEL=openai/NAME@URL, or give --model {role}=openai/NAME@URL")));
        }
    }
    Ok(())
}

/// `--fingerprint`, in lower case.
fn fingerprint(text: &str) -> Result<String> {
    if text.len() < 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!("--fingerprint {text}: that is no fingerprint"))
            .help("give at least its first 8 digits; `prunella detect` lists the incidents of a log"));
    }
    Ok(text.to_ascii_lowercase())
}

/// The command line that does the same again from any folder. `--again` is left to the person.
fn again(args: &RunArgs, local: &Local) -> Vec<String> {
    let absolute =
        |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
    let graph = Path::new(&args.graph);
    let graph = if graph.is_file() { absolute(graph) } else { args.graph.clone() };
    let mut words = vec!["prunella".to_owned(), "run".to_owned(), graph];
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), value]);
        }
    };
    option("--incident", args.incident.as_deref().map(absolute));
    option("--repo", Some(local.repo.display().to_string()));
    option("--at", args.at.clone());
    option("--fingerprint", args.fingerprint.clone());
    option("--max-cost", args.max_cost.map(|usd| usd.to_string()));
    for (name, values) in
        [("--set", &args.set), ("--model", &args.model), ("--pythonpath", &args.tests.pythonpath)]
    {
        for value in values {
            option(name, Some(value.clone()));
        }
    }
    for mount in &args.tests.mount {
        option("--mount", Some(mount.display().to_string()));
    }
    option("--test-command", args.tests.test_command.clone());
    option("--python", args.tests.python.as_ref().map(|python| python.display().to_string()));
    option("--container-image", args.tests.container_image.clone());
    option("--sandbox", (local.sandbox != SandboxChoice::Linux.word()).then(|| local.sandbox.clone()));
    words
}

/// `--max-cost` in millionths of a US dollar.
fn cost(usd: f64) -> Result<u64> {
    if !usd.is_finite() || usd < 0.0 {
        return Err(Failure::usage(format!("--max-cost {usd} is no amount")));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite and not negative; more than u64 saturates"
    )]
    Ok((usd * 1_000_000.0) as u64)
}
