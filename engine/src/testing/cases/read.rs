//! A file of cases against its graph.

use serde_json::{Map, Value};

use super::expect::expect;
use super::stub::{Place, place};
use super::typed::{Mode, empty, value};
use super::{Case, Expect, FORMAT, Stub, Stubs, Suite};
use crate::blob::MemoryBlobs;
use crate::graph::diagnostic::Report;
use crate::graph::yaml::{self, Key, Node};
use crate::graph::{Diagnostic, Does, Graph, NodeDef};
use crate::scheduler::Used;
use crate::types::duration_ms;
use crate::{Failure, Kinds, Output};

const KEYS: [&str; 5] = ["format", "coverage", "inputs", "stubs", "cases"];
const CASE: [&str; 3] = ["inputs", "stubs", "expect"];
const STUB: [&str; 5] = ["gives", "fails", "answer", "takes", "cost_usd"];

/// Reads the cases of `source` for `graph`; `name` is what findings call the file.
///
/// # Errors
/// Everything that is wrong with it, in the file's order, each at its place.
pub fn read(name: &str, source: &str, graph: &Graph, kinds: &Kinds) -> Result<Suite, Vec<Diagnostic>> {
    let mut report = Report::new(name, source);
    let suite = yaml::parse(&mut report, 0..source.len()).and_then(|root| {
        let mut reader = Reader { graph, kinds, blobs: MemoryBlobs::default(), report: &mut report };
        reader.suite(name, &root)
    });
    match suite {
        Some(suite) if !report.failed() => Ok(suite),
        _ => Err(report.finish()),
    }
}

struct Reader<'r, 's> {
    graph: &'r Graph,
    kinds: &'r Kinds,
    blobs: MemoryBlobs,
    report: &'r mut Report<'s>,
}

/// The entries of a map; nothing, with a finding, where it is none.
pub(super) fn entries<'y>(node: &'y Node, what: &str, report: &mut Report<'_>) -> &'y [(Key, Node)] {
    match node.entries() {
        Some(entries) => entries,
        None if node.json().is_null() => &[],
        None => {
            report.error("E007", &node.span, format!("{what} is a map, this is {}", node.shape()));
            &[]
        }
    }
}

/// Says that `key` is none of `known`.
pub(super) fn unknown(key: &Key, what: &str, known: &[&str], report: &mut Report<'_>) {
    report
        .error("E006", &key.span, format!("{what} has no key `{}`", key.name))
        .suggest(&key.name, known.iter().copied());
}

impl Reader<'_, '_> {
    fn suite(&mut self, name: &str, root: &Node) -> Option<Suite> {
        let (mut format, mut coverage, mut inputs, mut stubs, mut cases) =
            (false, None, None, Vec::new(), None);
        for (key, node) in entries(root, "a file of cases", self.report) {
            match key.name.as_str() {
                "format" => {
                    format = true;
                    if node.json().as_u64() != Some(u64::from(FORMAT)) {
                        let message = format!("this program reads format {FORMAT} of cases");
                        self.report.error("E008", &node.span, message);
                        return None;
                    }
                }
                "coverage" => coverage = self.percent(node),
                "inputs" => inputs = Some(node),
                "stubs" => stubs = self.stubs(node),
                "cases" => cases = Some(node),
                _ => unknown(key, "a file of cases", &KEYS, self.report),
            }
        }
        if !format {
            self.report
                .error("E005", &(0..0), "`format` is missing")
                .help(format!("write `format: {FORMAT}`"));
        }
        let inputs = inputs.map(|node| self.inputs(node)).unwrap_or_default();
        let Some(cases) = cases else {
            self.report.error("E005", &(0..0), "there are no `cases`");
            return None;
        };
        let cases: Vec<Option<Case>> = entries(cases, "`cases`", self.report)
            .iter()
            .map(|(key, node)| self.case(key, node, &inputs).map(|case| case.with(&stubs)))
            .collect();
        if cases.is_empty() {
            self.report.error("E005", &(0..0), "there are no `cases`");
        }
        let cases = cases.into_iter().collect::<Option<_>>()?;
        Some(Suite { file: name.to_owned(), coverage, cases, blobs: std::mem::take(&mut self.blobs) })
    }

    fn percent(&mut self, node: &Node) -> Option<u8> {
        let percent = node.json().as_u64().and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 100);
        if percent.is_none() {
            self.report.error("E007", &node.span, "`coverage` is a percentage, 0 to 100");
        }
        percent
    }

    /// The values that are there, each of its type.
    fn inputs(&mut self, node: &Node) -> Map<String, Value> {
        let mut values = Map::new();
        for (key, node) in entries(node, "`inputs`", self.report) {
            match self.graph.inputs.get(&key.name) {
                Some(ty) => {
                    if let Some(value) = value(ty, node, Mode::Whole(&self.blobs), self.report) {
                        values.insert(key.name.clone(), value);
                    }
                }
                None => {
                    self.report
                        .error("E023", &key.span, format!("the graph has no input `{}`", key.name))
                        .suggest(&key.name, self.graph.inputs.keys().map(String::as_str));
                }
            }
        }
        values
    }

    fn case(&mut self, key: &Key, node: &Node, inputs: &Map<String, Value>) -> Option<Case> {
        let mut inputs = inputs.clone();
        let (mut stubs, mut expected) = (Vec::new(), None);
        for (key, node) in entries(node, "a case", self.report) {
            match key.name.as_str() {
                "inputs" => inputs.extend(self.inputs(node)),
                "stubs" => stubs = self.stubs(node),
                "expect" => expected = expect(node, self.graph, self.report),
                _ => unknown(key, "a case", &CASE, self.report),
            }
        }
        for (name, ty) in &self.graph.inputs {
            inputs.entry(name.as_str()).or_insert_with(|| empty(ty));
        }
        let expect: Expect =
            if node.entries().is_some_and(|all| all.iter().any(|(key, _)| key.name == "expect")) {
                expected?
            } else {
                self.report
                    .error("E005", &key.span, "the case has no `expect`")
                    .help("say at least `expect: {end: NAME}`");
                return None;
            };
        let line = line(self.report, key.span.start);
        Some(Case { name: key.name.clone(), line, inputs: Value::Object(inputs), stubs, expect })
    }

    fn stubs(&mut self, node: &Node) -> Vec<(Place, Stubs)> {
        let mut stubs: Vec<(Place, Stubs)> = Vec::new();
        for (key, node) in entries(node, "`stubs`", self.report) {
            let Some((place, _, def)) = place(key, self.graph, self.report) else { continue };
            if stubs.iter().any(|(there, _)| *there == place) {
                self.report.error("E004", &key.span, format!("`{}` is there twice", key.name));
                continue;
            }
            let read = match node.items() {
                Some(_) if place.is_visit() => {
                    self.report
                        .error("E007", &node.span, "one visit has one stub, this is a list")
                        .help(format!("a list under `{}` has one for each visit", def.name));
                    None
                }
                Some(items) => {
                    let list: Vec<_> = items.iter().map(|one| self.stub(one, def)).collect();
                    list.into_iter().collect::<Option<_>>().map(Stubs::Visits)
                }
                None => self.stub(node, def).map(Stubs::Always),
            };
            stubs.extend(read.map(|read| (place, read)));
        }
        stubs
    }

    fn stub(&mut self, node: &Node, def: &NodeDef) -> Option<Stub> {
        let mut stub = Stub::default();
        let mut whole = true;
        let (mut active_ms, mut cost_microusd) = (0, 0);
        if node.entries().is_none_or(<[_]>::is_empty) {
            self.report
                .error("E007", &node.span, format!("a stub is a map, this is {}", node.shape()))
                .help("`gives: VALUE` is what the node returns, `fails: {code: …}` how it fails");
            return None;
        }
        for (key, one) in entries(node, "a stub", self.report) {
            match key.name.as_str() {
                "gives" | "fails" if !matches!(def.does, Does::Run) => {
                    self.report
                        .error(
                            "E007",
                            &key.span,
                            format!("`{}` calls a graph and has no stub of its own", def.name),
                        )
                        .help(format!("give stubs for the nodes of that graph: `{}/NODE`", def.name));
                    whole = false;
                }
                "gives" | "fails" if stub.result.is_some() => {
                    self.report.error("E007", &key.span, "a stub either gives or fails");
                }
                "gives" => stub.result = self.gives(one, def).map(Ok),
                "fails" => stub.result = self.failure(one).map(Err),
                "answer" => stub.answer = self.answer(key, one, def),
                "takes" => match one.text().and_then(duration_ms) {
                    Some(ms) => active_ms = ms,
                    None => drop(self.report.error("E007", &one.span, "`takes` is a duration such as `90s`")),
                },
                "cost_usd" => match one.json().as_f64().filter(|usd| (0.0..=1e9).contains(usd)) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "bounded above"
                    )]
                    Some(usd) => cost_microusd = (usd * 1e6).round() as u64,
                    None => {
                        let message = "`cost_usd` is a number of US dollars, 0 or more";
                        self.report.error("E007", &one.span, message);
                    }
                },
                _ => {
                    unknown(key, "a stub", &STUB, self.report);
                    whole = false;
                }
            }
        }
        stub.used = Used { active_ms, cost_microusd };
        whole.then_some(stub)
    }

    fn gives(&mut self, node: &Node, def: &NodeDef) -> Option<Value> {
        // Whoever holds a graph knows that its kinds are there.
        let output = &self.kinds.kinds.get(def.kind.as_str())?.output;
        match output.of(def.returns.as_ref()) {
            Some(ty) => value(&ty, node, Mode::Whole(&self.blobs), self.report),
            // Its type follows from what the node is given: as it is written.
            None => matches!(output, Output::Made(..)).then(|| node.json()),
        }
    }

    fn failure(&mut self, node: &Node) -> Option<Failure> {
        if let Some(code) = node.text() {
            return Some(Failure::new(code, "as its stub says"));
        }
        let (mut code, mut message) = (None, None);
        for (key, one) in entries(node, "`fails`", self.report) {
            match key.name.as_str() {
                "code" => code = one.text(),
                "message" => message = one.text(),
                _ => unknown(key, "`fails`", &["code", "message"], self.report),
            }
        }
        if code.is_none() {
            self.report
                .error("E005", &node.span, "`fails` has no `code`")
                .help("for example `fails: {code: model.throttled, message: too many requests}`");
        }
        Some(Failure::new(code?, message.unwrap_or("as its stub says")))
    }

    fn answer(&mut self, key: &Key, node: &Node, def: &NodeDef) -> Option<Value> {
        let Some(interrupt) = &def.interrupt else {
            self.report
                .error("E007", &key.span, format!("`{}` asks nobody", def.name))
                .help("`answer` belongs to a node with an `interrupt`");
            return None;
        };
        value(&interrupt.answer, node, Mode::Whole(&self.blobs), self.report)
    }
}

/// The line of a byte, from 1.
pub(super) fn line(report: &Report<'_>, at: usize) -> usize {
    report.source.get(..at).map_or(1, |text| text.matches('\n').count() + 1)
}
