//! Through the tree of a template, with the type of everything that can be told.

mod facts;

use std::collections::BTreeSet;
use std::ops::Range;

use minijinja::machinery::Span;
use minijinja::machinery::ast::{
    BinOpKind, Call, CallArg, CallType, Expr, Filter, ForLoop, Stmt, UnaryOpKind,
};
use minijinja::value::ValueKind;

use super::super::super::expr::infer::Problem;
use super::super::super::expr::ty::Ty;
use facts::{Facts, path, when};

/// Functions that Jinja has here.
const FUNCTIONS: [&str; 4] = ["range", "dict", "namespace", "debug"];

/// A walk over one template.
pub(super) struct Walk<'t> {
    text: &'t str,
    roots: Vec<(String, Ty)>,
    /// What loops and `set` name, the innermost last.
    locals: Vec<(String, Ty)>,
    /// Variables that were reported.
    told: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl<'t> Walk<'t> {
    /// What is wrong with the statements of the template `text`, over variables of these types.
    pub(super) fn over(text: &'t str, roots: Vec<(String, Ty)>, statements: &[Stmt<'_>]) -> Vec<Problem> {
        let mut walk = Self { text, roots, locals: Vec::new(), told: BTreeSet::new(), problems: Vec::new() };
        walk.block(statements, &Facts::new());
        walk.problems
    }

    fn problem(&mut self, code: &'static str, at: Range<usize>, message: String) -> &mut Problem {
        let next = self.problems.len();
        self.problems.push(Problem { code, at, message, label: String::new(), help: None, names: None });
        &mut self.problems[next]
    }

    fn block(&mut self, statements: &[Stmt<'_>], facts: &Facts) {
        for statement in statements {
            self.statement(statement, facts);
        }
    }

    /// A block whose names are gone after it.
    fn inner(&mut self, statements: &[Stmt<'_>], facts: &Facts, locals: usize) {
        self.block(statements, facts);
        self.locals.truncate(locals);
    }

    fn statement(&mut self, statement: &Stmt<'_>, facts: &Facts) {
        match statement {
            Stmt::EmitExpr(emit) => {
                self.ty(&emit.expr, facts);
            }
            Stmt::ForLoop(each) => self.each(each, facts),
            Stmt::IfCond(choice) => {
                self.ty(&choice.expr, facts);
                self.block(&choice.true_body, &when(&choice.expr, true, facts));
                self.block(&choice.false_body, &when(&choice.expr, false, facts));
            }
            Stmt::WithBlock(with) => {
                let locals = self.locals.len();
                for (target, value) in &with.assignments {
                    let ty = self.ty(value, facts);
                    self.bind(target, ty);
                }
                self.inner(&with.body, facts, locals);
            }
            Stmt::Set(set) => {
                let ty = self.ty(&set.expr, facts);
                self.bind(&set.target, ty);
            }
            Stmt::SetBlock(set) => {
                self.block(&set.body, facts);
                self.bind(&set.target, Ty::String);
            }
            Stmt::AutoEscape(part) => self.block(&part.body, facts),
            Stmt::FilterBlock(part) => self.block(&part.body, facts),
            Stmt::Do(part) => {
                self.called(&part.call, span(part.call.span()), facts);
            }
            Stmt::EmitRaw(_) | Stmt::Template(_) => {}
            Stmt::Block(_) | Stmt::Import(_) | Stmt::FromImport(_) | Stmt::Extends(_) | Stmt::Include(_) => {
                let at = span(match statement {
                    Stmt::Block(part) => part.span(),
                    Stmt::Import(part) => part.span(),
                    Stmt::FromImport(part) => part.span(),
                    Stmt::Extends(part) => part.span(),
                    Stmt::Include(part) => part.span(),
                    _ => return,
                });
                let message = "there are no blocks, includes, imports and inheritance here".to_owned();
                self.problem("E035", at, message).help = Some("a template is whole by itself".to_owned());
            }
        }
    }

    fn each(&mut self, each: &ForLoop<'_>, facts: &Facts) {
        let list = self.sure(&each.iter, facts);
        let item = match &list {
            Ty::List(item) => item.as_ref().clone(),
            Ty::Map(_) | Ty::Record(_) | Ty::Object(_) => Ty::String,
            Ty::Any => Ty::Any,
            other => {
                let at = span(each.iter.span());
                self.problem("E030", at, format!("a loop goes over a list, this is {other}"));
                Ty::Any
            }
        };
        let locals = self.locals.len();
        self.locals.push(("loop".to_owned(), Ty::Any));
        self.bind(&each.target, item);
        let mut inside = facts.clone();
        if let Some(filter) = &each.filter_expr {
            self.ty(filter, facts);
            inside = when(filter, true, facts);
        }
        self.inner(&each.body, &inside, locals);
        self.block(&each.else_body, facts);
    }

    /// Names `ty` as `target` says: one name, or several for its parts.
    fn bind(&mut self, target: &Expr<'_>, ty: Ty) {
        match target {
            Expr::Var(name) => self.locals.push((name.id.to_owned(), ty)),
            Expr::Tuple(parts) => parts.items.iter().for_each(|part| self.bind(part, Ty::Any)),
            Expr::List(parts) => parts.items.iter().for_each(|part| self.bind(part, Ty::Any)),
            _ => {}
        }
    }

    /// The type of `expr`, which may not be null.
    fn sure(&mut self, expr: &Expr<'_>, facts: &Facts) -> Ty {
        let ty = self.ty(expr, facts);
        if !matches!(ty, Ty::Optional(_) | Ty::Null) {
            return ty;
        }
        let at = span(expr.span());
        let text = self.text.get(at.clone()).unwrap_or_default().to_owned();
        let test = path(expr).is_some();
        let found = self.problem("E032", at, format!("`{text}` may be null"));
        found.label = ty.to_string();
        found.help = test.then(|| format!("test it first: `{{% if {text} %}}…{{% endif %}}`"));
        match ty {
            Ty::Optional(inner) => inner.present(),
            _ => Ty::Any,
        }
    }

    /// The type of `expr`, with null taken away where a test was made before.
    fn ty(&mut self, expr: &Expr<'_>, facts: &Facts) -> Ty {
        match self.raw(expr, facts) {
            Ty::Optional(inner) if path(expr).is_some_and(|path| facts.contains(&path)) => *inner,
            ty => ty,
        }
    }

    fn raw(&mut self, expr: &Expr<'_>, facts: &Facts) -> Ty {
        match expr {
            Expr::Var(name) => self.variable(name.id, span(name.span())),
            Expr::Const(value) => match value.value.kind() {
                ValueKind::None => Ty::Null,
                ValueKind::Bool => Ty::Bool,
                ValueKind::String => Ty::String,
                ValueKind::Number if value.value.is_integer() => Ty::Int,
                ValueKind::Number => Ty::Float,
                _ => Ty::Any,
            },
            Expr::GetAttr(get) => {
                let whole = span(get.span());
                let ty = self.sure(&get.expr, facts);
                self.member(&ty, get.name, self.name_in(&whole, get.name))
            }
            Expr::GetItem(get) => {
                let ty = self.sure(&get.expr, facts);
                self.ty(&get.subscript_expr, facts);
                match (&ty, &get.subscript_expr) {
                    (Ty::List(item) | Ty::Map(item), _) => item.as_ref().clone(),
                    (Ty::Record(_), Expr::Const(key)) => match key.value.as_str() {
                        Some(name) => self.member(&ty, name, span(get.subscript_expr.span())),
                        None => Ty::Any,
                    },
                    _ => Ty::Any,
                }
            }
            Expr::Slice(slice) => {
                for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.ty(part, facts);
                }
                self.sure(&slice.expr, facts)
            }
            Expr::UnaryOp(op) => match op.op {
                UnaryOpKind::Not => {
                    self.ty(&op.expr, facts);
                    Ty::Bool
                }
                UnaryOpKind::Neg => self.sure(&op.expr, facts),
            },
            Expr::BinOp(op) => {
                let left = self.ty(&op.left, facts);
                match op.op {
                    BinOpKind::ScAnd => {
                        let right = self.ty(&op.right, &when(&op.left, true, facts));
                        left.join(right).unwrap_or(Ty::Any)
                    }
                    BinOpKind::ScOr => {
                        let right = self.ty(&op.right, &when(&op.left, false, facts));
                        left.present().join(right).unwrap_or(Ty::Any)
                    }
                    BinOpKind::Concat => {
                        self.ty(&op.right, facts);
                        Ty::String
                    }
                    BinOpKind::Add
                    | BinOpKind::Sub
                    | BinOpKind::Mul
                    | BinOpKind::Div
                    | BinOpKind::FloorDiv
                    | BinOpKind::Rem
                    | BinOpKind::Pow => {
                        let right = self.ty(&op.right, facts);
                        left.join(right).unwrap_or(Ty::Any)
                    }
                    _ => {
                        self.ty(&op.right, facts);
                        Ty::Bool
                    }
                }
            }
            Expr::Compare(compare) => {
                self.ty(&compare.expr, facts);
                for op in &compare.ops {
                    self.ty(&op.expr, facts);
                }
                Ty::Bool
            }
            Expr::IfExpr(choice) => {
                self.ty(&choice.test_expr, facts);
                let yes = self.ty(&choice.true_expr, &when(&choice.test_expr, true, facts));
                let no = choice.false_expr.as_ref();
                let no = no.map(|no| self.ty(no, &when(&choice.test_expr, false, facts)));
                no.and_then(|no| yes.join(no)).unwrap_or(Ty::Any)
            }
            Expr::Filter(filter) => self.filtered(filter, facts),
            Expr::Test(test) => {
                if matches!(test.name, "defined" | "undefined") {
                    self.loose(&test.expr, facts);
                } else {
                    self.ty(&test.expr, facts);
                }
                self.arguments(&test.args, facts);
                Ty::Bool
            }
            Expr::Call(call) => self.called(call, span(call.span()), facts),
            Expr::List(list) => {
                let items: Vec<Ty> = list.items.iter().map(|item| self.ty(item, facts)).collect();
                let all = items.into_iter().try_fold(Ty::Never, Ty::join);
                Ty::List(Box::new(all.unwrap_or(Ty::Any)))
            }
            Expr::Tuple(tuple) => {
                for item in &tuple.items {
                    self.ty(item, facts);
                }
                Ty::Any
            }
            Expr::Map(map) => {
                for part in map.keys.iter().chain(&map.values) {
                    self.ty(part, facts);
                }
                Ty::Any
            }
        }
    }

    /// What a test or a filter looks at that takes nothing for an answer.
    fn loose(&mut self, expr: &Expr<'_>, facts: &Facts) -> Ty {
        let Expr::GetAttr(get) = expr else { return self.ty(expr, facts) };
        let ty = self.loose(&get.expr, facts).present();
        let ty = if ty == Ty::Null { Ty::Any } else { ty };
        let found = self.member(&ty, get.name, self.name_in(&span(get.span()), get.name));
        Ty::Optional(Box::new(found.present()))
    }

    fn variable(&mut self, name: &str, at: Range<usize>) -> Ty {
        let known = self.locals.iter().rev().chain(&self.roots).find(|(known, _)| known == name);
        if let Some((_, ty)) = known {
            return ty.clone();
        }
        if FUNCTIONS.contains(&name) || !self.told.insert(name.to_owned()) {
            return Ty::Any;
        }
        let locals = self.locals.iter().map(|(name, _)| name.clone());
        let names = self.roots.iter().map(|(name, _)| name.clone()).chain(locals).collect();
        self.problem("E024", at, format!("the template has no variable `{name}`")).names =
            Some((name.to_owned(), names));
        Ty::Any
    }

    /// The type of the field `name` of `ty`.
    fn member(&mut self, ty: &Ty, name: &str, at: Range<usize>) -> Ty {
        let names = match ty {
            Ty::Any => return Ty::Any,
            Ty::Map(item) => return item.as_ref().clone(),
            Ty::Record(record) => {
                if let Some(field) = record.fields.get(name) {
                    return Ty::from(&field.ty);
                }
                record.fields.keys().cloned().collect()
            }
            Ty::Object(fields) => {
                if let Some((_, ty)) = fields.iter().find(|(known, _)| known == name) {
                    return ty.clone();
                }
                fields.iter().map(|(known, _)| known.clone()).collect()
            }
            _ => Vec::new(),
        };
        self.problem("E025", at, format!("{ty} has no field `{name}`")).names =
            Some((name.to_owned(), names));
        Ty::Any
    }

    fn filtered(&mut self, filter: &Filter<'_>, facts: &Facts) -> Ty {
        self.arguments(&filter.args, facts);
        let Some(expr) = &filter.expr else { return Ty::Any };
        if matches!(filter.name, "default" | "d") {
            return self.loose(expr, facts).present();
        }
        let ty = self.ty(expr, facts);
        match filter.name {
            "length" | "count" | "int" => Ty::Int,
            "float" | "round" => Ty::Float,
            "upper" | "lower" | "title" | "capitalize" | "trim" | "replace" | "indent" | "join"
            | "string" | "escape" | "e" | "tojson" | "pprint" | "urlencode" | "format" => Ty::String,
            "first" | "last" | "min" | "max" => match ty {
                Ty::List(item) => *item,
                _ => Ty::Any,
            },
            "list" | "sort" | "reverse" | "unique" | "select" | "reject" | "selectattr" | "rejectattr" => {
                match ty {
                    list @ Ty::List(_) => list,
                    _ => Ty::Any,
                }
            }
            _ => Ty::Any,
        }
    }

    fn called(&mut self, call: &Call<'_>, at: Range<usize>, facts: &Facts) -> Ty {
        self.arguments(&call.args, facts);
        match call.identify_call() {
            CallType::Function(name)
                if self.locals.iter().chain(&self.roots).all(|(known, _)| known != name) =>
            {
                if !FUNCTIONS.contains(&name) {
                    let at = at.start..at.start + name.len();
                    let known = FUNCTIONS.map(str::to_owned).to_vec();
                    self.problem("E027", at, format!("there is no function `{name}`")).names =
                        Some((name.to_owned(), known));
                }
                if name == "range" { Ty::List(Box::new(Ty::Int)) } else { Ty::Any }
            }
            CallType::Method(of, name) => {
                let ty = self.ty(of, facts);
                if ty != Ty::Any {
                    let end = span(of.span()).end + 1 + name.len();
                    let at = end - name.len()..end;
                    let found = self.problem("E027", at, format!("{ty} has no method `{name}`"));
                    found.help = Some(format!("a template has filters: `… | {name}`"));
                }
                Ty::Any
            }
            _ => {
                self.ty(&call.expr, facts);
                Ty::Any
            }
        }
    }

    fn arguments(&mut self, args: &[CallArg<'_>], facts: &Facts) {
        for arg in args {
            match arg {
                CallArg::Pos(expr)
                | CallArg::Kwarg(_, expr)
                | CallArg::PosSplat(expr)
                | CallArg::KwargSplat(expr) => self.ty(expr, facts),
            };
        }
    }

    /// The place of `name` at the end of `whole`; all of it where it stands elsewhere.
    fn name_in(&self, whole: &Range<usize>, name: &str) -> Range<usize> {
        let text = self.text.get(whole.clone()).unwrap_or_default();
        match text.rfind(name) {
            Some(at) => whole.start + at..whole.start + at + name.len(),
            None => whole.clone(),
        }
    }
}

fn span(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}
