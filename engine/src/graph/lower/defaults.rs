//! `defaults:`: what every node of a kind has unless it says otherwise.

use indexmap::IndexMap;

use super::super::ast::{Decl, Decls};
use super::super::diagnostic::Report;
use super::super::keys;
use super::super::yaml::{Key, Node, Span};
use super::take::entries;
use crate::Kinds;

/// The defaults of a file by kind.
#[derive(Default)]
pub(super) struct Defaults<'y>(IndexMap<&'y str, OfKind<'y>>);

/// Where the kind is named, and what its nodes have by default.
type OfKind<'y> = (Span, Vec<&'y (Key, Node)>);

impl<'y> Defaults<'y> {
    /// What a node of `kind` has that does not say it itself.
    pub(super) fn of(&self, kind: &str) -> impl Iterator<Item = &'y (Key, Node)> {
        self.0.get(kind).into_iter().flat_map(|(_, entries)| entries.iter().copied())
    }

    /// The kinds that there are defaults of.
    pub(super) fn declared(self) -> Decls<()> {
        let kinds = self.0.into_iter();
        kinds.map(|(kind, (span, _))| (kind.to_owned(), Decl { span, value: () })).collect()
    }
}

/// Reads `defaults:`. What a key takes is looked at where a node takes it.
pub(super) fn read<'y>(
    entry: Option<(&'y Key, &'y Node)>,
    kinds: &Kinds,
    report: &mut Report<'_>,
) -> Defaults<'y> {
    let mut defaults = Defaults::default();
    let Some((_, node)) = entry else { return defaults };
    for (kind, node) in entries(node, "`defaults`", report) {
        let Some(known) = takes(&kind.name, kinds) else {
            let known = kinds.kinds.keys().copied().chain(keys::CALLS.map(|call| call.name));
            let message = format!("there is no kind `{}`", kind.name);
            report.error("E020", &kind.span, message).suggest(&kind.name, known);
            continue;
        };
        let mut taken = Vec::new();
        for entry in entries(node, "what a kind has by default", report) {
            let (key, _) = entry;
            if known.contains(&key.name.as_str()) {
                taken.push(entry);
                continue;
            }
            let message = format!("a node of kind `{}` has no `{}` by default", kind.name, key.name);
            let found = report.error("E006", &key.span, message);
            if keys::NODE.has(&key.name) {
                found.help(format!("each node says its own `{}`", key.name));
            } else {
                found.suggest(&key.name, known.iter().copied());
            }
        }
        defaults.0.insert(&kind.name, (kind.span.clone(), taken));
    }
    defaults
}

/// The keys that nodes of `kind` may have by default; nothing where there is no such kind.
fn takes(kind: &str, kinds: &Kinds) -> Option<Vec<&'static str>> {
    let own: Vec<&str> = match keys::CALLS.into_iter().find(|call| call.name == kind) {
        Some(call) => call.keys.iter().filter(|key| !key.needed).map(|key| key.name).collect(),
        None => kinds.kinds.get(kind)?.settings.iter().map(|setting| setting.name).collect(),
    };
    Some(keys::DEFAULTABLE.into_iter().chain(own).collect())
}
