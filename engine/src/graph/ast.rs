//! The graph file after its shape was checked, before its meaning is: names are not resolved, places are kept.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value;

use super::model::{At, Failed, Limits, ModelRole, Outcome, Reducer, RetryPolicy};
use super::yaml::{Node, Span};
use crate::types::Type;

/// A name and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// Something declared under a key.
#[derive(Debug)]
pub(crate) struct Decl<T> {
    /// The key's place.
    pub(crate) span: Span,
    pub(crate) value: T,
}

/// Declarations by name, in the file's order.
pub(crate) type Decls<T> = IndexMap<String, Decl<T>>;

/// A whole file. Types are nothing where they could not be read; that was reported and silences what follows.
#[derive(Debug)]
pub(crate) struct Ast<'y> {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) inputs: Decls<Option<Type>>,
    pub(crate) models: Decls<ModelRole>,
    pub(crate) types: Decls<Type>,
    /// Types of `types:` that something mentions.
    pub(crate) types_used: BTreeSet<String>,
    pub(crate) state: Decls<(Option<Type>, Reducer)>,
    pub(crate) limits: Limits,
    pub(crate) limits_exhausted: Option<Name>,
    pub(crate) ends: Decls<(Outcome, Option<Value1<'y>>)>,
    pub(crate) start: Option<Name>,
    pub(crate) nodes: Decls<NodeAst<'y>>,
    /// The type that its ends give, where it says.
    pub(crate) returns: Option<Decl<Option<Type>>>,
    /// The graphs that nodes call: those under `graphs:`, and those in files of their own. Of the outermost only.
    pub(crate) graphs: Decls<Self>,
    /// Which file it stands in: 0 the graph's own, then the graphs beside it.
    pub(crate) file: usize,
    /// What the file gives every node of a kind.
    pub(crate) defaults: Decls<()>,
    /// A section of names could not be read: an unknown target may be one of them.
    pub(crate) partial: bool,
    /// Names that the file has under `nodes` and `ends`, also of those that could not be read.
    pub(crate) broken: Vec<String>,
}

/// CEL that is not parsed yet.
#[derive(Debug, Clone)]
pub(crate) struct Cel<'y> {
    pub(crate) text: String,
    /// The scalar it stands in.
    pub(crate) node: &'y Node,
    /// Where it begins in the scalar's text.
    pub(crate) offset: usize,
}

/// A value of `with`, `writes` or an end's `output`.
#[derive(Debug, Clone)]
pub(crate) struct Value1<'y> {
    pub(crate) node: &'y Node,
    pub(crate) data: ValueData<'y>,
}

/// What a [`Value1`] holds.
#[derive(Debug, Clone)]
pub(crate) enum ValueData<'y> {
    Literal(Value),
    Cel(Cel<'y>),
    List(Vec<Value1<'y>>),
    Map(Vec<(String, Value1<'y>)>),
}

/// A node.
#[derive(Debug)]
pub(crate) struct NodeAst<'y> {
    pub(crate) kind: Name,
    pub(crate) description: String,
    /// Whether this program has the kind.
    pub(crate) known: bool,
    pub(crate) does: DoesAst<'y>,
    pub(crate) with: Vec<(Name, Value1<'y>)>,
    pub(crate) writes: Vec<WriteAst<'y>>,
    pub(crate) literals: Vec<(Name, Value)>,
    pub(crate) conditions: Vec<(Name, Cel<'y>)>,
    pub(crate) model: Option<Name>,
    pub(crate) returns: Option<Type>,
    pub(crate) template: Option<TemplateAst<'y>>,
    pub(crate) retry: RetryPolicy,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) on_error: Option<OnErrorAst<'y>>,
    pub(crate) interrupt: Option<InterruptAst<'y>>,
    pub(crate) next: Option<NextAst<'y>>,
}

/// What a node does when it is entered.
#[derive(Debug)]
pub(crate) enum DoesAst<'y> {
    Run,
    /// Nothing: the graph is not named.
    Call(Option<Name>),
    Map(MapAst<'y>),
}

impl DoesAst<'_> {
    /// The graph that it calls.
    pub(crate) fn graph(&self) -> Option<&Name> {
        match self {
            DoesAst::Run => None,
            DoesAst::Call(graph) => graph.as_ref(),
            DoesAst::Map(map) => map.graph.as_ref(),
        }
    }

    pub(crate) fn graph_mut(&mut self) -> Option<&mut Name> {
        match self {
            DoesAst::Run => None,
            DoesAst::Call(graph) => graph.as_mut(),
            DoesAst::Map(map) => map.graph.as_mut(),
        }
    }
}

/// A call for every item of a list.
#[derive(Debug)]
pub(crate) struct MapAst<'y> {
    pub(crate) graph: Option<Name>,
    pub(crate) over: Option<Cel<'y>>,
    pub(crate) parallel: u32,
    pub(crate) failed: Failed,
}

/// One entry of `writes`.
#[derive(Debug)]
pub(crate) struct WriteAst<'y> {
    pub(crate) key: Name,
    pub(crate) value: Value1<'y>,
    /// The place of `overwrite`, where the value is `{overwrite: VALUE}`.
    pub(crate) overwrite: Option<Span>,
}

/// Where a node leads when it fails.
#[derive(Debug)]
pub(crate) struct OnErrorAst<'y> {
    pub(crate) to: Name,
    pub(crate) writes: Vec<WriteAst<'y>>,
}

/// A point at which a person is asked.
#[derive(Debug)]
pub(crate) struct InterruptAst<'y> {
    pub(crate) at: At,
    pub(crate) when: Option<Cel<'y>>,
    pub(crate) ask: Option<Value1<'y>>,
    /// Nothing: it could not be read.
    pub(crate) answer: Option<Type>,
}

/// A template and what its kind adds to the variables.
#[derive(Debug)]
pub(crate) struct TemplateAst<'y> {
    pub(crate) node: &'y Node,
    pub(crate) text: String,
    /// Where the text begins, where it is a file of its own.
    pub(crate) file: Option<usize>,
    pub(crate) variables: &'static [(&'static str, Type)],
}

impl TemplateAst<'_> {
    /// The place of bytes of the template.
    pub(crate) fn span(&self, source: &str, at: std::ops::Range<usize>) -> Span {
        if let Some(start) = self.file {
            return start + at.start..start + at.end.max(at.start + 1);
        }
        let start = self.node.locate(source, at.start);
        start..self.node.locate(source, at.end).max(start + 1)
    }
}

/// Where a node leads.
#[derive(Debug)]
pub(crate) enum NextAst<'y> {
    Go(StepAst),
    Choose(Vec<ArmAst<'y>>),
    Switch(SwitchAst<'y>),
    Goto { name: Cel<'y>, among: Vec<Name> },
}

/// A choice by a word.
#[derive(Debug)]
pub(crate) struct SwitchAst<'y> {
    pub(crate) on: Cel<'y>,
    pub(crate) cases: Vec<(Name, StepAst)>,
    pub(crate) otherwise: Option<(Span, StepAst)>,
}

/// One arm of a choice.
#[derive(Debug)]
pub(crate) struct ArmAst<'y> {
    pub(crate) span: Span,
    /// Nothing: it always matches.
    pub(crate) when: Option<Cel<'y>>,
    pub(crate) step: StepAst,
}

/// Where an arm leads.
#[derive(Debug, Clone)]
pub(crate) enum StepAst {
    To(Name),
    Fork(Vec<Name>),
    Retry { head: Name, max_attempts: u32, exhausted: Name },
}

impl NextAst<'_> {
    /// Every step that may be taken.
    pub(crate) fn steps(&self) -> Vec<StepAst> {
        match self {
            NextAst::Go(step) => vec![step.clone()],
            NextAst::Choose(arms) => arms.iter().map(|arm| arm.step.clone()).collect(),
            NextAst::Switch(switch) => {
                let cases = switch.cases.iter().map(|(_, step)| step.clone());
                cases.chain(switch.otherwise.iter().map(|(_, step)| step.clone())).collect()
            }
            NextAst::Goto { among, .. } => among.iter().cloned().map(StepAst::To).collect(),
        }
    }
}

impl Cel<'_> {
    /// The place of bytes of the expression in the file.
    pub(crate) fn span(&self, source: &str, at: std::ops::Range<usize>) -> Span {
        let start = self.node.locate(source, self.offset + at.start);
        let end = self.node.locate(source, self.offset + at.end);
        if start == self.node.span.start && self.offset + at.start > 0 {
            // Escapes make the inner place unclear: the whole scalar is meant.
            return self.node.span.clone();
        }
        start..end.max(start + 1)
    }
}
