//! Types: those that a file declares, and those that it mentions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::super::ast::{Decl, Decls};
use super::super::diagnostic::Report;
use super::super::yaml::{Data, Key, Node};
use super::header::Entry;
use super::take::{entries, identifier};
use crate::Kinds;
use crate::types::{FieldMap, Record, RecordField, Type};

/// The most parts that a declared type has when all that it mentions is written out.
const MAX_WEIGHT: u64 = 10_000;

/// The types that need no declaration, and what each is.
pub(crate) const BASIC: [(&str, &str); 11] = [
    ("string", "Up to 64 KiB of text, kept in the state."),
    (
        "text",
        "Text of any length, kept beside the state. CEL knows its size and whether two are equal; templates render it, the first 64 KiB of it.",
    ),
    ("diff", "A unified diff, kept as a `text` is."),
    ("int", "A whole number of 64 bits."),
    ("float", "A number of 64 bits; takes an `int` too."),
    ("bool", "`true` or `false`."),
    ("path", "A relative path with `/` and without `..`."),
    ("duration", "A span of time: `500ms`, `90s`, `30m`, `1h30m`, `2d`."),
    ("list", "`list<T>`: items of one type, in order."),
    ("map", "`map<T>`: texts as keys, values of one type."),
    ("enum", "`enum<low|high>`: one of these words."),
];

/// The types of `types:`, resolved on demand, and the built-in ones.
pub(super) struct Types<'k> {
    kinds: &'k Kinds,
    declared: Decls<Type>,
    /// Names that are declared and could not be read: what mentions them stays silent.
    broken: BTreeSet<String>,
    used: BTreeSet<String>,
    /// How large each declared type is, written out.
    weights: BTreeMap<String, u64>,
}

impl Types<'_> {
    /// The declared types and the names of those that something mentions.
    pub(super) fn finish(self) -> (Decls<Type>, BTreeSet<String>) {
        (self.declared, self.used)
    }

    /// The type that a node of the tree writes: a type expression, or a map of fields.
    pub(super) fn ty(&mut self, node: &Node, report: &mut Report<'_>) -> Option<Type> {
        match &node.data {
            Data::Map(fields) => {
                let fields = self.fields(fields, report)?;
                Some(Type::Record(Arc::new(Record { name: String::new(), doc: String::new(), fields })))
            }
            Data::List(_) => {
                report
                    .error("E011", &node.span, "a type is expected here, this is a list")
                    .help("a list is written `list<T>`");
                None
            }
            Data::Scalar(text, _) => self.expression(text, node, report),
        }
    }

    fn expression(&mut self, text: &str, node: &Node, report: &mut Report<'_>) -> Option<Type> {
        let (kinds, declared, used) = (self.kinds, &self.declared, &mut self.used);
        let parsed = Type::parse(text, &mut |name| {
            if let Some(ty) = declared.get(name) {
                used.insert(name.to_owned());
                return Some(ty.value.clone());
            }
            kinds.records.get(name).map(|record| Type::Record(Arc::clone(record)))
        });
        let error = match parsed {
            Ok(ty) => return Some(ty),
            Err(error) => error,
        };
        let start = node.locate(report.source, error.span.start);
        let end = node.locate(report.source, error.span.end).max(start + 1);
        match error.unknown {
            Some(name) if self.broken.contains(&name) => {
                self.used.insert(name);
            }
            Some(name) => {
                let known =
                    BASIC.into_iter().map(|(name, _)| name).chain(self.declared.keys().map(String::as_str));
                let known = known.chain(self.kinds.records.keys().map(String::as_str));
                report.error("E010", &(start..end), error.message).suggest(&name, known);
            }
            None => {
                report.error("E011", &(start..end), error.message);
            }
        }
        None
    }

    fn fields(&mut self, fields: &[(Key, Node)], report: &mut Report<'_>) -> Option<FieldMap> {
        let mut all = true;
        let mut map = FieldMap::new();
        for (key, value) in fields {
            let name = identifier(key, "a field", report);
            let ty = self.ty(value, report);
            match (name, ty) {
                (Some(name), Some(ty)) => {
                    map.insert(name.text, RecordField { ty, doc: String::new() });
                }
                _ => all = false,
            }
        }
        all.then_some(map)
    }
}

/// Reads `types:`. Types may mention each other in any order, and none may contain itself.
pub(super) fn read<'k>(entry: Entry<'_>, kinds: &'k Kinds, report: &mut Report<'_>) -> Types<'k> {
    let (broken, used) = (BTreeSet::new(), BTreeSet::new());
    let mut types = Types { kinds, declared: IndexMap::new(), broken, used, weights: BTreeMap::new() };
    let Some((_, node)) = entry else { return types };
    let mut all: IndexMap<&str, (&Key, &Node)> = IndexMap::new();
    for (key, value) in entries(node, "`types`", report) {
        if BASIC.iter().any(|(basic, _)| *basic == key.name) || kinds.records.contains_key(&key.name) {
            report.error("E013", &key.span, format!("`{}` is a built-in type", key.name));
            continue;
        }
        if identifier(key, "a type", report).is_some() {
            all.insert(&key.name, (key, value));
        } else {
            types.broken.insert(key.name.clone());
        }
    }
    let mut mentions: DiGraph<(), ()> = DiGraph::with_capacity(all.len(), all.len());
    for _ in &all {
        mentions.add_node(());
    }
    let mut selves = BTreeSet::new();
    for (from, (_, value)) in all.values().enumerate() {
        mentioned(value, &mut |name| {
            if let Some(to) = all.get_index_of(name) {
                mentions.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
                if from == to {
                    selves.insert(from);
                }
            }
        });
    }
    // What a type mentions comes before it.
    for ring in kosaraju_scc(&mentions) {
        let first = ring.iter().map(|node| node.index()).min().unwrap_or_default();
        let Some((name, (key, value))) = all.get_index(first) else { continue };
        if ring.len() > 1 || selves.contains(&first) {
            // One error for all that are in the ring.
            report.error("E012", &key.span, format!("the type `{name}` contains itself"));
            let names = ring.iter().filter_map(|node| all.get_index(node.index()));
            types.broken.extend(names.map(|(name, _)| (*name).to_owned()));
            continue;
        }
        match types.declare(key, value, report) {
            Some(ty) => {
                types.declared.insert(key.name.clone(), Decl { span: key.span.clone(), value: ty });
            }
            None => {
                types.broken.insert(key.name.clone());
            }
        }
    }
    // In the file's order, whatever the order of resolution.
    types.declared.sort_by_cached_key(|name, _| all.get_index_of(name.as_str()));
    types
}

impl Types<'_> {
    /// A record, or another name for a type such as an enum.
    fn declare(&mut self, key: &Key, value: &Node, report: &mut Report<'_>) -> Option<Type> {
        let ty = match &value.data {
            Data::Map(fields) => {
                let fields = self.fields(fields, report)?;
                Type::Record(Arc::new(Record { name: key.name.clone(), doc: String::new(), fields }))
            }
            _ => self.ty(value, report)?,
        };
        let weight = self.weight(&ty, &key.name);
        if weight > MAX_WEIGHT {
            report
                .error("E003", &key.span, format!("the type `{}` has more than {MAX_WEIGHT} parts", key.name))
                .help("each type that it mentions counts with all of its parts, as often as it is mentioned");
            return None;
        }
        self.weights.insert(key.name.clone(), weight);
        Some(ty)
    }

    /// The parts of a type that is declared as `own`.
    fn weight(&self, ty: &Type, own: &str) -> u64 {
        match ty {
            Type::List(inner) | Type::Map(inner) | Type::Optional(inner) => 1 + self.weight(inner, own),
            Type::Record(record) => match self.weights.get(&record.name) {
                Some(known) if record.name != own => *known,
                _ => record
                    .fields
                    .values()
                    .fold(1, |sum: u64, field| sum.saturating_add(self.weight(&field.ty, own))),
            },
            _ => 1,
        }
    }
}

/// Tells `found` every name that a type mentions.
fn mentioned(node: &Node, found: &mut dyn FnMut(&str)) {
    match &node.data {
        Data::Map(fields) => fields.iter().for_each(|(_, value)| mentioned(value, found)),
        Data::List(_) => {}
        Data::Scalar(text, _) => {
            text.split(|c: char| !(c.is_alphanumeric() || c == '_')).for_each(found);
        }
    }
}
