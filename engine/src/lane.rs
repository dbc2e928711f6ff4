//! A task's stable name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `scope/node#visit`: the `visit`-th execution (from 1) of `node` in `scope`. The root scope is empty and is
/// written without the slash: `generate#2`, `compete[1]/generate#2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lane {
    /// The scope's path, empty for the run itself.
    pub scope: String,
    /// The node's name in the graph file.
    pub node: String,
    /// Counts this node's executions in its scope, from 1; never resets.
    pub visit: u32,
}

impl Lane {
    /// A lane of the run's own scope.
    #[must_use]
    pub fn root(node: &str, visit: u32) -> Self {
        Self { scope: String::new(), node: node.to_owned(), visit }
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
        Ok(Self { scope: scope.to_owned(), node: node.to_owned(), visit })
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
}
