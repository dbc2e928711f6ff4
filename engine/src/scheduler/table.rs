//! The scopes of a run, by path.

use std::collections::BTreeMap;

use super::scope::Scope;
use crate::Name;

/// The run's own scope, and all that is under way below it.
#[derive(Debug)]
pub(super) struct Scopes {
    root: Scope,
    below: BTreeMap<Name, Scope>,
}

impl Scopes {
    pub(super) fn new(root: Scope) -> Self {
        Self { root, below: BTreeMap::new() }
    }

    pub(super) fn root(&self) -> &Scope {
        &self.root
    }

    pub(super) fn get(&self, path: &str) -> Option<&Scope> {
        if path.is_empty() { Some(&self.root) } else { self.below.get(path) }
    }

    pub(super) fn get_mut(&mut self, path: &str) -> Option<&mut Scope> {
        if path.is_empty() { Some(&mut self.root) } else { self.below.get_mut(path) }
    }

    /// Adds a scope below the run's own.
    pub(super) fn insert(&mut self, path: Name, scope: Scope) {
        self.below.insert(path, scope);
    }

    pub(super) fn remove(&mut self, path: &str) -> Option<Scope> {
        self.below.remove(path)
    }

    /// Removes the scope at `path` and everything below it, in order.
    pub(super) fn remove_all(&mut self, path: &str) -> Vec<Scope> {
        let from: (std::ops::Bound<&str>, std::ops::Bound<&str>) =
            (std::ops::Bound::Included(path), std::ops::Bound::Unbounded);
        let paths: Vec<Name> = self
            .below
            .range::<str, _>(from)
            .map(|(other, _)| other)
            .take_while(|other| other.starts_with(path))
            .filter(|other| other.len() == path.len() || other.as_bytes().get(path.len()) == Some(&b'/'))
            .cloned()
            .collect();
        paths.iter().filter_map(|path| self.below.remove(path.as_str())).collect()
    }

    /// All scopes by path, the run's own first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Name, &Scope)> {
        let below = self.below.iter().map(|(path, scope)| (path.clone(), scope));
        std::iter::once((Name::default(), &self.root)).chain(below)
    }
}
