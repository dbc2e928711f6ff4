//! Calls of graphs: opening them, what they give, and failures that come up through them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::eval::{self, Vars};
use super::scope::{Doing, Mapping, Place, Scope};
use super::{
    Act, Command, Edge, Finish, Opened, Phase, Scheduler, Superstep, Used, Work, Writes, below, inputs,
};
use crate::graph::{Does, Failed, Map, NodeDef, Outcome};
use crate::journal::To;
use crate::{Failure, Fault, Lane, Name};

/// Who takes a failure.
enum Catch {
    /// This task, whose node has an error target.
    Task(Lane),
    /// The map that called for the item in this scope, and goes on without it.
    Item(Name),
}

impl Scheduler {
    /// Calls `graph` once.
    pub(super) fn call(
        &mut self,
        lane: Lane,
        graph: &str,
        def: &NodeDef,
        work: &mut Work,
    ) -> Result<(), Fault> {
        let scope = self.scope(&lane.scope)?;
        let attempt = self.attempt(scope, scope.plan.at(&lane.node)?);
        let input = eval::input(def, &Vars::of(scope, attempt)).map_err(|fault| fault.at(&lane))?;
        self.opened(&lane, 1, attempt, work)?;
        self.scope_mut(&lane.scope)?.doing = Doing::Call(lane.clone());
        self.open(&lane, graph, None, input, work)
    }

    /// Calls a graph for every item of a list, a few at a time.
    pub(super) fn map(&mut self, lane: Lane, map: &Map, def: &NodeDef, work: &mut Work) -> Result<(), Fault> {
        let scope = self.scope(&lane.scope)?;
        let attempt = self.attempt(scope, scope.plan.at(&lane.node)?);
        let place = |fault: Fault| fault.at(format!("{lane}: over"));
        let over = eval::value(&map.over, &Vars::of(scope, attempt)).map_err(place)?;
        let Value::Array(items) = over else {
            return Err(place(Fault::new("map.over", 3, format!("`{}` is no list", map.over.source))));
        };
        self.opened(&lane, items.len(), attempt, work)?;
        self.scope_mut(&lane.scope)?.doing = Doing::Map(Mapping {
            lane: lane.clone(),
            items: Arc::new(items),
            next: 0,
            open: BTreeSet::new(),
            results: BTreeMap::new(),
            failed: 0,
            broken: BTreeMap::new(),
        });
        self.more_items(&lane, map, def, work)
    }

    fn opened(
        &self,
        lane: &Lane,
        calls: usize,
        (attempt, max_attempts): (u32, u32),
        work: &mut Work,
    ) -> Result<(), Fault> {
        let graph = self.scope(&lane.scope)?.plan.name.clone();
        work.out.push(Command::Opened(Opened { lane: lane.clone(), graph, calls, attempt, max_attempts }));
        Ok(())
    }

    /// Opens the scope of a call and enters its graph.
    fn open(
        &mut self,
        lane: &Lane,
        graph: &str,
        item: Option<usize>,
        input: Value,
        work: &mut Work,
    ) -> Result<(), Fault> {
        let plan = self.plans.get(graph).cloned();
        let plan = plan.ok_or_else(|| Fault::bug(format!("{lane} calls `{graph}`, which is no graph")))?;
        let inputs = inputs::checked(&plan.graph.inputs, input)
            .map_err(|fault| Fault { exit: 3, ..fault.at(lane) })?;
        let path = below(lane, item);
        let place = Place::Call { caller: lane.clone(), item };
        let scope = Scope::new(plan, lane.scope.clone(), place, Arc::new(inputs));
        self.scopes.insert(path.clone(), scope);
        self.start(path, work)
    }

    /// Opens the next items, as many as may be under way at once; completes the map when none is left.
    fn more_items(&mut self, lane: &Lane, map: &Map, def: &NodeDef, work: &mut Work) -> Result<(), Fault> {
        let scope = self.scope(&lane.scope)?;
        let attempt = self.attempt(scope, scope.plan.at(&lane.node)?);
        loop {
            let scope = self.scope_mut(&lane.scope)?;
            let Doing::Map(mapping) = &mut scope.doing else {
                return Err(Fault::bug(format!("{lane} is no map under way")));
            };
            let at = mapping.next;
            let items = Arc::clone(&mapping.items);
            let full = mapping.open.len() >= usize::try_from(map.parallel.max(1)).unwrap_or(usize::MAX);
            let Some(item) = items.get(at).filter(|_| !full) else {
                if mapping.open.is_empty() && at >= items.len() {
                    let values: Vec<Value> = std::mem::take(&mut mapping.results).into_values().collect();
                    let output = Arc::new(json!({"values": values, "failed": mapping.failed}));
                    scope.doing = Doing::Task(lane.clone());
                    return self.gave(lane.clone(), output, Used::default(), work);
                }
                return Ok(());
            };
            mapping.next += 1;
            mapping.open.insert(at);
            let index = Value::from(at);
            let vars = Vars::of(scope, attempt).with("item", item).with("index", &index);
            let input = eval::input(def, &vars).map_err(|fault| fault.at(format!("{lane}[{at}]")))?;
            self.open(lane, &map.graph, Some(at), input, work)?;
        }
    }

    /// The graph of the scope at `path` came to an end: of the run, or of a call, whose caller goes on.
    pub(super) fn returned(
        &mut self,
        path: &Name,
        end: &str,
        limit: Option<&'static str>,
        work: &mut Work,
    ) -> Result<(), Fault> {
        let Some(scope) = self.scopes.get(path) else { return Ok(()) };
        let def = scope.plan.graph.ends.get(end);
        let def = def.ok_or_else(|| Fault::bug(format!("`{end}` is no end of the graph")))?;
        let vars = Vars::of(scope, (1, 1));
        let output = match (&def.output, limit) {
            (None, _) => Value::Null,
            (Some(source), None) => {
                eval::source(source, &vars).map_err(|fault| fault.at(format!("end `{end}`")))?
            }
            // A limit may strike before the keys that the output reads are written.
            (Some(source), Some(_)) => eval::source(source, &vars).unwrap_or(Value::Null),
        };
        let (outcome, typed) = (def.outcome, scope.plan.graph.returns.is_some());
        match scope.place.clone() {
            Place::Run => {
                self.phase = Phase::Over;
                let running: Vec<Lane> =
                    self.scopes.iter().filter_map(|(_, scope)| under_way(scope)).collect();
                work.out.extend(running.into_iter().map(Command::Drop));
                let (end, outcome, limit) = (Some(end.to_owned()), Some(outcome), limit.map(str::to_owned));
                work.out.push(Command::Finish(Finish { end, outcome, limit, output, at_ms: work.at_ms }));
                Ok(())
            }
            Place::Branch { .. } => Err(Fault::bug(format!("branch `{path}` came to the end `{end}`"))),
            Place::Call { caller, item } => {
                self.remove_call(path, &caller, work)?;
                match item {
                    None => {
                        let mut value = json!({"end": end, "outcome": outcome.word()});
                        if typed {
                            value["value"] = output;
                        }
                        self.scope_mut(&caller.scope)?.doing = Doing::Task(caller.clone());
                        self.gave(caller, Arc::new(value), Used::default(), work)
                    }
                    Some(item) => {
                        let well = matches!(outcome, Outcome::Success | Outcome::Nothing);
                        let why = format!("item {item} came to the end `{end}`");
                        let result = if well { Ok(output) } else { Err(Failure::new("map.item", why)) };
                        self.item_done(&caller, item, result, work)
                    }
                }
            }
        }
    }

    /// Removes the scope of a call; its steps count as its caller's.
    fn remove_call(&mut self, path: &str, caller: &Lane, work: &mut Work) -> Result<(), Fault> {
        let steps = self.scope(path)?.steps;
        self.remove(path, work);
        self.scope_mut(&caller.scope)?.steps += steps;
        Ok(())
    }

    /// An item came to its result; a failed one is treated as its map says.
    fn item_done(
        &mut self,
        caller: &Lane,
        item: usize,
        result: Result<Value, Failure>,
        work: &mut Work,
    ) -> Result<(), Fault> {
        let plan = Arc::clone(&self.scope(&caller.scope)?.plan);
        let Some((def, Does::Map(map))) =
            plan.graph.nodes.get(caller.node.as_str()).map(|def| (def, &def.does))
        else {
            return Err(Fault::bug(format!("{caller} is no map")));
        };
        let Doing::Map(mapping) = &mut self.scope_mut(&caller.scope)?.doing else {
            return Err(Fault::bug(format!("{caller} is no map under way")));
        };
        mapping.open.remove(&item);
        match (result, map.failed) {
            (Ok(value), _) => drop(mapping.results.insert(item, value)),
            (Err(_), Failed::Keep) => {
                mapping.failed += 1;
                mapping.results.insert(item, Value::Null);
            }
            (Err(_), Failed::Skip) => mapping.failed += 1,
            (Err(failure), Failed::Fail) => drop(mapping.broken.insert(item, failure)),
        }
        if mapping.broken.is_empty() {
            self.more_items(caller, map, def, work)
        } else {
            self.broken(caller, work)
        }
    }

    /// A failed item fails its map: what comes after it is dropped; what comes before may still fail itself.
    fn broken(&mut self, caller: &Lane, work: &mut Work) -> Result<(), Fault> {
        let Doing::Map(mapping) = &mut self.scope_mut(&caller.scope)?.doing else { return Ok(()) };
        let Some((first, failure)) = mapping.broken.first_key_value().map(|(i, why)| (*i, why.clone()))
        else {
            return Ok(());
        };
        let later = mapping.open.split_off(&first);
        let done = mapping.open.is_empty();
        for item in later {
            self.remove(&below(caller, Some(item)), work);
        }
        if done { self.raise(caller, failure, work) } else { Ok(()) }
    }

    /// Whether a failure of the task has somewhere to go; if not, the run stops there and can be resumed.
    #[must_use]
    pub fn catches(&self, lane: &Lane) -> bool {
        self.catcher(lane).is_some()
    }

    /// Who takes a failure of `lane`: the nearest error target, of its own node or of a caller, or a map that goes
    /// on without the item.
    fn catcher(&self, lane: &Lane) -> Option<Catch> {
        let mut at = lane.clone();
        // The innermost item of a map that fails with it, and so has its say first.
        let mut through: Option<Name> = None;
        loop {
            let scope = self.scopes.get(&at.scope)?;
            if scope.plan.graph.nodes.get(at.node.as_str())?.on_error.is_some() {
                return Some(through.map_or(Catch::Task(at), Catch::Item));
            }
            let mut path = &at.scope;
            // A fork is no caller: a branch fails into what holds its fork.
            while let Some(Scope { place: Place::Branch { .. }, parent, .. }) = self.scopes.get(path) {
                path = parent;
            }
            let Place::Call { caller, item } = &self.scopes.get(path)?.place else { return None };
            if item.is_some() {
                let holder = self.scopes.get(&caller.scope)?;
                if let Does::Map(map) = &holder.plan.graph.nodes.get(caller.node.as_str())?.does {
                    let own = through.get_or_insert_with(|| path.clone());
                    if map.failed != Failed::Fail {
                        return Some(Catch::Item(own.clone()));
                    }
                }
            }
            at = caller.clone();
        }
    }

    /// A task failed for good: who takes it goes on.
    pub(super) fn failed(
        &mut self,
        lane: &Lane,
        error: Failure,
        used: Used,
        work: &mut Work,
    ) -> Result<(), Fault> {
        self.running(lane)?;
        match self.catcher(lane) {
            None => Err(Fault::bug(format!("{lane} failed and nobody takes it"))),
            Some(Catch::Task(own)) if own == *lane => {
                work.todo.push_back(Act::Complete { lane: own, result: Err(error), used });
                Ok(())
            }
            Some(_) => {
                self.count(&lane.scope, used);
                let scope = self.scope_mut(&lane.scope)?;
                scope.doing = Doing::Nothing;
                let number = scope.superstep;
                let to = To::Raised(self.raised_to(lane));
                work.out.push(Command::Commit(Superstep {
                    lane: lane.clone(),
                    number,
                    output: Arc::new(Value::Null),
                    error: Some(error.clone()),
                    writes: Writes::default(),
                    edge: Edge::ERROR,
                    to,
                    attempt: 1,
                    used,
                    at_ms: work.at_ms,
                }));
                self.raise(lane, error, work)
            }
        }
    }

    /// The name of who takes a failure of `lane`.
    fn raised_to(&self, lane: &Lane) -> Name {
        match self.catcher(lane) {
            Some(Catch::Task(lane)) => lane.to_string().into(),
            Some(Catch::Item(path)) => path,
            None => Name::default(),
        }
    }

    /// Hands a failure to who takes it; everything below that is dropped.
    fn raise(&mut self, lane: &Lane, failure: Failure, work: &mut Work) -> Result<(), Fault> {
        match self.catcher(lane) {
            None => Err(Fault::bug(format!("{lane} failed ({}) and nobody takes it", failure.message))),
            Some(Catch::Item(path)) => {
                let Place::Call { caller, item: Some(item) } = self.scope(&path)?.place.clone() else {
                    return Err(Fault::bug(format!("`{path}` is no item")));
                };
                self.remove(&path, work);
                self.item_done(&caller, item, Err(failure), work)
            }
            Some(Catch::Task(lane)) => {
                let open: Vec<Name> = match &self.scope(&lane.scope)?.doing {
                    Doing::Call(_) => vec![below(&lane, None)],
                    Doing::Map(mapping) => mapping.open.iter().map(|i| below(&lane, Some(*i))).collect(),
                    _ => Vec::new(),
                };
                open.iter().for_each(|path| self.remove(path, work));
                self.scope_mut(&lane.scope)?.doing = Doing::Task(lane.clone());
                let used = Used::default();
                work.todo.push_back(Act::Complete { lane, result: Err(failure), used });
                Ok(())
            }
        }
    }
}

/// The task or question that is under way in a scope.
fn under_way(scope: &Scope) -> Option<Lane> {
    match &scope.doing {
        Doing::Task(lane) => Some(lane.clone()),
        Doing::Ask(asked) => Some(asked.lane.clone()),
        _ => None,
    }
}
