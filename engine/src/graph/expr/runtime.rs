//! Evaluation: the one environment of the process, our functions, and the rewriting that makes it deterministic.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr as Node, LiteralValue, operators};
use cel::common::types::{self, CelInt, CelList, CelMap, CelNull, CelString, Type as CelType};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, IdedExpr};
use serde_json::Value;

use super::Lookup;
use super::convert::{member, to_cel, to_json};
use super::part::{marked, to_part};
use crate::types::Type;

/// The most items that the comprehensions of one evaluation may visit, all loops together.
const MAX_ITEMS: usize = 100_000;

thread_local! {
    /// What is left of [`MAX_ITEMS`] in the evaluation of this thread.
    static ITEMS: Cell<usize> = const { Cell::new(MAX_ITEMS) };
}

/// The function that stands before every range of a comprehension.
const SORTED: &str = "@sorted";

static BLOB_TYPE: CelType = CelType::new_unspecified_type("blob");

/// A reference to stored bytes: it has a size and equals one of the same content.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Blob {
    hash: String,
    bytes: i64,
}

impl Blob {
    /// The blob that this JSON refers to, when it does.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let map = value.as_object().filter(|map| map.len() == 2)?;
        let (hash, bytes) = (map.get("$blob")?.as_str()?, map.get("bytes")?.as_i64()?);
        Some(Self { hash: hash.to_owned(), bytes })
    }

    pub(super) fn to_json(&self) -> Value {
        serde_json::json!({"$blob": self.hash, "bytes": self.bytes})
    }
}

impl Val for Blob {
    fn get_type(&self) -> &CelType {
        &BLOB_TYPE
    }

    fn cel_type() -> &'static CelType {
        &BLOB_TYPE
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| other.hash == self.hash)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Blob {}

fn blob_size<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let bytes = args.first().and_then(|arg| arg.downcast_ref::<Blob>()).map_or(0, |blob| blob.bytes);
    Ok(CowVal::owned(CelInt::from(bytes)))
}

/// The keys of a map, sorted; anything else as it is. Every loop passes here before it begins, so its items are
/// counted here.
fn sorted<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let Some(arg) = args.pop() else { return Err(ExecutionError::missing_argument_or_target()) };
    let map = arg.downcast_ref::<CelMap>();
    let items =
        map.map(|map| map.inner().len()).or(arg.downcast_ref::<CelList>().map(|list| list.inner().len()));
    let Some(left) = ITEMS.get().checked_sub(items.unwrap_or(0)) else {
        let why = format!("more than {MAX_ITEMS} items are visited");
        return Err(ExecutionError::function_error("map", &why));
    };
    ITEMS.set(left);
    let Some(map) = map else { return Ok(arg) };
    let mut keys = Vec::with_capacity(map.inner().len());
    #[expect(clippy::iter_over_hash_type, reason = "sorted below")]
    for key in map.inner().keys() {
        let Some(key) = key.inner().downcast_ref::<CelString>() else {
            return Err(ExecutionError::function_error("map", "a key of the map is no string"));
        };
        keys.push(key.inner().to_owned());
    }
    keys.sort();
    let keys = keys.into_iter().map(|key| Box::new(CelString::from(key)) as Box<dyn Val>).collect::<Vec<_>>();
    Ok(CowVal::owned(CelList::from(keys)))
}

/// One root for the process: building one costs a hundred times what an evaluation does.
static ROOT: LazyLock<Context<'static, 'static>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let declared = env
        .add_overload("size", "size_blob", vec![BLOB_TYPE.to_owned()], blob_size)
        .and_then(|()| env.add_member_overload("size", "blob_size", BLOB_TYPE.to_owned(), vec![], blob_size))
        .and_then(|()| env.add_overload(SORTED, "sorted_any", vec![types::DYN_TYPE.to_owned()], sorted));
    debug_assert!(declared.is_ok(), "our overloads are new to the standard library: {declared:?}");
    Context::with_env(Arc::new(env))
});

/// Converts what an expression asks for, and no more: `output.status` converts one string.
struct Resolver<'a> {
    vars: &'a dyn Lookup,
    types: &'a BTreeMap<String, Type>,
}

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let (depth, variable) = marked(variable);
        let (root, path) = match variable.split_once('.') {
            Some((root, path)) => (root, Some(path)),
            None => (variable, None),
        };
        let mut ty = self.types.get(root);
        let Some(mut value) = self.vars.value(root) else {
            let absent = path.is_none() && matches!(ty, Some(Type::Optional(_)));
            return absent.then(|| CowVal::owned(CelNull));
        };
        for key in path.into_iter().flat_map(|path| path.split('.')) {
            ty = member(ty, key);
            value = match value.as_object()?.get(key) {
                Some(value) => value,
                None if matches!(ty, Some(Type::Optional(_))) => &Value::Null,
                None => return None,
            };
        }
        Some(CowVal::Owned(match depth {
            Some(depth) => to_part(value, ty, depth),
            None => to_cel(value, ty),
        }))
    }
}

/// Evaluates a rewritten tree.
pub(super) fn eval(
    tree: &IdedExpr,
    types: &BTreeMap<String, Type>,
    vars: &dyn Lookup,
) -> Result<Value, String> {
    ITEMS.set(MAX_ITEMS);
    let resolver = Resolver { vars, types };
    let mut context = ROOT.new_inner_scope();
    context.set_variable_resolver(&resolver);
    let value = cel::Value::resolve_val(tree, &context).map_err(|e| message(&e))?;
    to_json(value.as_ref())
}

/// An evaluation's failure in our words.
fn message(error: &ExecutionError) -> String {
    match error {
        ExecutionError::UndeclaredReference(name) => format!("`{}` has no value", marked(name).1),
        ExecutionError::NoSuchKey(key) => format!("there is no key `{key}`"),
        ExecutionError::IndexOutOfBounds(index) => format!("index {index:?} is out of bounds"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        // Types, not values: a message may end up in a log.
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            format!("cannot {operator} {} and {}", left.type_of(), right.type_of())
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("cannot compare {} and {}", left.type_of(), right.type_of())
        }
        ExecutionError::UnsupportedIndex(index, value) => {
            format!("cannot index {} with {}", value.type_of(), index.type_of())
        }
        ExecutionError::Overflow(operator, ..) => format!("`{operator}` overflows"),
        other => {
            let mut text = other.to_string();
            if let Some((cut, _)) = text.char_indices().nth(300) {
                text.truncate(cut);
            }
            text
        }
    }
}

/// Rewrites what `cel` would do in random order or without our meaning: ranges of comprehensions go through
/// sorted keys, and `has(r.f)` of a record's optional field (`present`) becomes `r.f != null`.
pub(super) fn rewrite(node: &mut IdedExpr, present: &[u64]) {
    let id = node.id;
    match &mut node.expr {
        Node::Call(call) => {
            for part in call.target.iter_mut().map(AsMut::as_mut).chain(call.args.iter_mut()) {
                rewrite(part, present);
            }
        }
        Node::Comprehension(c) => {
            let comprehension = c.as_mut();
            for part in [
                &mut comprehension.iter_range,
                &mut comprehension.accu_init,
                &mut comprehension.loop_cond,
                &mut comprehension.loop_step,
                &mut comprehension.result,
            ] {
                rewrite(part, present);
            }
            let range = std::mem::take(&mut comprehension.iter_range);
            let id = range.id;
            let call = CallExpr { func_name: SORTED.to_owned(), target: None, args: vec![range] };
            comprehension.iter_range = IdedExpr { id, expr: Node::Call(call) };
        }
        Node::List(list) => list.elements.iter_mut().for_each(|item| rewrite(item, present)),
        Node::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    rewrite(&mut entry.key, present);
                    rewrite(&mut entry.value, present);
                }
            }
        }
        Node::Select(select) => {
            rewrite(&mut select.operand, present);
            if select.test && present.contains(&id) {
                select.test = false;
                let field = IdedExpr { id, expr: std::mem::take(&mut node.expr) };
                let null = IdedExpr { id, expr: Node::Literal(LiteralValue::Null) };
                node.expr = Node::Call(CallExpr {
                    func_name: operators::NOT_EQUALS.to_owned(),
                    target: None,
                    args: vec![field, null],
                });
            }
        }
        Node::Struct(_) | Node::Ident(_) | Node::Literal(_) | Node::Unspecified => {}
    }
}

/// The parser's message in our words.
pub(super) fn tidy(message: &str) -> String {
    let message = message.trim_start_matches("Syntax error: ").trim();
    let message = message.split(" expecting ").next().unwrap_or(message);
    if message.starts_with("mismatched input '<EOF>'") {
        return "it ends too early".to_owned();
    }
    let message = message
        .replace("token recognition error at: ", "unexpected ")
        .replace("no viable alternative at input ", "unexpected ")
        .replace("extraneous input ", "unexpected ")
        .replace("mismatched input ", "unexpected ")
        .replace("at '<EOF>'", "at its end");
    message.chars().take(200).collect()
}

/// The byte offset of the parser's (line from 1, column from 1) in `source`.
pub(super) fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let (line, column) = (usize::try_from(line).unwrap_or(0), usize::try_from(column).unwrap_or(0));
    let mut start = 0;
    for (i, text) in source.split_inclusive('\n').enumerate() {
        if i + 1 == line {
            let inside = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
            return start + inside;
        }
        start += text.len();
    }
    0
}
