//! Values that an expression only looks into: `size(messages)`, `messages[0].role`, `'k' in table`. Converting them
//! whole would cost as much as they are large, at every superstep; here only what is reached is converted.
//!
//! [`mark`] finds the places, at compile time, and renames the variable there to `@N name`; the resolver gives it a
//! [`List`] or [`Entries`] then, whose parts are of these types N times over and converted after that. What does not
//! fit the fast way is converted and asked again, so the outcome and the errors are those of `cel` itself.

use cel::ExecutionError;
use cel::IdedExpr;
use cel::common::ast::{Expr as Node, LiteralValue, operators};
use cel::common::traits::{Container, Indexer, Sizer};
use cel::common::types::{self, CelInt, CelNull, CelString, Type as CelType};
use cel::common::value::{CowVal, Val};
use serde_json::{Map, Value};

use super::convert::{member, to_cel};
use super::runtime::Blob;
use crate::types::Type;

/// What a renamed variable begins with; no identifier of CEL does.
const MARK: char = '@';
/// The deepest that parts of parts stay unconverted.
const DEEPEST: usize = 9;

static LIST_TYPE: CelType = types::LIST_TYPE;
static MAP_TYPE: CelType = types::MAP_TYPE;

/// The variable that `name` stands for, and how deep its value stays unconverted: nothing when it is used whole.
pub(super) fn marked(name: &str) -> (Option<usize>, &str) {
    let split = name.strip_prefix(MARK).and_then(|rest| rest.split_once(' '));
    match split.and_then(|(depth, name)| Some((depth.parse().ok()?, name))) {
        Some((depth, name)) => (Some(depth), name),
        None => (None, name),
    }
}

/// Renames the variables of `node` that are only looked into.
pub(super) fn mark(node: &mut IdedExpr) {
    walk(node, None, &mut Vec::new());
}

/// `depth`: nothing when the value of `node` is used whole, else for how many more steps what is reached in it is
/// only looked into as well. `own` are the variables of the loops around.
fn walk(node: &mut IdedExpr, depth: Option<usize>, own: &mut Vec<String>) {
    let inside = Some(depth.map_or(0, |depth| depth + 1).min(DEEPEST));
    match &mut node.expr {
        Node::Ident(name) => {
            if let Some(depth) = depth.filter(|_| !own.contains(name)) {
                *name = format!("{MARK}{depth} {name}");
            }
        }
        Node::Select(select) => {
            let through = match (select.test, is_chain(&select.operand)) {
                // Whether there is such a key; what it holds is not looked at.
                (true, _) => Some(1),
                // A chain of names is resolved at once, to its end.
                (false, true) => depth,
                (false, false) => inside,
            };
            walk(&mut select.operand, through, own);
        }
        Node::Call(call) => {
            let name = call.func_name.as_str();
            let null = |arg: &IdedExpr| matches!(arg.expr, Node::Literal(LiteralValue::Null));
            let of = |at: usize| match (name, call.args.len()) {
                (operators::INDEX, 2) if at == 0 => inside,
                (operators::IN, 2) if at == 1 => Some(0),
                ("size", 1) if call.target.is_none() => Some(0),
                (operators::EQUALS | operators::NOT_EQUALS, 2) if call.args.get(1 - at).is_some_and(null) => {
                    Some(0)
                }
                _ => None,
            };
            let depths: Vec<_> = (0..call.args.len()).map(of).collect();
            let target = (name == "size" && call.args.is_empty()).then_some(0);
            for (arg, depth) in call.args.iter_mut().zip(depths) {
                walk(arg, depth, own);
            }
            if let Some(of) = call.target.as_mut() {
                walk(of, target, own);
            }
        }
        Node::Comprehension(c) => {
            walk(&mut c.iter_range, None, own);
            walk(&mut c.accu_init, None, own);
            let before = own.len();
            own.extend([c.iter_var.clone(), c.accu_var.clone()]);
            own.extend(c.iter_var2.clone());
            for part in [&mut c.loop_cond, &mut c.loop_step, &mut c.result] {
                walk(part, None, own);
            }
            own.truncate(before);
        }
        Node::List(list) => list.elements.iter_mut().for_each(|item| walk(item, None, own)),
        Node::Map(map) => {
            for entry in &mut map.entries {
                if let cel::common::ast::EntryExpr::MapEntry(entry) = &mut entry.expr {
                    walk(&mut entry.key, None, own);
                    walk(&mut entry.value, None, own);
                }
            }
        }
        Node::Struct(_) | Node::Literal(_) | Node::Unspecified => {}
    }
}

/// Whether `node` is `a`, `a.b`, `a.b.c` …
fn is_chain(node: &IdedExpr) -> bool {
    match &node.expr {
        Node::Ident(_) => true,
        Node::Select(select) => !select.test && is_chain(&select.operand),
        _ => false,
    }
}

/// `value` for an expression that looks into it, `depth` steps further than one.
pub(super) fn to_part<'v>(value: &'v Value, ty: Option<&'v Type>, depth: usize) -> Box<dyn Val + 'v> {
    let ty = match ty {
        Some(Type::Optional(inner)) => Some(inner.as_ref()),
        other => other,
    };
    match value {
        Value::Array(items) => Box::new(List { value, items, ty, depth }),
        Value::Object(map) if Blob::of(value).is_none() => Box::new(Entries { value, map, ty, depth }),
        _ => to_cel(value, ty),
    }
}

/// What is reached in a value: a part again, or converted.
fn reached<'v>(value: &'v Value, ty: Option<&'v Type>, depth: usize) -> Box<dyn Val + 'v> {
    if depth == 0 { to_cel(value, ty) } else { to_part(value, ty, depth - 1) }
}

/// What `cel` itself says of `value[index]`.
fn converted<'v>(
    value: &'v Value,
    ty: Option<&Type>,
    index: &dyn Val,
) -> Result<Box<dyn Val + 'v>, ExecutionError> {
    let whole = to_cel(value, ty);
    match whole.as_indexer() {
        Some(indexer) => indexer.get(index).map(CowVal::into_owned),
        None => Err(ExecutionError::no_such_overload(operators::INDEX, Vec::new())),
    }
}

/// A list that is looked into.
#[derive(Debug, Clone)]
struct List<'v> {
    value: &'v Value,
    items: &'v [Value],
    ty: Option<&'v Type>,
    depth: usize,
}

impl Val for List<'_> {
    fn get_type(&self) -> &CelType {
        &LIST_TYPE
    }

    fn cel_type() -> &'static CelType {
        &LIST_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(self.clone())
    }
}

impl<'v> List<'v> {
    fn item_type(&self) -> Option<&'v Type> {
        match self.ty {
            Some(Type::List(item)) => Some(item),
            _ => None,
        }
    }
}

impl Indexer for List<'_> {
    fn get<'b, 'w>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let at = index.downcast_ref::<CelInt>().and_then(|int| usize::try_from(*int.inner()).ok());
        let found = match at.and_then(|at| self.items.get(at)) {
            Some(item) => reached(item, self.item_type(), self.depth),
            None => converted(self.value, self.ty, index)?,
        };
        Ok(CowVal::Owned(found))
    }

    fn steal<'w>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Sizer for List<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.items.len()).unwrap_or(i64::MAX))
    }
}

impl Container for List<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.items.iter().any(|item| to_cel(item, self.item_type()).equals(value)))
    }
}

/// A map or record that is looked into.
#[derive(Debug, Clone)]
struct Entries<'v> {
    value: &'v Value,
    map: &'v Map<String, Value>,
    ty: Option<&'v Type>,
    depth: usize,
}

impl Val for Entries<'_> {
    fn get_type(&self) -> &CelType {
        &MAP_TYPE
    }

    fn cel_type() -> &'static CelType {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(self.clone())
    }
}

impl Entries<'_> {
    /// The optional fields that the record leaves out; they read as null.
    fn absent(&self) -> impl Iterator<Item = &str> {
        let fields = match self.ty {
            Some(Type::Record(record)) => Some(&record.fields),
            _ => None,
        };
        let optional =
            fields.into_iter().flatten().filter(|(_, field)| matches!(field.ty, Type::Optional(_)));
        optional.map(|(name, _)| name.as_str()).filter(|name| !self.map.contains_key(*name))
    }
}

impl Indexer for Entries<'_> {
    fn get<'b, 'w>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let Some(key) = index.downcast_ref::<CelString>().map(|key| key.inner()) else {
            return converted(self.value, self.ty, index).map(CowVal::Owned);
        };
        Ok(CowVal::Owned(match self.map.get(key) {
            Some(value) => reached(value, member(self.ty, key), self.depth),
            None if self.absent().any(|name| name == key) => Box::new(CelNull),
            None => return Err(ExecutionError::no_such_key(key)),
        }))
    }

    fn steal<'w>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Sizer for Entries<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.map.len() + self.absent().count()).unwrap_or(i64::MAX))
    }
}

impl Container for Entries<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        if let Some(key) = value.downcast_ref::<CelString>().map(|key| key.inner()) {
            return Ok(self.map.contains_key(key) || self.absent().any(|name| name == key));
        }
        let whole = to_cel(self.value, self.ty);
        whole.as_container().map_or(Ok(false), |container| container.contains(value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::{Expr, parse};
    use super::*;

    /// The outcome with the marks, and without.
    fn both(source: &str, types: &BTreeMap<String, Type>, vars: &Value) -> [Result<Value, String>; 2] {
        let vars = vars.as_object().unwrap();
        let parsed = || parse(source).map_err(|e| e.message).unwrap().tree;
        let marked = Expr::build(source, parsed(), types.clone(), &[]).eval(vars).map_err(|e| e.message);
        let mut tree = parsed();
        super::super::runtime::rewrite(&mut tree, &[]);
        let plain = super::super::runtime::eval(&tree, types, vars);
        [marked, plain.map_err(|message| format!("`{source}`: {message}"))]
    }

    #[test]
    fn looking_into_a_value_is_as_good_as_converting_it() {
        let ty = |text: &str| Type::parse(text, &mut |_| None).unwrap();
        let types = BTreeMap::from([
            ("list".to_owned(), ty("list<{name: string, note: string?, f: float, at: list<int>}>")),
            ("table".to_owned(), ty("map<float>")),
            ("record".to_owned(), ty("{name: string, note: string?, inner: {deep: list<float>}}")),
        ]);
        let vars = json!({
            "list": [{"name": "a", "f": 1, "at": [1, 2]}, {"name": "b", "note": "n", "f": 2, "at": []}],
            "table": {"x": 1, "y": 2},
            "record": {"name": "r", "inner": {"deep": [1, 2.5]}},
            "blob": {"$blob": "ab", "bytes": 12}, "none": null, "n": 1, "free": [[1, 2], [{"k": [3]}], "s"],
        });
        for source in [
            "size(list)",
            "list.size()",
            "size(table) + size(record) + record.size()",
            "size(blob)",
            "blob.size()",
            "size(list[1].at) + list[0].at.size()",
            "list[n].name",
            "list[size(list) - 1].note",
            "list[0].note",
            "list[0].f / 2.0",
            "list[0]",
            "list[0].at",
            "list[0].at[1]",
            "list[0].at[2]",
            "list[9]",
            "list[-1]",
            "list[1.0].name",
            "list['a']",
            "list[0].absent",
            "list[0].absent.more",
            "table['x'] / 2.0",
            "table.y",
            "table['z']",
            "table[1]",
            "table.z.w",
            "record.inner.deep[1]",
            "record.inner.deep",
            "record['inner'].deep[0]",
            "record.note == null",
            "null != record",
            "record.inner != null",
            "none == null",
            "none.a",
            "none[0]",
            "'x' in table",
            "'z' in table",
            "1 in table",
            "'note' in record",
            "'gone' in record",
            "1 in list[0].at",
            "9 in list[0].at",
            "list[0] in list",
            "has(record.note)",
            "has(record.gone)",
            "has(table.x)",
            "has(record.inner.deep)",
            "list.map(list, list.name)",
            "list.exists(x, size(x.at) == 0 && x.at == [])",
            "list[0].at.map(x, x + n)",
            "[1, 2].map(n, n + size(list))",
            "list.filter(x, x.name in ['a'])[0].at[0]",
            "list[0] == list[0]",
            "list[0].at == [1, 2]",
            "[1, 2] == list[0].at",
            "list == list",
            "n[0]",
            "gone[0]",
            "size(gone)",
            "gone.a[0]",
            "free[0][1] + free[1][0].k[0]",
            "free[1][0]['k']",
            "free[2][0]",
            "free[0] + free[1]",
            "free[0] == free[0]",
            "{'a': list}['a'][0].name",
            "(n == 1 ? list : [])[0].name",
            "size(n == 1 ? list : [])",
        ] {
            let [marked, plain] = both(source, &types, &vars);
            assert_eq!(marked, plain, "{source}");
        }
    }

    #[test]
    fn only_what_is_looked_into_is_marked() {
        let marks = |source: &str| {
            let mut tree = parse(source).map_err(|e| e.message).unwrap().tree;
            mark(&mut tree);
            let text = format!("{tree:?}");
            text.match_indices(MARK)
                .filter(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_ascii_digit()))
                .count()
        };
        for (source, count) in [
            ("a", 0),
            ("a.b", 0),
            ("a == b", 0),
            ("a + b", 0),
            ("a.exists(x, x.b == 1)", 0),
            ("size(a)", 1),
            ("a.b[c.d]", 1),
            ("a.b[0].c[1].d == null && e == null", 2),
        ] {
            assert_eq!(marks(source), count, "{source}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_expression_is_the_same_either_way(source in r"(size\()?[abn](\[[0-2abn'k]{1,3}\]|\.[kab]|\.size\(\)){0,3}\)?( (==|in|\+|!=) (null|[abn](\[[01]\]|\.k){0,2}|'k'|1))?") {
            let vars = json!({"a": [[1, {"k": "b"}], {"k": [1]}], "b": {"k": {"a": [0], "k": 1}, "b": "k"}, "n": 1});
            if parse(&source).is_ok() {
                let [marked, plain] = both(&source, &BTreeMap::new(), &vars);
                proptest::prop_assert_eq!(marked, plain);
            }
        }
    }
}
