//! Type inference over the tree of an expression, with the place of everything it finds.
//!
//! `cel` has no checker of its own. Macros are expanded by its parser, so `all`, `map` and the like arrive as
//! comprehensions, which are inferred as the folds they are.

mod call;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cel::IdedExpr;
use cel::common::ast::{
    ComprehensionExpr, EntryExpr, Expr as Node, LiteralValue, MapExpr, SelectExpr, operators,
};

use super::Parsed;
use super::ty::Ty;
use crate::types::Type;

/// What a name means where an expression stands.
pub(crate) trait Scope {
    /// The type of `name`: nothing when there is no such variable, `Some(None)` when its declaration is broken.
    fn variable(&self, name: &str) -> Option<Option<Type>>;
    /// All names, for suggestions.
    fn names(&self) -> Vec<String>;
}

/// Something wrong in an expression.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    /// Bytes of the expression.
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
    pub(crate) label: String,
    pub(crate) help: Option<String>,
    /// The wrong name and the known ones.
    pub(crate) names: Option<(String, Vec<String>)>,
}

/// What is known of an expression.
pub(crate) struct Inferred {
    pub(crate) ty: Ty,
    pub(crate) problems: Vec<Problem>,
    /// Variables it reads, each with its first place and the field read of it, if only one is.
    pub(crate) reads: BTreeMap<String, Range<usize>>,
    /// Members read of `inputs`.
    pub(crate) inputs: BTreeSet<String>,
    /// `inputs` is read as a whole.
    pub(crate) all_inputs: bool,
    /// The declared types of what it reads.
    pub(crate) types: BTreeMap<String, Type>,
    /// `has(…)` nodes that ask a record's optional field.
    pub(crate) present: Vec<u64>,
}

/// Infers the type of `parsed`, which was parsed from `source`.
pub(crate) fn infer(parsed: &Parsed, source: &str, scope: &dyn Scope) -> Inferred {
    let mut checker = Checker {
        scope,
        places: place::Places::new(parsed, source),
        locals: Vec::new(),
        out: Inferred {
            ty: Ty::Any,
            problems: Vec::new(),
            reads: BTreeMap::new(),
            inputs: BTreeSet::new(),
            all_inputs: false,
            types: BTreeMap::new(),
            present: Vec::new(),
        },
    };
    let ty = checker.ty(&parsed.tree, &Facts::new());
    checker.out.ty = ty;
    checker.out
}

/// Paths that are known not to be null here: `output.error`, `frames[0].path`.
type Facts = BTreeSet<String>;

struct Checker<'a> {
    scope: &'a dyn Scope,
    places: place::Places<'a>,
    /// Variables of comprehensions, the innermost last.
    locals: Vec<(String, Ty)>,
    out: Inferred,
}

impl Checker<'_> {
    fn problem(&mut self, code: &'static str, at: Range<usize>, message: String) -> &mut Problem {
        let next = self.out.problems.len();
        self.out.problems.push(Problem { code, at, message, label: String::new(), help: None, names: None });
        &mut self.out.problems[next]
    }

    fn mismatch(&mut self, node: &IdedExpr, message: String) -> Ty {
        let at = self.places.whole(node);
        self.problem("E030", at, message);
        Ty::Any
    }

    /// The type of `node`, with null taken away where a test was made before.
    fn ty(&mut self, node: &IdedExpr, facts: &Facts) -> Ty {
        let ty = self.raw(node, facts);
        match ty {
            Ty::Optional(inner) if path(node).is_some_and(|path| facts.contains(&path)) => *inner,
            ty => ty,
        }
    }

    /// The type of `node`, which may not be null.
    fn sure(&mut self, node: &IdedExpr, facts: &Facts) -> Ty {
        match self.ty(node, facts) {
            ty @ (Ty::Optional(_) | Ty::Null) => {
                let at = self.places.whole(node);
                let text = self.places.text(&at);
                let test = path(node).map(|_| text.clone());
                let found = self.problem("E032", at, format!("`{text}` may be null"));
                found.label = format!("{ty}");
                found.help = test
                    .map(|test| format!("test it first: `{test} != null && …`, or `{test} == null ? … : …`"));
                match ty {
                    Ty::Optional(inner) => inner.present(),
                    _ => Ty::Any,
                }
            }
            ty => ty,
        }
    }

    fn raw(&mut self, node: &IdedExpr, facts: &Facts) -> Ty {
        match &node.expr {
            Node::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Ty::Bool,
                LiteralValue::Double(_) => Ty::Float,
                LiteralValue::Int(_) | LiteralValue::UInt(_) => Ty::Int,
                LiteralValue::Null => Ty::Null,
                LiteralValue::String(text) => Ty::Words(vec![text.inner().to_owned()]),
                LiteralValue::Bytes(_) => self.mismatch(node, "graphs have no bytes".to_owned()),
            },
            Node::Ident(name) => self.variable(node, name),
            Node::Select(select) => self.select(node, select, facts),
            Node::Call(call) => self.call(node, call, facts),
            Node::List(list) => {
                let mut all = Ty::Never;
                for item in &list.elements {
                    let ty = self.ty(item, facts);
                    let text = format!("the list holds {all} and {ty}");
                    all = match all.join(ty) {
                        Some(ty) => ty,
                        None => self.mismatch(item, text),
                    };
                }
                Ty::List(Box::new(all))
            }
            Node::Map(map) => self.map(map, facts),
            Node::Comprehension(fold) => self.fold(fold, facts),
            Node::Struct(_) => {
                self.mismatch(node, "graphs have no typed messages; write `{'key': value}`".to_owned())
            }
            Node::Unspecified => Ty::Any,
        }
    }

    fn variable(&mut self, node: &IdedExpr, name: &str) -> Ty {
        if let Some((_, ty)) = self.locals.iter().rev().find(|(known, _)| known == name) {
            return ty.clone();
        }
        let at = self.places.token(node);
        match self.scope.variable(name) {
            Some(ty) => {
                self.out.reads.entry(name.to_owned()).or_insert(at);
                if name == "inputs" {
                    self.out.all_inputs = true;
                }
                let Some(ty) = ty else { return Ty::Any };
                let known = Ty::from(&ty);
                self.out.types.insert(name.to_owned(), ty);
                known
            }
            None => {
                let mut names = self.scope.names();
                names.extend(
                    self.locals.iter().map(|(name, _)| name.clone()).filter(|name| !name.starts_with('@')),
                );
                let found = self.problem("E024", at, format!("there is no variable `{name}`"));
                found.names = Some((name.to_owned(), names));
                Ty::Any
            }
        }
    }

    fn select(&mut self, node: &IdedExpr, select: &SelectExpr, facts: &Facts) -> Ty {
        // `inputs.x` reads one input, not all of them.
        let whole_before = self.out.all_inputs;
        let of_inputs = matches!(&select.operand.expr, Node::Ident(name) if name == "inputs")
            && !self.locals.iter().any(|(known, _)| known == "inputs");
        let operand = self.sure(&select.operand, facts);
        if of_inputs {
            self.out.all_inputs = whole_before;
            self.out.inputs.insert(select.field.clone());
        }
        let ty = self.member(node, &operand, &select.field, of_inputs);
        if select.test {
            if matches!(operand, Ty::Record(_)) {
                self.out.present.push(node.id);
            }
            return Ty::Bool;
        }
        ty
    }

    /// The type of `field` in `ty`.
    fn member(&mut self, node: &IdedExpr, ty: &Ty, field: &str, of_inputs: bool) -> Ty {
        let at = self.places.member(node, field);
        match ty {
            Ty::Any => Ty::Any,
            Ty::Record(record) => {
                if let Some(known) = record.fields.get(field) {
                    return Ty::from(&known.ty);
                }
                let names = record.fields.keys().cloned().collect();
                let (code, message) = if of_inputs {
                    ("E023", format!("there is no input `{field}`"))
                } else {
                    ("E025", format!("{ty} has no field `{field}`"))
                };
                self.problem(code, at, message).names = Some((field.to_owned(), names));
                Ty::Any
            }
            Ty::Map(item) => item.as_ref().clone(),
            Ty::Object(fields) => match fields.iter().find(|(known, _)| known == field) {
                Some((_, ty)) => ty.clone(),
                None => {
                    let names = fields.iter().map(|(name, _)| name.clone()).collect();
                    let found = self.problem("E025", at, format!("the map has no key `{field}`"));
                    found.names = Some((field.to_owned(), names));
                    Ty::Any
                }
            },
            blob if blob.is_blob() => {
                let found = self.problem("E033", at, format!("{blob} has no fields"));
                found.help =
                    Some("CEL knows its size and whether two are equal; a template renders it".to_owned());
                Ty::Any
            }
            other => {
                self.problem("E025", at, format!("{other} has no fields"));
                Ty::Any
            }
        }
    }

    fn map(&mut self, map: &MapExpr, facts: &Facts) -> Ty {
        let mut fields = Vec::new();
        let mut literal = true;
        let mut all = Ty::Never;
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            let key = self.sure(&entry.key, facts);
            let value = self.ty(&entry.value, facts);
            if !key.is_string() {
                self.mismatch(&entry.key, format!("a key of a map is a string, this is {key}"));
            }
            match &entry.key.expr {
                Node::Literal(LiteralValue::String(name)) => {
                    fields.push((name.inner().to_owned(), value.clone()))
                }
                _ => literal = false,
            }
            all = all.join(value).unwrap_or(Ty::Any);
        }
        if literal { Ty::Object(fields) } else { Ty::Map(Box::new(all)) }
    }

    /// A comprehension: `accu` starts as `accu_init`, and each item of the range steps it.
    fn fold(&mut self, fold: &ComprehensionExpr, facts: &Facts) -> Ty {
        let range = self.sure(&fold.iter_range, facts);
        let item = match range {
            Ty::Any => Ty::Any,
            Ty::List(item) => *item,
            Ty::Map(_) | Ty::Object(_) => Ty::String,
            Ty::Record(_) => {
                self.mismatch(&fold.iter_range, format!("{range} is a record, not a list or a map"))
            }
            other => self.mismatch(&fold.iter_range, format!("{other} is not a list or a map")),
        };
        let start = self.ty(&fold.accu_init, facts);
        // What was known of an outer variable of the same name does not hold for this one.
        let root = |fact: &str| fact.split(['.', '[']).next() == Some(fold.iter_var.as_str());
        let facts: Facts = facts.iter().filter(|fact| !root(fact)).cloned().collect();
        let depth = self.locals.len();
        self.locals.push((fold.iter_var.clone(), item));
        self.locals.push((fold.accu_var.clone(), start.clone()));
        let step = self.ty(&fold.loop_step, &facts);
        let all = start.join(step).unwrap_or(Ty::Any);
        self.locals.truncate(depth + 1);
        self.locals.push((fold.accu_var.clone(), all));
        let result = self.ty(&fold.result, &facts);
        self.locals.truncate(depth);
        result
    }
}

/// The path of a variable, member or literal index; the same value each time within one evaluation.
fn path(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Node::Ident(name) => Some(name.clone()),
        Node::Select(select) if !select.test => Some(format!("{}.{}", path(&select.operand)?, select.field)),
        Node::Call(call) if call.func_name == operators::INDEX && call.args.len() == 2 => {
            let index = match &call.args[1].expr {
                Node::Literal(LiteralValue::Int(i)) => i.inner().to_string(),
                Node::Literal(LiteralValue::String(s)) => format!("{:?}", s.inner()),
                _ => return None,
            };
            Some(format!("{}[{index}]", path(&call.args[0])?))
        }
        _ => None,
    }
}

/// Paths that are not null when `node` is `outcome`.
fn facts_when(node: &IdedExpr, outcome: bool) -> Facts {
    let mut facts = Facts::new();
    match &node.expr {
        Node::Select(select) if select.test && outcome => {
            facts.extend(path(&select.operand).map(|path| format!("{path}.{}", select.field)));
        }
        Node::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, [a, b]) if outcome => {
                facts = facts_when(a, true);
                facts.extend(facts_when(b, true));
            }
            (operators::LOGICAL_OR, [a, b]) if !outcome => {
                facts = facts_when(a, false);
                facts.extend(facts_when(b, false));
            }
            (operators::LOGICAL_NOT, [a]) => facts = facts_when(a, !outcome),
            (operators::NOT_EQUALS, [a, b]) if outcome => {
                if is_null(b) {
                    facts.extend(path(a));
                } else if is_null(a) {
                    facts.extend(path(b));
                }
            }
            (operators::EQUALS, [a, b]) => {
                // `x == null` tells when it is false, `x == 'word'` when it is true.
                let tells = |literal: &IdedExpr| matches!(&literal.expr, Node::Literal(value) if matches!(value, LiteralValue::Null) != outcome);
                if tells(b) {
                    facts.extend(path(a));
                } else if tells(a) {
                    facts.extend(path(b));
                }
            }
            _ => {}
        },
        _ => {}
    }
    facts
}

fn is_null(node: &IdedExpr) -> bool {
    matches!(node.expr, Node::Literal(LiteralValue::Null))
}
