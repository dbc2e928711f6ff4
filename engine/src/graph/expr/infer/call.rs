//! Types of operators and functions.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr as Node, LiteralValue, operators};

use super::super::ty::Ty;
use super::{Checker, Facts, facts_when};

/// Functions there are, for suggestions; macros included.
const FUNCTIONS: [&str; 14] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "double",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
];

impl Checker<'_> {
    pub(super) fn call(&mut self, node: &IdedExpr, call: &CallExpr, facts: &Facts) -> Ty {
        let name = call.func_name.as_str();
        match (name, call.target.as_deref(), call.args.as_slice()) {
            (operators::CONDITIONAL, None, [test, yes, no]) => self.choice(node, [test, yes, no], facts),
            (operators::LOGICAL_AND | operators::LOGICAL_OR, None, [a, b]) => {
                self.bool_operand(a, facts);
                let mut facts = facts.clone();
                facts.extend(facts_when(a, name == operators::LOGICAL_AND));
                self.bool_operand(b, &facts);
                Ty::Bool
            }
            (operators::LOGICAL_NOT, None, [a]) => {
                self.bool_operand(a, facts);
                Ty::Bool
            }
            (operators::NOT_STRICTLY_FALSE, None, [a]) => {
                self.ty(a, facts);
                Ty::Bool
            }
            (operators::EQUALS | operators::NOT_EQUALS, None, [a, b]) => self.equality(node, a, b, facts),
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                None,
                [a, b],
            ) => {
                let (left, right) = (self.sure(a, facts), self.sure(b, facts));
                // The order of words of an enum, or of durations as texts, is not what it looks like.
                let ordered = |ty: &Ty| matches!(ty, Ty::Any | Ty::String | Ty::Path | Ty::Words(_));
                let good = (left.is_number() && right.is_number()) || (ordered(&left) && ordered(&right));
                if !good {
                    self.mismatch(node, format!("{left} and {right} have no order"));
                }
                Ty::Bool
            }
            (operators::ADD, None, [a, b]) => self.add(node, a, b, facts),
            (
                operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO,
                None,
                [a, b],
            ) => {
                let (left, right) = (self.sure(a, facts), self.sure(b, facts));
                self.arithmetic(node, &left, &right, name == operators::MODULO)
            }
            (operators::NEGATE, None, [a]) => {
                let ty = self.sure(a, facts);
                if ty.is_number() {
                    ty
                } else {
                    self.mismatch(node, format!("`-` takes a number, this is {ty}"))
                }
            }
            (operators::INDEX, None, [value, index]) => self.index(node, value, index, facts),
            (operators::IN, None, [item, range]) => self.contained(node, item, range, facts),
            ("size", None, [a]) => self.size(a, facts),
            ("size", Some(a), []) => self.size(a, facts),
            ("contains" | "startsWith" | "endsWith" | "matches", Some(a), [b])
            | ("matches", None, [a, b]) => {
                if name == "matches" {
                    self.pattern(b);
                }
                for part in [a, b] {
                    let ty = self.sure(part, facts);
                    if ty.is_blob() {
                        self.blob(part, &ty);
                    } else if !ty.is_string() {
                        let hint = if matches!(ty, Ty::List(_)) { "; write `x in list`" } else { "" };
                        self.mismatch(part, format!("`{name}` takes strings, this is {ty}{hint}"));
                    }
                }
                Ty::Bool
            }
            ("string", None, [a]) => {
                let ty = self.sure(a, facts);
                let good = ty.is_string() || ty.is_number() || ty.is_bool();
                if good { Ty::String } else { self.mismatch(a, format!("{ty} cannot become a string")) }
            }
            ("int" | "double", None, [a]) => {
                let ty = self.sure(a, facts);
                if !(ty.is_string() || ty.is_number()) {
                    self.mismatch(a, format!("{ty} cannot become a number"));
                }
                if name == "int" { Ty::Int } else { Ty::Float }
            }
            _ => self.unknown(node, call, facts),
        }
    }

    fn choice(&mut self, node: &IdedExpr, [test, yes, no]: [&IdedExpr; 3], facts: &Facts) -> Ty {
        self.bool_operand(test, facts);
        let with = |outcome| facts.union(&facts_when(test, outcome)).cloned().collect::<Facts>();
        let (yes, no) = (self.ty(yes, &with(true)), self.ty(no, &with(false)));
        let text = format!("the two results differ: {yes} and {no}");
        match yes.join(no) {
            Some(ty) => ty,
            None => self.mismatch(node, text),
        }
    }

    fn bool_operand(&mut self, node: &IdedExpr, facts: &Facts) {
        let ty = self.sure(node, facts);
        if !ty.is_bool() {
            self.mismatch(node, format!("true or false is expected here, this is {ty}"));
        }
    }

    fn equality(&mut self, node: &IdedExpr, a: &IdedExpr, b: &IdedExpr, facts: &Facts) -> Ty {
        let (left, right) = (self.ty(a, facts), self.ty(b, facts));
        if left.comparable(&right) {
            return Ty::Bool;
        }
        let (left, right) = (left.present(), right.present());
        let (known, wrong, place) = match (&left, &right) {
            (Ty::Enum(known), Ty::Words(words)) => (known, words, b),
            (Ty::Words(words), Ty::Enum(known)) => (known, words, a),
            _ => {
                self.mismatch(node, format!("{left} never equals {right}"));
                return Ty::Bool;
            }
        };
        if let Some(word) = wrong.first() {
            let at = self.places.whole(place);
            let found = self.problem("E030", at, format!("`{word}` is no word of this enum"));
            found.names = Some((word.clone(), known.clone()));
        }
        Ty::Bool
    }

    /// A pattern that stands in the file must be one: a run would only find out when it comes there.
    fn pattern(&mut self, node: &IdedExpr) {
        let Node::Literal(LiteralValue::String(text)) = &node.expr else { return };
        if let Err(error) = regex::Regex::new(text.inner()) {
            let at = self.places.whole(node);
            let why = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
            let found = self.problem("E034", at, "this is no regular expression".to_owned());
            found.label = why.trim_start_matches("error: ").to_owned();
        }
    }

    fn add(&mut self, node: &IdedExpr, a: &IdedExpr, b: &IdedExpr, facts: &Facts) -> Ty {
        let (left, right) = (self.sure(a, facts), self.sure(b, facts));
        let text =
            format!("`+` takes two numbers, strings or lists of one type, these are {left} and {right}");
        match (left, right) {
            (Ty::List(a), Ty::List(b)) => match a.join(*b) {
                Some(item) => Ty::List(Box::new(item)),
                None => self.mismatch(node, text),
            },
            (Ty::Any, other) | (other, Ty::Any) => other,
            (left, right) if left.is_string() && right.is_string() => Ty::String,
            (left, right) if left.is_number() && right.is_number() => {
                self.arithmetic(node, &left, &right, false)
            }
            (left, _) if left.is_blob() => self.blob(a, &left),
            (_, right) if right.is_blob() => self.blob(b, &right),
            _ => self.mismatch(node, text),
        }
    }

    fn arithmetic(&mut self, node: &IdedExpr, left: &Ty, right: &Ty, whole: bool) -> Ty {
        match (left, right) {
            (Ty::Any, other) | (other, Ty::Any) if other.is_number() => other.clone(),
            (Ty::Int, Ty::Int) => Ty::Int,
            (Ty::Float, Ty::Float) if !whole => Ty::Float,
            (Ty::Int, Ty::Float) | (Ty::Float, Ty::Int) => {
                let at = self.places.whole(node);
                let found = self.problem("E030", at, "an int and a float are not mixed".to_owned());
                found.help = Some("write `double(x)` around the int, or `1.0` for `1`".to_owned());
                Ty::Float
            }
            _ => self.mismatch(node, format!("numbers are expected here, these are {left} and {right}")),
        }
    }

    fn index(&mut self, node: &IdedExpr, value: &IdedExpr, index: &IdedExpr, facts: &Facts) -> Ty {
        let (ty, by) = (self.sure(value, facts), self.sure(index, facts));
        match ty {
            Ty::Any => Ty::Any,
            Ty::List(item) => {
                if !matches!(by, Ty::Int | Ty::Any) {
                    self.mismatch(index, format!("a list is indexed by an int, this is {by}"));
                }
                *item
            }
            Ty::Map(item) => {
                if !by.is_string() {
                    self.mismatch(index, format!("a map is indexed by a string, this is {by}"));
                }
                *item
            }
            Ty::Record(_) | Ty::Object(_) => match &index.expr {
                Node::Literal(LiteralValue::String(field)) => self.member(index, &ty, field.inner(), false),
                _ => self.mismatch(index, format!("{ty} is not indexed; name the field")),
            },
            ty if ty.is_blob() => self.blob(node, &ty),
            ty => self.mismatch(node, format!("{ty} is not indexed")),
        }
    }

    fn contained(&mut self, node: &IdedExpr, item: &IdedExpr, range: &IdedExpr, facts: &Facts) -> Ty {
        let (ty, within) = (self.ty(item, facts), self.sure(range, facts));
        let good = match &within {
            Ty::Any => true,
            Ty::List(known) => ty.comparable(known),
            Ty::Map(_) | Ty::Object(_) => ty.is_string(),
            other if other.is_string() => {
                let at = self.places.whole(node);
                let found =
                    self.problem("E030", at, "`in` looks into a list or the keys of a map".to_owned());
                found.help = Some("for strings write `text.contains(part)`".to_owned());
                return Ty::Bool;
            }
            _ => false,
        };
        if !good {
            self.mismatch(node, format!("{within} never holds {ty}"));
        }
        Ty::Bool
    }

    fn size(&mut self, node: &IdedExpr, facts: &Facts) -> Ty {
        let ty = self.sure(node, facts);
        let sized = ty.is_string() || ty.is_blob() || matches!(ty, Ty::List(_) | Ty::Map(_) | Ty::Object(_));
        if !sized {
            self.mismatch(node, format!("{ty} has no size"));
        }
        Ty::Int
    }

    fn blob(&mut self, node: &IdedExpr, ty: &Ty) -> Ty {
        let at = self.places.whole(node);
        let found = self.problem("E033", at, format!("{ty} is not read in CEL"));
        found.help = Some("CEL knows its size and whether two are equal; a template renders it".to_owned());
        Ty::Any
    }

    fn unknown(&mut self, node: &IdedExpr, call: &CallExpr, facts: &Facts) -> Ty {
        // The parts are checked all the same, except the variables of a macro with the wrong number of arguments.
        let name = call.func_name.as_str();
        let known = FUNCTIONS.contains(&name);
        if !known {
            for part in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
                self.ty(part, facts);
            }
        }
        let at = self.places.function(node, name);
        if known {
            self.problem("E027", at, format!("`{name}` is not called like this")).help = Some(usage(name));
        } else {
            let names = FUNCTIONS.iter().map(|name| (*name).to_owned()).collect();
            self.problem("E027", at, format!("there is no function `{name}`")).names =
                Some((name.to_owned(), names));
        }
        Ty::Any
    }
}

fn usage(name: &str) -> String {
    match name {
        "size" => "`size(x)`".to_owned(),
        "has" => "`has(x.field)`".to_owned(),
        "string" | "int" | "double" => format!("`{name}(x)`"),
        "all" | "exists" | "exists_one" | "filter" => format!("`list.{name}(item, condition)`"),
        "map" => "`list.map(item, value)`".to_owned(),
        _ => format!("`text.{name}('part')`"),
    }
}
