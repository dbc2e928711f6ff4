//! A task's stable name.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that many things hold: copies share it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&String> for Name {
    fn from(text: &String) -> Self {
        Self(text.as_str().into())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        // Most comparisons are of shared names or of the empty one, and neither needs a look at the bytes.
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.len() == other.0.len() && (self.0.is_empty() || self.0 == other.0))
    }
}

impl Eq for Name {}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl PartialEq<String> for Name {
    fn eq(&self, other: &String) -> bool {
        &*self.0 == other.as_str()
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return std::cmp::Ordering::Equal;
        }
        match (self.0.is_empty(), other.0.is_empty()) {
            (false, false) => self.0.cmp(&other.0),
            (mine, theirs) => theirs.cmp(&mine),
        }
    }
}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// `scope/node#visit`: the `visit`-th execution (from 1) of `node` in `scope`. The root scope is empty and is
/// written without the slash: `generate#2`, `compete[1]/generate#2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lane {
    /// The scope's path, empty for the run itself.
    pub scope: Name,
    /// The node's name in the graph file.
    pub node: Name,
    /// Counts this node's executions in its scope, from 1; never resets.
    pub visit: u32,
}

impl Lane {
    /// A lane of the run's own scope.
    #[must_use]
    pub fn root(node: &str, visit: u32) -> Self {
        Self { scope: Name::default(), node: node.into(), visit }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scope.is_empty() {
            write!(f, "{}/", self.scope)?;
        }
        write!(f, "{}#{}", self.node, self.visit)
    }
}

impl From<Lane> for String {
    fn from(lane: Lane) -> Self {
        lane.to_string()
    }
}

impl TryFrom<String> for Lane {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("`{text}` is no lane (scope/node#visit)");
        let (scope, rest) = text.rsplit_once('/').unwrap_or(("", &text));
        let (node, visit) = rest.rsplit_once('#').ok_or_else(bad)?;
        let visit = visit.parse().map_err(|_| bad())?;
        if node.is_empty() {
            return Err(bad());
        }
        Ok(Self { scope: scope.into(), node: node.into(), visit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_reads_back_as_it_was_written() {
        for text in ["detect#1", "compete[1]/generate#2", "a[0]/b[2]/c#10"] {
            assert_eq!(Lane::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        assert!(Lane::try_from("detect".to_owned()).is_err());
    }

    #[test]
    fn names_compare_as_their_texts_do() {
        let texts = ["", "a", "ab", "b", ""];
        for a in texts {
            for b in texts {
                let (x, y) = (Name::from(a), Name::from(b));
                assert_eq!((x == y, x.cmp(&y)), (a == b, a.cmp(b)), "{a:?} {b:?}");
            }
        }
    }
}
