//! Runs: starting one, going on with one, and what came of it.

mod answer;
mod diff;
mod fork;
mod history;
mod id;
pub(crate) mod pin;
mod result;
mod stop;
mod update;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

pub use answer::OpenInterrupt;
pub use diff::{RunDiff, TaskDiff, diff};
pub use fork::Change;
pub(crate) use fork::Inheritance;
pub use history::{Checkpoint, KeyChange, StateAt};
pub use result::RunResult;
pub use stop::{Stop, StopWish};
pub(crate) use view::steps;
pub use view::{EffectView, RunView, StepView};

use crate::blob::{Blobs, MemoryBlobs};
use crate::clock::{Clock, SystemClock};
use crate::driver::{Driver, Facts, From, Halt, Log, Rest, Tools};
use crate::event::{Event, Modes};
use crate::graph::{self, Graph, Stored};
use crate::journal::{self, Folded, GraphPin, Header, Past, Payload, Record, Resume};
use crate::redact::Redactor;
use crate::scheduler::Scheduler;
use crate::store::{Durability, NewRun, Owner, RunStatus, Store};
use crate::{Fault, Kinds, World, format};

/// Makes a checked graph from the texts that a run was started with.
pub type Loader = Arc<dyn Fn(&Stored) -> Result<Graph, Fault> + Send + Sync>;

/// What an engine is set up with beside its store, kinds and world.
#[derive(Clone)]
pub struct Options {
    /// The program and version, for the journal: `prunella 0.1.0`.
    pub tool: String,
    /// Takes known secrets out of everything that is recorded.
    pub redactor: Redactor,
    /// How a stored graph is read again.
    pub load: Loader,
    /// Stops runs from outside.
    pub stop: Stop,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// What runs tell while they go on.
    pub modes: Modes,
    /// How long a process stays with a run that waits for nothing but a time to come, in milliseconds. Beyond it the
    /// run parks, to be gone on with later.
    pub patience_ms: u64,
}

impl Options {
    /// The defaults: graphs are files that check against `kinds`, no secrets are known, the machine's clock.
    #[must_use]
    pub fn new(kinds: &Kinds) -> Self {
        Self {
            tool: concat!("prunella ", env!("CARGO_PKG_VERSION")).to_owned(),
            redactor: Redactor::default(),
            load: loader(kinds),
            stop: Stop::default(),
            clock: Arc::new(SystemClock::default()),
            modes: Modes::default(),
            patience_ms: 5 * 60_000,
        }
    }
}

/// Reads graph files that check against `kinds`.
#[must_use]
pub fn loader(kinds: &Kinds) -> Loader {
    let kinds = kinds.clone();
    Arc::new(move |stored| match graph::load_beside("graph", &stored.source, &kinds, &stored.files) {
        Ok((graph, _)) => Ok(graph),
        Err(found) => {
            let first = found.iter().find(|one| one.severity == graph::Severity::Error);
            let first = first.map(|one| format!("{}:{}:{}: {}", one.file, one.line, one.col, one.message));
            Err(Fault::new("graph.invalid", 3, first.unwrap_or_else(|| "it does not check".to_owned())))
        }
    })
}

/// Starts runs and goes on with them. One engine serves any number of runs, one at a time or not.
pub struct Engine {
    tools: Tools,
    options: Options,
    /// The graphs that were read last, the newest first: many runs are of one graph.
    graphs: Mutex<Vec<(GraphPin, Arc<Graph>)>>,
}

/// How many graphs an engine keeps at hand.
const GRAPHS: usize = 8;

/// What a run is started on.
pub struct NewInputs {
    /// The graph's inputs by name.
    pub inputs: Value,
    /// The resolved settings. The engine reads `models` (by role) and `limits.cost_microusd`, which lowers the
    /// graph's own limit; the rest is kept for who asks.
    pub settings: Value,
    /// Facts of this machine only, such as the repository's absolute path. Never part of a trace.
    pub local: Value,
}

impl Engine {
    /// An engine over `store` that knows these kinds and performs effects on `world`.
    #[must_use]
    pub fn new(store: Arc<Store>, kinds: Kinds, world: Arc<dyn World>, options: Options) -> Self {
        let tools = Tools {
            store,
            kinds,
            world,
            clock: Arc::clone(&options.clock),
            redactor: options.redactor.clone(),
            stop: options.stop.clone(),
            modes: options.modes,
            patience_ms: options.patience_ms,
        };
        Self { tools, options, graphs: Mutex::default() }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.tools.store
    }

    /// Creates a run of `graph` and returns its id. Nothing runs before [`Engine::run`].
    ///
    /// # Errors
    /// Exit 2 when the inputs do not fit the graph, 3 when a kind is unknown, 6 when the store cannot be written.
    pub fn start(&self, graph: &Graph, new: NewInputs) -> Result<String, Fault> {
        let store = &self.tools.store;
        let redactor = &self.options.redactor;
        let inputs = redactor.value(new.inputs);
        // Checked now, so that a run that cannot begin is never created.
        Scheduler::new(Arc::new(graph.clone()), inputs.clone())?;
        let header = Header {
            graph: self.pinned(graph)?,
            kinds: pin::kinds(graph, &self.tools.kinds)?,
            settings: Payload::pack(&redactor.value(new.settings), store.as_ref())?,
            ..self.header(Payload::pack(&inputs, store.as_ref())?)
        };
        self.create(header, &new.local)
    }

    /// A header of a run that is made now, of no graph yet.
    fn header(&self, inputs: Payload) -> Header {
        let graph = GraphPin {
            name: String::new(),
            hash: String::new(),
            source: crate::blob::BlobRef::default(),
            form: None,
            files: BTreeMap::new(),
        };
        Header {
            format: format::JOURNAL,
            tool: self.options.tool.clone(),
            run: String::new(),
            created_ms: self.tools.clock.now_ms(),
            seed: self.tools.clock.random(),
            graph,
            kinds: BTreeMap::new(),
            inputs,
            settings: Payload::Inline(Value::Null),
            fork: None,
        }
    }

    /// Creates the run that `header` tells of, under an id of its own.
    fn create(&self, mut header: Header, local: &Value) -> Result<String, Fault> {
        // Two runs of one millisecond may draw the same id; the table decides, and another is drawn.
        let mut tries_left = 8;
        loop {
            header.run = id::make(header.created_ms, self.tools.clock.random());
            let run =
                NewRun { id: &header.run, created_ms: header.created_ms, graph: &header.graph.name, local };
            match self.tools.store.create(&run, &Record::Header(header.clone())) {
                Err(fault) if fault.code == "run.exists" && tries_left > 0 => tries_left -= 1,
                other => return other.map(|()| header.run),
            }
        }
    }

    /// Goes on with a run, from its beginning or from wherever its journal ends, and tells `sink` what happens.
    /// A run that is over just gives its result again. Must be called inside a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// Exit 2 for an unknown run, 7 when it is owned elsewhere or pinned to another graph or kind version, 6 when
    /// the store cannot be used, 20 or 21 when its journal does not fold. A run that stops on the way is no error
    /// here: its [`RunResult`] says why.
    pub async fn run(&self, run: &str, sink: &mut dyn FnMut(Event)) -> Result<RunResult, Fault> {
        let (mut owner, sealed) = self.tools.store.own(run)?;
        let past = Past::of(sealed)?;
        let facts = self.facts(&past.header)?;
        let folded = journal::fold(&facts.graph, &past, self.tools.store.as_ref(), &mut |_, _| Ok(None))?;
        let resumed = !past.records.is_empty();
        if let Some(finish) = &folded.finish
            && folded.owed.is_empty()
        {
            let result = RunResult::of_finish(finish);
            // An answer may have been the last thing that the run needed.
            if !self.tools.store.row(run)?.status.is_over() {
                let now_ms = self.tools.clock.now_ms();
                owner.append(&[], Some((result.status, &result.to_json())), Durability::Disk, now_ms)?;
            }
            return Ok(result);
        }
        let inheritance = match &past.header.fork {
            Some(origin) => Some(Inheritance::of(&self.tools.store, origin)?),
            None => None,
        };
        self.take_up(&mut owner, &folded, resumed)?;
        let graph = facts.graph.name.clone();
        sink(Event::RunStarted { run: run.to_owned(), graph, resumed });
        let recorded = past.records.iter().map(|sealed| &sealed.record).chain(&folded.owed);
        let steps = recorded.filter(|record| record.is_step()).count() as u64;
        let log = Log::Store(Box::new(owner), steps);
        let (log, rest) = match folded.finish {
            Some(finish) => (log, Rest::Over(finish)),
            None => {
                let blobs: Arc<dyn Blobs> = self.tools.store.clone();
                let driver = Driver::new(&self.tools, &facts, blobs, log, folded.scheduler, Some(sink))
                    .inheriting(inheritance.as_ref());
                let (log, _, rest) = driver.drive(From::Journal(folded.pending, folded.asks)).await;
                (log, rest)
            }
        };
        self.conclude(log, rest, sink)
    }

    /// Runs `graph` once without a journal: nothing is stored, so nothing can be resumed, looked at or replayed. Gives
    /// the result and the state it came to; without a `sink` nothing is told on the way. Must be called inside a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// As [`Engine::start`]. A run that stops on the way is no error here: its [`RunResult`] says why.
    pub async fn run_unrecorded(
        &self,
        graph: &Graph,
        new: NewInputs,
        mut sink: Option<&mut dyn FnMut(Event)>,
    ) -> Result<(RunResult, BTreeMap<String, Value>), Fault> {
        pin::kinds(graph, &self.tools.kinds)?;
        let redactor = &self.options.redactor;
        let graph = Arc::new(graph.clone());
        let mut scheduler = Scheduler::new(Arc::clone(&graph), redactor.value(new.inputs))?;
        let created_ms = self.tools.clock.now_ms();
        let commands = scheduler.step(crate::scheduler::Event::Start { at_ms: created_ms })?;
        let settings = redactor.value(new.settings);
        let run = id::make(created_ms, self.tools.clock.random());
        let facts = Facts::new(&run, created_ms, graph, settings)?;
        let told = sink.is_some();
        let mut tell = |event| {
            if let Some(sink) = &mut sink {
                sink(event);
            }
        };
        tell(Event::RunStarted { run: run.clone(), graph: facts.graph.name.clone(), resumed: false });
        let blobs: Arc<dyn Blobs> = Arc::new(MemoryBlobs::default());
        let sink: Option<&mut dyn FnMut(Event)> = if told { Some(&mut tell) } else { None };
        let driver = Driver::new(&self.tools, &facts, blobs, Log::Off(run), scheduler, sink);
        let (log, scheduler, rest) = driver.drive(From::Start(commands)).await;
        let result = self.conclude(log, rest, &mut tell)?;
        Ok((result, scheduler.state()))
    }

    /// [`cancel`] for a run of this engine's store.
    ///
    /// # Errors
    /// As [`cancel`].
    pub fn cancel(&self, run: &str) -> Result<(), Fault> {
        cancel(&self.tools.store, self.tools.clock.as_ref(), run)
    }

    /// The graph and settings that the run is pinned to, refused where this program differs.
    fn facts(&self, header: &Header) -> Result<Facts, Fault> {
        pin::same_versions(header, &self.tools.kinds)?;
        pin::facts_of(header, self.graph(header)?, self.tools.store.as_ref())
    }

    /// The graph of the run with this header: one that was read lately, or read now.
    fn graph(&self, header: &Header) -> Result<Arc<Graph>, Fault> {
        let lately = || self.graphs.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(pin, _): &&(GraphPin, Arc<Graph>)| *pin == header.graph;
        if let Some((_, graph)) = lately().iter().find(same) {
            return Ok(Arc::clone(graph));
        }
        let graph = Arc::new(pin::graph(header, &self.options.load, self.tools.store.as_ref())?);
        let mut lately = lately();
        lately.truncate(GRAPHS - 1);
        lately.insert(0, (header.graph.clone(), Arc::clone(&graph)));
        Ok(graph)
    }

    /// Records that the run is at work, with what its last session still owes. All of it follows from what is on disk, so
    /// it gets there with the next record that must.
    fn take_up(&self, owner: &mut Owner, folded: &Folded, resumed: bool) -> Result<(), Fault> {
        let at_ms = self.tools.clock.now_ms();
        let mut records = folded.owed.clone();
        let over = folded.finish.as_ref().map(|finish| RunResult::of_finish(finish).to_json());
        if resumed && over.is_none() {
            records.push(Record::Resume(Resume { tool: self.options.tool.clone(), at_ms }));
        }
        let status = match &over {
            Some(result) => (RunStatus::Ended, result),
            None => (RunStatus::Running, &Value::Null),
        };
        let durability = if over.is_some() { Durability::Disk } else { Durability::Process };
        owner.append(&records, Some(status), durability, at_ms)
    }

    /// Writes down how a session came to rest.
    fn conclude(&self, mut log: Log, rest: Rest, sink: &mut dyn FnMut(Event)) -> Result<RunResult, Fault> {
        let halt = match rest {
            Rest::Over(finish) => {
                let result = RunResult::of_finish(&finish);
                sink(Event::Ended { end: finish.end, outcome: finish.outcome, limit: finish.limit });
                return Ok(result);
            }
            Rest::Halted(halt) => halt,
        };
        let result = match halt {
            Halt::Failed(fault) => RunResult::stopped(RunStatus::Stopped, fault),
            Halt::Waiting(fault) => RunResult::stopped(RunStatus::Waiting, fault),
            Halt::Asked => RunResult::stopped(
                RunStatus::Stopped,
                Fault::new("run.stopped", 130, "stopped on request")
                    .help("`prunella runs resume` goes on with it"),
            ),
        };
        let why = result.error.as_ref().map(|fault| fault.message.clone()).unwrap_or_default();
        sink(Event::Stopped { why });
        // A question is on disk already, and the journal says so whatever the row does.
        let durability =
            if result.status == RunStatus::Waiting { Durability::Process } else { Durability::Disk };
        // Where the store itself failed, the row cannot be written either; the result still says what happened.
        let status = Some((result.status, &result.to_json()));
        let written = log.append(&[], status, durability, self.tools.clock.now_ms());
        match written {
            Err(fault) if result.exit != fault.exit => Err(fault),
            _ => Ok(result),
        }
    }
}

/// Versions of kinds by name.
pub(crate) type KindVersions = BTreeMap<String, u32>;

/// Marks a run as cancelled: at once when nobody is at work on it, else as soon as its owner looks.
///
/// # Errors
/// Exit 2 for an unknown run, 6 when the store cannot be written, 7 when the run is over already.
pub fn cancel(store: &Arc<Store>, clock: &dyn Clock, run: &str) -> Result<(), Fault> {
    let row = store.row(run)?;
    if row.status.is_over() {
        return Err(Fault::new("run.over", 7, format!("run {run} is over already ({})", row.status.word())));
    }
    store.want_cancel(run)?;
    let (mut owner, sealed) = match store.own(run) {
        Err(fault) if fault.code == "run.owned" => return Ok(()),
        other => other?,
    };
    let past = Past::of(sealed)?;
    if past.is_over() {
        return Ok(());
    }
    let at_ms = clock.now_ms();
    let finish =
        crate::scheduler::Finish { end: None, outcome: None, limit: None, output: Value::Null, at_ms };
    let record = journal::end_record(&finish, store.as_ref())?;
    let result = RunResult::of_finish(&finish).to_json();
    owner.append(&[record], Some((RunStatus::Cancelled, &result)), Durability::Disk, at_ms)
}
