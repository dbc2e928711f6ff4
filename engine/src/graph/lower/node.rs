//! One node of the file.

pub(super) use super::super::ast::NodeAst;

use super::super::ast::{
    Cel, DoesAst, InterruptAst, MapAst, Name, OnErrorAst, TemplateAst, Value1, ValueData, WriteAst,
};
use super::super::diagnostic::Report;
use super::super::files::is_file;
use super::super::keys;
use super::super::model::{At, Failed, RetryPolicy};
use super::super::yaml::{Data, Key, Node};
use super::take::{entries, name_of, text, whole};
use super::types::Types;
use super::{Shared, beside, named, next};
use crate::types::{Type, duration_ms};
use crate::{Kind, Kinds, Output, SettingType};

/// Most items of a map that may be under way at once.
const MOST_PARALLEL: u64 = 1000;
/// Kinds that the language has, and that a program may do without.
const LATER: [&str; 8] = ["agent", "model", "command", "wasm", "approve", "wait", "notify", "select"];

/// Lowers the node called `name`.
pub(super) fn lower<'y>(
    name: &Name,
    node: &'y Node,
    shared: &mut Shared<'_, 'y>,
    report: &mut Report<'_>,
) -> Option<NodeAst<'y>> {
    let kinds = shared.kinds;
    if !matches!(node.data, Data::Map(_)) {
        report.error("E007", &node.span, format!("a node is a map, this is {}", node.shape()));
        return None;
    }
    let own = entries(node, "a node", report);
    let kind_name = own.iter().find(|(key, _)| key.name == "kind");
    let kind_name = match kind_name {
        Some((_, value)) => name_of(value, "a kind", report)?,
        None => name.clone(),
    };
    // What the node says comes before what its kind has by default.
    let says = |name: &str| own.iter().any(|(key, _)| key.name == name);
    let by_default = shared.defaults.of(&kind_name.text).filter(|(key, _)| !says(&key.name));
    let entries: Vec<&'y (Key, Node)> = own.iter().chain(by_default).collect();
    let types = &mut shared.types;
    let call = keys::CALLS.into_iter().find(|call| call.name == kind_name.text);
    let kind = if call.is_some() { None } else { find(&kind_name, kinds, report) };
    let mut lowered = NodeAst {
        known: kind.is_some() || call.is_some(),
        does: match call {
            None => DoesAst::Run,
            Some(call) if call.name == keys::MAP.name => {
                DoesAst::Map(MapAst { graph: None, over: None, parallel: 16, failed: Failed::Fail })
            }
            Some(_) => DoesAst::Call(None),
        },
        kind: kind_name,
        description: String::new(),
        with: Vec::new(),
        writes: Vec::new(),
        literals: Vec::new(),
        conditions: Vec::new(),
        model: None,
        returns: None,
        template: None,
        retry: RetryPolicy::default(),
        timeout_ms: None,
        on_error: None,
        interrupt: None,
        next: None,
    };
    let mut has_next = false;
    for (key, value) in entries.iter().copied() {
        match key.name.as_str() {
            "kind" => {}
            "description" => lowered.description = text(value, report).unwrap_or_default(),
            "with" => lowered.with = values(value, "`with`", report),
            "writes" => lowered.writes = writes(value, report),
            "retry" => lowered.retry = retry(value, report),
            "timeout" => {
                lowered.timeout_ms = value.text().and_then(duration_ms).filter(|ms| *ms > 0);
                if lowered.timeout_ms.is_none() {
                    report
                        .error("E007", &value.span, "`timeout` is a duration")
                        .help("such as `30s` or `10m`");
                }
            }
            "on_error" => lowered.on_error = on_error(value, report),
            "interrupt" => lowered.interrupt = interrupt(value, types, report),
            "next" => {
                has_next = true;
                lowered.next = next::lower(value, report);
            }
            _ if call.is_some() => calls(key, value, &mut lowered, report),
            _ => setting(key, value, kind, &mut lowered, types, report),
        }
    }
    let missing = match &lowered.does {
        DoesAst::Run => None,
        DoesAst::Call(graph) => graph.is_none().then_some("graph"),
        DoesAst::Map(map) if map.graph.is_none() => Some("graph"),
        DoesAst::Map(map) => map.over.is_none().then_some("over"),
    };
    if let Some(missing) = missing
        && !entries.iter().any(|(key, _)| key.name == missing)
    {
        report.error("E005", &name.span, format!("the node {} has no `{missing}`", named(name))).help(
            match missing {
                "graph" => "name one of the graphs under `graphs:`",
                _ => "give it a list: `over: inputs.files`",
            },
        );
    }
    if !has_next {
        report
            .error("E005", &name.span, format!("the node {} has no `next`", named(name)))
            .help("name the node or end that follows");
    }
    if let Some(kind) = kind
        && matches!(kind.output, Output::Returns)
        && !entries.iter().any(|(key, _)| key.name == "returns")
    {
        report
            .error("E005", &name.span, format!("the node {} has no `returns`", named(name)))
            .help(format!("`{}` gives what `returns` names: a type", kind.name));
    }
    for needed in kind.into_iter().flat_map(|kind| kind.needs) {
        if !entries.iter().any(|(key, _)| key.name == *needed) {
            let doc = kind.and_then(|kind| kind.settings.iter().find(|setting| setting.name == *needed));
            report
                .error("E005", &name.span, format!("the node {} has no `{needed}`", named(name)))
                .help(format!("add `{needed}`: {}", doc.map_or("", |setting| setting.doc)));
        }
    }
    if let Some(kind) = kind.filter(|kind| !kind.one_of.is_empty()) {
        one_of(kind, name, &lowered, report);
    }
    Some(lowered)
}

/// Tells where not exactly one of the kind's keys that stand for each other is there.
fn one_of(kind: &Kind, name: &Name, node: &NodeAst<'_>, report: &mut Report<'_>) {
    let mut given = node.with.iter().filter(|(key, _)| kind.one_of.contains(&key.text.as_str()));
    let all = kind.one_of.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" or ");
    match (given.next(), given.next()) {
        (Some(_), None) => {}
        (Some((first, _)), Some((second, _))) => {
            report
                .error("E029", &second.span, format!("`{}` beside `{}`", second.text, first.text))
                .help(format!("kind `{}` takes {all}, one of them", kind.name));
        }
        (None, _) => {
            report
                .error(
                    "E028",
                    &name.span,
                    format!("the node {} is given neither {}", named(name), all.replace(" or ", " nor ")),
                )
                .help(format!("add one of them under `with`: kind `{}` takes {all}", kind.name));
        }
    }
}

fn find<'k>(name: &Name, kinds: &'k Kinds, report: &mut Report<'_>) -> Option<&'k Kind> {
    let kind = kinds.kinds.get(name.text.as_str());
    if kind.is_none() && LATER.contains(&name.text.as_str()) {
        report.error("E009", &name.span, format!("the kind `{}` is not supported yet", name.text));
    } else if kind.is_none() {
        report
            .error("E020", &name.span, format!("there is no kind `{}`", name.text))
            .suggest(&name.text, kinds.kinds.keys().copied().chain(keys::CALLS.map(|call| call.name)));
    }
    kind
}

/// A key of a kind that calls graphs.
fn calls<'y>(key: &Key, value: &'y Node, node: &mut NodeAst<'y>, report: &mut Report<'_>) {
    let (map, graph) = match &mut node.does {
        DoesAst::Run => return,
        DoesAst::Call(graph) => (None, graph),
        DoesAst::Map(MapAst { graph, over, parallel, failed }) => (Some((over, parallel, failed)), graph),
    };
    match (key.name.as_str(), map) {
        ("graph", _) => *graph = called(value, report),
        ("over", Some((over, ..))) => *over = condition(value, report),
        ("parallel", Some((_, parallel, _))) => {
            if let Some(number) = whole(value, 1, "`parallel`", report) {
                if number > MOST_PARALLEL {
                    let message = format!("`parallel` is at most {MOST_PARALLEL}");
                    report.error("E007", &value.span, message);
                }
                *parallel = u32::try_from(number.min(MOST_PARALLEL)).unwrap_or(1);
            }
        }
        ("failed", Some((_, _, failed))) => {
            let word = value.text().unwrap_or_default();
            match [Failed::Fail, Failed::Skip, Failed::Keep].into_iter().find(|one| one.word() == word) {
                Some(one) => *failed = one,
                None => {
                    report
                        .error("E007", &value.span, "`failed` is `fail`, `skip` or `keep`")
                        .suggest(word, keys::FAILED);
                }
            }
        }
        _ => {
            let own = keys::CALLS.into_iter().filter(|call| call.name == node.kind.text);
            let known = keys::NODE.names().chain(own.flat_map(keys::Place::names));
            let message = format!("a node of kind `{}` has no key `{}`", node.kind.text, key.name);
            report.error("E006", &key.span, message).suggest(&key.name, known);
        }
    }
}

/// The graph that a node calls: by name, or by the path of its file.
fn called(node: &Node, report: &mut Report<'_>) -> Option<Name> {
    match node.text() {
        Some(path) if is_file(path) => {
            let source = beside(node, path, report)?;
            Some(Name { text: source.path.clone(), span: node.span.clone() })
        }
        _ => name_of(node, "a graph", report),
    }
}

/// A text that stands in a file beside the graph: `{file: PATH}`.
pub(crate) fn file_of(node: &Node) -> Option<&Node> {
    match &node.data {
        Data::Map(entries) => match entries.as_slice() {
            [(key, path)] if key.name == keys::FILE.keys[0].name => Some(path),
            _ => None,
        },
        _ => None,
    }
}

/// A template: a text, or a file's.
fn template<'y>(
    node: &'y Node,
    variables: &'static [(&'static str, Type)],
    report: &mut Report<'_>,
) -> Option<TemplateAst<'y>> {
    if let Some(path) = file_of(node) {
        let source = beside(path, &text(path, report)?, report)?;
        let content = report.source.get(source.at.clone()).unwrap_or_default().to_owned();
        return Some(TemplateAst { node: path, text: content, file: Some(source.at.start), variables });
    }
    if let Data::Map(entries) = &node.data
        && let Some((key, _)) = entries.iter().find(|(key, _)| !keys::FILE.has(&key.name))
    {
        report
            .error("E006", &key.span, format!("a template has no key `{}`", key.name))
            .help("it is a text, or `{file: PATH}`");
        return None;
    }
    text(node, report).map(|text| TemplateAst { node, text, file: None, variables })
}

/// `on_error: NAME`, or `{to: NAME, writes: {…}}`.
fn on_error<'y>(node: &'y Node, report: &mut Report<'_>) -> Option<OnErrorAst<'y>> {
    let Data::Map(entries) = &node.data else {
        let to = name_of(node, "a node or an end", report)?;
        return Some(OnErrorAst { to, writes: Vec::new() });
    };
    let (mut to, mut written) = (None, Vec::new());
    for (key, value) in entries {
        match key.name.as_str() {
            "to" => to = Some(name_of(value, "a node or an end", report)?),
            "writes" => written = writes(value, report),
            other => {
                report
                    .error("E006", &key.span, format!("`on_error` has no key `{other}`"))
                    .suggest(other, keys::ON_ERROR.names());
            }
        }
    }
    if to.is_none() {
        report.error("E005", &node.span, "`on_error` leads nowhere").help("give it a `to`");
    }
    Some(OnErrorAst { to: to?, writes: written })
}

/// `interrupt: before`, or `{at: after, when: CEL, ask: VALUE, answer: TYPE}`.
fn interrupt<'y>(node: &'y Node, types: &mut Types<'_>, report: &mut Report<'_>) -> Option<InterruptAst<'y>> {
    let at = |node: &Node, report: &mut Report<'_>| {
        let word = node.text().unwrap_or_default();
        let found = [At::Before, At::After].into_iter().find(|at| at.word() == word);
        if found.is_none() {
            report
                .error("E007", &node.span, "a person is asked `before` or `after` a node")
                .suggest(word, keys::MOMENTS);
        }
        found
    };
    // A person may say why, and need not.
    let note = Type::Optional(Box::new(Type::String));
    let Data::Map(entries) = &node.data else {
        return Some(InterruptAst { at: at(node, report)?, when: None, ask: None, answer: Some(note) });
    };
    let mut lowered = InterruptAst { at: At::Before, when: None, ask: None, answer: Some(note) };
    for (key, one) in entries {
        match key.name.as_str() {
            "at" => lowered.at = at(one, report)?,
            "when" => lowered.when = Some(condition(one, report)?),
            "ask" => lowered.ask = Some(value(one)),
            "answer" => lowered.answer = types.ty(one, report),
            other => {
                report
                    .error("E006", &key.span, format!("`interrupt` has no key `{other}`"))
                    .suggest(other, keys::INTERRUPT.names());
            }
        }
    }
    if !entries.iter().any(|(key, _)| key.name == "at") {
        report
            .error("E005", &node.span, "`interrupt` does not say when")
            .help("write `at: before` or `at: after`");
        return None;
    }
    Some(lowered)
}

/// A key that the kind declares.
fn setting<'y>(
    key: &Key,
    value: &'y Node,
    kind: Option<&Kind>,
    node: &mut NodeAst<'y>,
    types: &mut Types<'_>,
    report: &mut Report<'_>,
) {
    // What an unknown kind takes is unknown too; one error is enough.
    let Some(kind) = kind else { return };
    let Some(setting) = kind.settings.iter().find(|setting| setting.name == key.name) else {
        let known = keys::NODE.names().chain(kind.settings.iter().map(|s| s.name));
        report
            .error("E006", &key.span, format!("a node of kind `{}` has no key `{}`", kind.name, key.name))
            .suggest(&key.name, known);
        return;
    };
    let name = Name { text: key.name.clone(), span: key.span.clone() };
    match &setting.ty {
        SettingType::Model => node.model = name_of(value, "a model role", report),
        SettingType::Returns => node.returns = types.ty(value, report),
        SettingType::Template(variables) => node.template = template(value, variables, report),
        SettingType::Condition => {
            if let Some(cel) = condition(value, report) {
                node.conditions.push((name, cel));
            }
        }
        SettingType::Secret => {
            if let Some(secret) = name_of(value, "a secret's name", report) {
                node.literals.push((name, secret.text.into()));
            }
        }
        SettingType::Literal(ty) => {
            let literal = value.json();
            match ty.check(&literal) {
                Ok(()) => node.literals.push((name, literal)),
                Err(mismatch) => {
                    let place = inner(value, &mismatch.path);
                    report
                        .error("E030", &place.span, format!("`{}`: {}", key.name, mismatch.message))
                        .label(format!("{ty} is expected"));
                }
            }
        }
    }
}

/// The part of `node` that a path such as `files[2].line` names, as far as it is there.
pub(crate) fn inner<'y>(node: &'y Node, path: &str) -> &'y Node {
    let mut node = node;
    for step in path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty())
    {
        let deeper = match &node.data {
            Data::List(items) => step.parse().ok().and_then(|i: usize| items.get(i)),
            Data::Map(entries) => entries.iter().find(|(key, _)| key.name == step).map(|(_, value)| value),
            Data::Scalar(..) => None,
        };
        let Some(deeper) = deeper else { break };
        node = deeper;
    }
    node
}

/// A condition: CEL without a leading `=`.
pub(super) fn condition<'y>(node: &'y Node, report: &mut Report<'_>) -> Option<Cel<'y>> {
    let Some(text) = node.text() else {
        report.error("E007", &node.span, format!("a condition is expected here, this is {}", node.shape()));
        return None;
    };
    if text.starts_with('=') {
        report.error("E034", &node.span, "a condition is CEL as it stands").help("drop the leading `=`");
        return None;
    }
    Some(Cel { text: text.to_owned(), node, offset: 0 })
}

fn values<'y>(node: &'y Node, what: &str, report: &mut Report<'_>) -> Vec<(Name, Value1<'y>)> {
    let entries = entries(node, what, report).iter();
    entries
        .map(|(key, node)| (Name { text: key.name.clone(), span: key.span.clone() }, value(node)))
        .collect()
}

/// The entries of `writes`; `{overwrite: VALUE}` replaces whatever the key's reducer.
fn writes<'y>(node: &'y Node, report: &mut Report<'_>) -> Vec<WriteAst<'y>> {
    let entries = entries(node, "`writes`", report).iter();
    entries
        .map(|(key, node)| {
            let name = Name { text: key.name.clone(), span: key.span.clone() };
            if let Data::Map(inner) = &node.data
                && let [(word, inner)] = inner.as_slice()
                && word.name == "overwrite"
            {
                return WriteAst { key: name, value: value(inner), overwrite: Some(word.span.clone()) };
            }
            WriteAst { key: name, value: value(node), overwrite: None }
        })
        .collect()
}

/// A literal, or CEL where a text starts with `=`; also inside lists and maps.
pub(super) fn value(node: &Node) -> Value1<'_> {
    let literal = || ValueData::Literal(node.json());
    let data = match &node.data {
        Data::Scalar(text, _) => match text.strip_prefix('=') {
            Some(text) => ValueData::Cel(Cel { text: text.to_owned(), node, offset: 1 }),
            None => literal(),
        },
        Data::List(items) => {
            let items: Vec<_> = items.iter().map(value).collect();
            if items.iter().all(is_literal) { literal() } else { ValueData::List(items) }
        }
        Data::Map(entries) => {
            let entries: Vec<_> = entries.iter().map(|(key, node)| (key.name.clone(), value(node))).collect();
            if entries.iter().all(|(_, v)| is_literal(v)) { literal() } else { ValueData::Map(entries) }
        }
    };
    Value1 { node, data }
}

fn is_literal(value: &Value1<'_>) -> bool {
    matches!(value.data, ValueData::Literal(_))
}

/// `retry: {tries: 3, backoff: 500ms}`: how a failing effect is repeated.
fn retry(node: &Node, report: &mut Report<'_>) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    for (key, value) in entries(node, "`retry` of a node", report) {
        match key.name.as_str() {
            "tries" => {
                let tries = whole(value, 1, "`tries`", report).and_then(|n| u32::try_from(n).ok());
                policy.tries = tries.unwrap_or(policy.tries);
            }
            "backoff" => match value.text().and_then(duration_ms) {
                Some(ms) => policy.backoff_ms = ms,
                None => {
                    report
                        .error("E007", &value.span, "`backoff` is a duration")
                        .help("such as `500ms` or `2s`");
                }
            },
            "max_attempts" | "exhausted" => {
                report
                    .error("E006", &key.span, format!("`{}` belongs to a retry edge", key.name))
                    .help("a retry edge is an arm of `next`; `retry` on a node repeats one failing effect: `{tries: 3, backoff: 500ms}`");
            }
            other => {
                report
                    .error("E006", &key.span, format!("`retry` of a node has no key `{other}`"))
                    .suggest(other, keys::RETRY.names());
            }
        }
    }
    policy
}
