//! One scope's way through its graph: entering nodes, completing tasks, branches and their joins, questions.

use std::sync::Arc;

use serde_json::Value;

use super::eval::{self, Vars};
use super::route::Way;
use super::scope::{Asked, Doing, Entry, Forked, Place};
use super::{Act, Ask, Command, Edge, Scheduler, Superstep, Task, Update, Used, Work, Writes, below};
use crate::graph::{At, Does, Fork};
use crate::journal::To;
use crate::{Failure, Fault, Lane, Name};

impl Scheduler {
    /// Enters `node`, or arrives there when it is where the branch ends.
    pub(super) fn go(
        &mut self,
        path: &Name,
        node: usize,
        entry: Entry,
        work: &mut Work,
    ) -> Result<(), Fault> {
        // A scope that was dropped in the same step goes nowhere.
        let Some(scope) = self.scopes.get_mut(path) else { return Ok(()) };
        let plan = Arc::clone(&scope.plan);
        let (name, def) = plan.node(node)?;
        if matches!(&scope.place, Place::Branch { join } if join == name) {
            return self.arrive(path, work);
        }
        let lane = scope.enter(path, node, name, entry);
        if def.interrupt.as_ref().is_some_and(|interrupt| interrupt.at == At::Before)
            && self.asks(&lane, None, Used::default(), work)?
        {
            return Ok(());
        }
        self.begin(lane, work)
    }

    /// Runs the task, or calls the graph that it calls.
    pub(super) fn begin(&mut self, lane: Lane, work: &mut Work) -> Result<(), Fault> {
        let scope = self.scope(&lane.scope)?;
        let plan = Arc::clone(&scope.plan);
        let at = plan.at(&lane.node)?;
        let (_, def) = plan.node(at)?;
        match &def.does {
            Does::Run => {
                let (attempt, max_attempts) = self.attempt(scope, at);
                let scope = self.scope_mut(&lane.scope)?;
                let vars = Vars::of(scope, (attempt, max_attempts));
                let input = eval::input(def, &vars).map_err(|fault| fault.at(&lane))?;
                let conditions = eval::conditions(def, &vars).map_err(|fault| fault.at(&lane))?;
                let previous = scope.seen.get(&at).and_then(|seen| seen.output.clone());
                scope.doing = Doing::Task(lane.clone());
                let graph = plan.name.clone();
                work.out.push(Command::RunTask(Task {
                    lane,
                    graph,
                    input,
                    conditions,
                    attempt,
                    max_attempts,
                    previous,
                }));
                Ok(())
            }
            Does::Call(graph) => self.call(lane, graph, def, work),
            Does::Map(map) => self.map(lane, map, def, work),
        }
    }

    /// Asks what the node's interrupt asks, unless its condition does not hold. Whether it asks.
    fn asks(
        &mut self,
        lane: &Lane,
        output: Option<Arc<Value>>,
        used: Used,
        work: &mut Work,
    ) -> Result<bool, Fault> {
        let scope = self.scope(&lane.scope)?;
        let plan = Arc::clone(&scope.plan);
        let at = plan.at(&lane.node)?;
        let Some(interrupt) = &plan.node(at)?.1.interrupt else { return Ok(false) };
        let attempt = self.attempt(scope, at);
        let scope = self.scope_mut(&lane.scope)?;
        let mut vars = Vars::of(scope, attempt);
        if let Some(output) = &output {
            vars = vars.with("output", output);
        }
        let place = |fault: Fault| fault.at(format!("{lane}: interrupt"));
        if let Some(when) = &interrupt.when
            && !eval::condition(when, &vars).map_err(place)?
        {
            return Ok(false);
        }
        let question = match eval::source(&interrupt.ask, &vars).map_err(place)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let at = interrupt.at;
        let asked =
            Asked { lane: lane.clone(), at, question: question.clone(), output: output.clone(), used };
        scope.doing = Doing::Ask(asked);
        let graph = plan.name.clone();
        work.out.push(Command::Ask(Ask { lane: lane.clone(), graph, at, question, output, used }));
        Ok(true)
    }

    /// A task returned.
    pub(super) fn done(
        &mut self,
        lane: Lane,
        output: Arc<Value>,
        used: Used,
        work: &mut Work,
    ) -> Result<(), Fault> {
        self.running(&lane)?;
        self.gave(lane, output, used, work)
    }

    /// A task has its output, of its own body or of what it called: a person is asked about it, or it is complete.
    pub(super) fn gave(
        &mut self,
        lane: Lane,
        output: Arc<Value>,
        used: Used,
        work: &mut Work,
    ) -> Result<(), Fault> {
        let after = self.node(&lane)?.1.interrupt.as_ref().is_some_and(|asks| asks.at == At::After);
        if after && self.asks(&lane, Some(Arc::clone(&output)), used, work)? {
            return Ok(());
        }
        work.todo.push_back(Act::Complete { lane, result: Ok(output), used });
        Ok(())
    }

    /// A question was answered.
    pub(super) fn answered(&mut self, lane: &Lane, value: Value, work: &mut Work) -> Result<(), Fault> {
        let scope = self.scope_mut(&lane.scope)?;
        let Doing::Ask(asked) = &scope.doing else {
            return Err(Fault::bug(format!("{lane} was answered and asked nothing")));
        };
        if asked.lane != *lane {
            return Err(Fault::bug(format!("{lane} was answered, {} asks", asked.lane)));
        }
        let Asked { lane, at, output, used, .. } = asked.clone();
        if let Some(interrupt) = &scope.plan.named(&lane.node)?.interrupt {
            interrupt.answer.check(&value).map_err(|mismatch| {
                Fault::new("interrupt.answer", 2, format!("{lane}: the answer: {mismatch}"))
            })?;
        }
        scope.answer = Some(value);
        scope.doing = Doing::Task(lane.clone());
        match (at, output) {
            (At::After, Some(output)) => {
                work.todo.push_back(Act::Complete { lane, result: Ok(output), used });
                Ok(())
            }
            _ => self.begin(lane, work),
        }
    }

    /// Refuses a task that is not the one under way in its scope.
    pub(super) fn running(&self, lane: &Lane) -> Result<(), Fault> {
        let scope = self.scopes.get(&lane.scope);
        if scope.is_some_and(|scope| matches!(&scope.doing, Doing::Task(running) if running == lane)) {
            return Ok(());
        }
        Err(Fault::bug(format!("{lane} is done and was not running")))
    }

    /// A task came to its result: its writes land, the way on is chosen.
    pub(super) fn complete(
        &mut self,
        lane: Lane,
        result: Result<Arc<Value>, Failure>,
        used: Used,
        work: &mut Work,
    ) -> Result<(), Fault> {
        let Some(scope) = self.scopes.get(&lane.scope) else { return Ok(()) };
        let plan = Arc::clone(&scope.plan);
        let at = plan.at(&lane.node)?;
        let (_, def) = plan.node(at)?;
        let attempt = self.attempt(scope, at);
        let place = |fault: Fault| fault.at(&lane);
        let (writes, edge, to, output, error) = match result {
            Ok(output) => {
                // All writes are evaluated over the state before, then land together.
                let vars = Vars::of(scope, attempt).with("output", &output);
                let writes = eval::writes(&plan.graph, &def.writes, &vars).map_err(place)?;
                self.land(&lane.scope, &writes).map_err(place)?;
                // The route is chosen over the state with the task's own writes.
                let scope = self.scope(&lane.scope)?;
                let vars = Vars::of(scope, attempt).with("output", &output);
                let chosen = Self::choose(scope, &def.next, &vars).map_err(place)?;
                (writes, chosen.edge, chosen.to, output, None)
            }
            Err(error) => {
                let on_error = def
                    .on_error
                    .as_ref()
                    .ok_or_else(|| Fault::bug(format!("{lane} failed and has no error target")))?;
                let value = error.to_value();
                let vars = Vars::of(scope, attempt).with("error", &value);
                let writes = eval::writes(&plan.graph, &on_error.writes, &vars).map_err(place)?;
                self.land(&lane.scope, &writes).map_err(place)?;
                (writes, Edge::ON_ERROR, Way::of(&plan, &on_error.to)?, Arc::default(), Some(error))
            }
        };
        self.leave(lane, at, (output, error, writes, used), (edge, to), work)
    }

    /// Counts the superstep, records it, and takes the way that was chosen.
    fn leave(
        &mut self,
        lane: Lane,
        at: usize,
        (output, error, writes, used): (Arc<Value>, Option<Failure>, Writes, Used),
        (edge, way): (Edge, Way),
        work: &mut Work,
    ) -> Result<(), Fault> {
        let path = lane.scope.clone();
        self.count(&path, used);
        let scope = self.scope_mut(&path)?;
        scope.doing = Doing::Nothing;
        if error.is_none() {
            scope.seen.entry(at).or_default().output = Some(Arc::clone(&output));
        }
        let join = match &scope.place {
            Place::Branch { join } => Some(join),
            _ => None,
        };
        let to = way.to(&scope.plan, join)?;
        let number = scope.superstep;
        let limit = if matches!(way, Way::End(_)) { None } else { self.limit_above(&path) };
        let attempt = match (&to, &limit, &way) {
            (To::Node(_), None, Way::Node(node, entry)) => self.next_attempt(&path, *node, *entry)?,
            _ => 1,
        };
        let at_ms = work.at_ms;
        let fork = if let Way::Fork(_) = way { Some(lane.clone()) } else { None };
        work.out.push(Command::Commit(Superstep {
            lane,
            number,
            output,
            error,
            writes,
            edge,
            to,
            attempt,
            used,
            at_ms,
        }));
        match (way, limit, fork) {
            (_, Some((frame, limit)), _) => {
                let end = self.scope(&frame)?.plan.graph.limits.exhausted.clone();
                work.todo.push_back(Act::Return { path: frame, end, limit: Some(limit) });
            }
            (Way::End(end), ..) => work.todo.push_back(Act::Return { path, end, limit: None }),
            (Way::Node(node, entry), ..) => work.todo.push_back(Act::Go { path, node, entry }),
            (Way::Fork(made), _, Some(lane)) => self.fork(&lane, &made, work)?,
            (Way::Fork(_), _, None) => {}
        }
        Ok(())
    }

    /// The attempt that begins when the node is entered so.
    fn next_attempt(&self, path: &Name, node: usize, entry: Entry) -> Result<u32, Fault> {
        let scope = self.scope(path)?;
        let head = scope.plan.around(node).is_some_and(|(head, _)| head == node);
        Ok(match (head, entry) {
            (true, Entry::Plain) => 1,
            (true, Entry::Retry) => scope.seen.get(&node).map_or(1, |seen| seen.attempt.saturating_add(1)),
            _ => self.attempt(scope, node).0,
        })
    }

    /// Lands writes in a scope; a branch keeps them for who holds it.
    fn land(&mut self, path: &Name, writes: &Writes) -> Result<(), Fault> {
        if writes.values.is_empty() {
            return Ok(());
        }
        let scope = self.scope_mut(path)?;
        let plan = Arc::clone(&scope.plan);
        scope.state.land(&plan.graph, writes)?;
        if matches!(scope.place, Place::Branch { .. }) {
            scope.written.push(writes.clone());
        }
        Ok(())
    }

    /// Opens the branches of a fan-out.
    fn fork(&mut self, lane: &Lane, fork: &Fork, work: &mut Work) -> Result<(), Fault> {
        let scope = self.scope_mut(&lane.scope)?;
        let width = fork.branches.len();
        let join = Name::from(&fork.join);
        scope.doing = Doing::Fork(Forked { lane: lane.clone(), join: join.clone(), width, waiting: width });
        for (i, head) in fork.branches.iter().enumerate() {
            let scope = self.scope(&lane.scope)?;
            let node = scope.plan.at(head)?;
            let branch = scope.branch(&lane.scope, &join);
            let path = below(lane, Some(i));
            self.scopes.insert(path.clone(), branch);
            work.todo.push_back(Act::Go { path, node, entry: Entry::Plain });
        }
        Ok(())
    }

    /// A branch came to the join. The last one lets the scope go on, with what all of them wrote, in their order.
    fn arrive(&mut self, path: &Name, work: &mut Work) -> Result<(), Fault> {
        let branch = self.scope_mut(path)?;
        branch.doing = Doing::Arrived;
        let parent = branch.parent.clone();
        let scope = self.scope_mut(&parent)?;
        let Doing::Fork(forked) = &mut scope.doing else {
            return Err(Fault::bug(format!("`{path}` arrives where nobody waits")));
        };
        forked.waiting = forked.waiting.saturating_sub(1);
        if forked.waiting > 0 {
            return Ok(());
        }
        let forked = forked.clone();
        for i in 0..forked.width {
            let Some(branch) = self.scopes.remove(&below(&forked.lane, Some(i))) else { continue };
            for writes in &branch.written {
                self.land(&parent, writes)?;
            }
            self.scope_mut(&parent)?.steps += branch.steps;
        }
        let scope = self.scope_mut(&parent)?;
        scope.doing = Doing::Nothing;
        let node = scope.plan.at(&forked.join)?;
        work.todo.push_back(Act::Go { path: parent, node, entry: Entry::Plain });
        Ok(())
    }

    /// A person's values land in place of the task that is under way.
    pub(super) fn update(&mut self, update: Update, work: &mut Work) -> Result<(), Fault> {
        let Update { scope: path, node, output, writes, at_ms: _ } = update;
        let path = Name::from(path);
        let refused = |why: String| Fault::new("update.refused", 2, why);
        let scope = self
            .scopes
            .get(&path)
            .ok_or_else(|| refused(format!("the run has no scope `{}` now", path.escape_debug())))?;
        let pending = match &scope.doing {
            Doing::Task(lane) => lane.clone(),
            Doing::Ask(asked) => asked.lane.clone(),
            _ => {
                return Err(refused(format!("scope `{path}` waits for its branches or calls"))
                    .help("update one of them, or wait until they are done"));
            }
        };
        let plan = Arc::clone(&scope.plan);
        for (key, value) in &writes.values {
            eval::checked(&plan.graph, key, value).map_err(|fault| refused(fault.message))?;
        }
        work.out.push(Command::Drop(pending.clone()));
        let Some(node) = node else {
            self.land(&path, &writes)?;
            self.scope_mut(&path)?.superstep += 1;
            let node = plan.at(&pending.node)?;
            work.todo.push_back(Act::Go { path, node, entry: Entry::Again });
            return Ok(());
        };
        let Some(at) = plan.graph.nodes.get_index_of(&node) else {
            return Err(refused(format!("the graph has no node `{}`", node.escape_debug())));
        };
        let (name, def) = plan.node(at)?;
        let lane = self.scope_mut(&path)?.enter(&path, at, name, Entry::Again);
        let attempt = self.attempt(self.scope(&path)?, at);
        let value = Arc::new(output.clone().unwrap_or(Value::Null));
        let place = |fault: Fault| Fault { exit: 2, ..fault.at(format!("update as `{node}`")) };
        let mut all = match output {
            Some(_) => {
                let vars = Vars::of(self.scope(&path)?, attempt).with("output", &value);
                eval::writes(&plan.graph, &def.writes, &vars).map_err(place)?
            }
            None => Writes::default(),
        };
        all.values.extend(writes.values);
        all.overwrites.extend(writes.overwrites);
        self.land(&path, &all)?;
        let scope = self.scope(&path)?;
        let vars = Vars::of(scope, attempt).with("output", &value);
        let chosen = Self::choose(scope, &def.next, &vars).map_err(place)?;
        self.leave(lane, at, (value, None, all, Used::default()), (chosen.edge, chosen.to), work)
    }
}
