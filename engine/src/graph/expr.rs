//! CEL: conditions and values of a graph file.
//!
//! `cel` parses and evaluates; the rest is ours: values are converted by declared type, comprehensions over maps
//! go through sorted keys, and blobs offer only their size and equality. See [`infer`] for the type checker.

mod convert;
pub(crate) mod infer;
mod part;
mod runtime;
pub(crate) mod ty;

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::IdedExpr;
use cel::common::ast::{Expr as Node, SelectExpr, SourceInfo};
use serde_json::Value;

use crate::NodeError;
use crate::types::Type;

/// Longest expression, in bytes.
const MAX_SOURCE: usize = 4 * 1024;
/// Deepest nesting, in operators; see [`too_deep`]. The parser, the checker and the evaluation are recursive.
const MAX_DEPTH: usize = 48;
/// Nesting that the parser itself accepts; above ours, since it counts its own rules.
const PARSER_DEPTH: u16 = 64;

/// Words that CEL keeps to itself.
pub(crate) const CEL_WORDS: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// What an expression sees: values by name.
pub trait Lookup: Sync {
    /// The value of `name`, or nothing when there is none. One whose declared type is optional then reads as null.
    fn value(&self, name: &str) -> Option<&Value>;
}

impl Lookup for serde_json::Map<String, Value> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

impl Lookup for BTreeMap<String, Value> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

impl Lookup for indexmap::IndexMap<String, Value> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

/// Layers of values; an earlier layer hides a later one. Borrows everything.
///
/// `Vars::default().with("output", &output).with("inputs", &inputs).over(&own_writes).over(&state)`
#[derive(Default, Clone)]
pub struct Vars<'a> {
    names: Vec<(&'a str, &'a Value)>,
    layers: Vec<&'a dyn Lookup>,
}

impl<'a> Vars<'a> {
    /// With one more name, which hides the layers.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: &'a Value) -> Self {
        self.names.push((name, value));
        self
    }

    /// With one more layer below those that are there.
    #[must_use]
    pub fn over(mut self, layer: &'a dyn Lookup) -> Self {
        self.layers.push(layer);
        self
    }
}

impl Lookup for Vars<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        let named = self.names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        named.or_else(|| self.layers.iter().find_map(|layer| layer.value(name)))
    }
}

/// Whether something holds over the names that an expression could read.
pub type Test = dyn Fn(&dyn Lookup) -> bool + Send + Sync;

/// A condition in Rust, which graph files call by its name: `when: is_done()`.
#[derive(Clone)]
pub struct Condition {
    /// Its name.
    pub name: &'static str,
    /// Whether it holds. Pure: resume and replay ask it again.
    pub test: Arc<Test>,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condition").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A compiled CEL expression, or a condition in Rust.
#[derive(Debug, Clone)]
pub struct Expr {
    /// Its text, without the leading `=`.
    pub source: String,
    code: Code,
}

#[derive(Debug, Clone)]
enum Code {
    Cel(Arc<Program>),
    Rust(Condition),
}

/// What is evaluated: the tree after our rewriting, and the declared types of the variables it names.
#[derive(Debug)]
struct Program {
    tree: IdedExpr,
    types: BTreeMap<String, Type>,
}

/// A parsed expression that is not checked yet.
pub(crate) struct Parsed {
    pub(crate) tree: IdedExpr,
    pub(crate) info: SourceInfo,
}

/// Why a text is no CEL.
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    /// Where, as a byte offset in the expression.
    pub(crate) at: usize,
}

/// Parses `source`, within bounds.
pub(crate) fn parse(source: &str) -> Result<Parsed, SyntaxError> {
    let fail = |message: String, at: usize| Err(SyntaxError { message, at });
    if source.trim().is_empty() {
        return fail("the expression is empty".to_owned(), 0);
    }
    if source.len() > MAX_SOURCE {
        return fail(format!("the expression is longer than {MAX_SOURCE} bytes"), 0);
    }
    if let Some(at) = too_deep(source) {
        return fail("the expression is nested too deeply".to_owned(), at);
    }
    if let Some(parsed) = plain_path(source) {
        return Ok(parsed);
    }
    let parser = cel::parser::Parser::new().max_recursion_depth(PARSER_DEPTH).error_recovery_limit(1);
    match parser.parse_with_source_info(source) {
        Ok((tree, info)) => Ok(Parsed { tree, info }),
        Err(errors) => {
            let (message, at) = errors.errors.first().map_or_else(
                || ("not an expression".to_owned(), 0),
                |error| (runtime::tidy(&error.msg), runtime::offset(source, error.pos)),
            );
            fail(message, at)
        }
    }
}

/// The tree of `a` or `a.b.c`, as the parser would build it: most expressions are one, and the parser is slow.
fn plain_path(source: &str) -> Option<Parsed> {
    let mut info = SourceInfo::default();
    let (mut tree, mut at, mut id) = (None, 0, 0);
    for part in source.split('.') {
        let letters = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !letters
            || !part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            || CEL_WORDS.contains(&part)
        {
            return None;
        }
        id += 1;
        let (start, end) = (u32::try_from(at).ok()?, u32::try_from(at + part.len()).ok()?);
        let expr = match tree.take() {
            None => {
                info.add_offset(id, start, end - 1);
                Node::Ident(part.to_owned())
            }
            Some(operand) => {
                // A selection stands where its dot does.
                info.add_offset(id, start - 1, start - 1);
                Node::Select(SelectExpr { operand: Box::new(operand), field: part.to_owned(), test: false })
            }
        };
        tree = Some(IdedExpr { id, expr });
        at += part.len() + 1;
    }
    tree.map(|tree| Parsed { tree, info })
}

/// Where the nesting gets too deep for a small stack, if it does. An open bracket costs as much as four operators
/// in a row; `&&`, `||` and commas start a new row.
fn too_deep(source: &str) -> Option<usize> {
    // Operators and choices of each open bracket.
    let mut levels = vec![(0usize, 0usize)];
    let mut quote = None;
    let mut chars = source.char_indices();
    while let Some((at, c)) = chars.next() {
        if let Some(open) = quote {
            match c {
                '\\' => drop(chars.next()),
                c if c == open => quote = None,
                _ => {}
            }
            continue;
        }
        let Some((operators, choices)) = levels.last_mut() else { break };
        match c {
            '\'' | '"' => quote = Some(c),
            '&' | '|' => *operators = 0,
            ',' => (*operators, *choices) = (0, 0),
            '?' => *choices += 1,
            '.' | '+' | '-' | '*' | '/' | '%' | '!' | '<' | '>' | '=' => *operators += 1,
            '(' | '[' | '{' => {
                *operators += 1;
                levels.push((0, 0));
            }
            ')' | ']' | '}' if levels.len() > 1 => drop(levels.pop()),
            _ => {}
        }
        let cost: usize = levels.iter().map(|(operators, choices)| 3 + operators + choices).sum();
        if cost > MAX_DEPTH + 3 {
            return Some(at);
        }
    }
    None
}

impl Expr {
    /// Compiles `source` without knowing the types of its variables: numbers convert by their shape.
    ///
    /// # Errors
    /// When it is no CEL.
    pub fn compile(source: &str) -> Result<Self, NodeError> {
        let parsed =
            parse(source).map_err(|e| NodeError::new("cel.parse", format!("`{source}`: {}", e.message)))?;
        Ok(Self::build(source, parsed.tree, BTreeMap::new(), &[]))
    }

    /// An expression that was parsed and checked; `types` are those of the variables it names, `present` the
    /// `has(…)` nodes that ask a record's optional field.
    pub(crate) fn build(
        source: &str,
        mut tree: IdedExpr,
        types: BTreeMap<String, Type>,
        present: &[u64],
    ) -> Self {
        runtime::rewrite(&mut tree, present);
        part::mark(&mut tree);
        Self { source: source.to_owned(), code: Code::Cel(Arc::new(Program { tree, types })) }
    }

    /// A condition in Rust, written `name()`.
    pub(crate) fn of_rust(condition: Condition) -> Self {
        Self { source: format!("{}()", condition.name), code: Code::Rust(condition) }
    }

    /// Evaluates over `vars`.
    ///
    /// # Errors
    /// When a variable or key is missing, an operation fails on these values (a division by zero, an index out
    /// of bounds), or the result is no JSON.
    pub fn eval(&self, vars: &dyn Lookup) -> Result<Value, NodeError> {
        match &self.code {
            Code::Cel(program) => runtime::eval(&program.tree, &program.types, vars)
                .map_err(|message| NodeError::new("cel.eval", format!("`{}`: {message}", self.source))),
            Code::Rust(condition) => Ok(Value::Bool((condition.test)(vars))),
        }
    }

    /// What a condition that reads nothing comes to, whatever the run.
    pub(crate) fn constant(&self) -> Option<bool> {
        match &self.code {
            Code::Cel(program) if program.types.is_empty() => self.holds(&Vars::default()).ok(),
            _ => None,
        }
    }

    /// Evaluates a condition.
    ///
    /// # Errors
    /// As [`Self::eval`], and when the result is no bool.
    pub fn holds(&self, vars: &dyn Lookup) -> Result<bool, NodeError> {
        match self.eval(vars)? {
            Value::Bool(holds) => Ok(holds),
            other => {
                Err(NodeError::new("cel.bool", format!("`{}` is {other}, not true or false", self.source)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn eval(source: &str, vars: &Value) -> Result<Value, String> {
        let vars = vars.as_object().unwrap();
        Expr::compile(source).and_then(|e| e.eval(vars)).map_err(|e| e.message)
    }

    #[test]
    fn values_keep_their_json_types() {
        let vars = json!({"output": {"n": 3, "f": 0.5, "s": "é", "list": ["a", "b"], "none": null}});
        for (source, expected) in [
            ("output.n + 1", json!(4)),
            ("output.f * 2.0", json!(1.0)),
            ("output.s + '!'", json!("é!")),
            ("output.list + ['c']", json!(["a", "b", "c"])),
            ("output.none == null ? 'x' : output.none", json!("x")),
            ("output", vars["output"].clone()),
            ("{'a': output.n, 'b': [1.5]}", json!({"a": 3, "b": [1.5]})),
            ("'b' in output.list && size(output.list) == 2", json!(true)),
            ("output.list.map(x, x + output.s)", json!(["aé", "bé"])),
            ("output.list.exists(output, output == 'b')", json!(true)),
        ] {
            assert_eq!(eval(source, &vars), Ok(expected), "{source}");
        }
    }

    #[test]
    fn maps_are_walked_in_the_order_of_their_keys() {
        let keys: Vec<String> = (0..40).map(|i| format!("k{:02}", i * 7 % 40)).collect();
        let map: serde_json::Map<String, Value> = keys.iter().map(|k| (k.clone(), json!(1))).collect();
        let mut sorted = keys;
        sorted.sort();
        assert_eq!(eval("m.map(k, k)", &json!({"m": map})), Ok(json!(sorted)));
        assert_eq!(eval("{'b': 1, 'a': 2, 'c': 3}.map(k, k)", &json!({})), Ok(json!(["a", "b", "c"])));
    }

    #[test]
    fn a_blob_has_a_size_and_an_identity() {
        let blob = json!({"$blob": "ab", "bytes": 12});
        let vars = json!({"a": blob, "b": {"$blob": "ab", "bytes": 12}, "c": {"$blob": "cd", "bytes": 1}});
        assert_eq!(eval("size(a) == 12 && a.size() > 3 && a == b && a != c", &vars), Ok(json!(true)));
        assert_eq!(eval("a", &vars), Ok(blob));
    }

    #[test]
    fn declared_types_decide() {
        let types = BTreeMap::from([
            ("f".to_owned(), Type::Float),
            ("absent".to_owned(), Type::Optional(Box::new(Type::Int))),
        ]);
        let parsed = parse("absent == null && f / 2.0 == 0.5").map_err(|e| e.message).unwrap();
        let expr = Expr::build("…", parsed.tree, types, &[]);
        assert_eq!(expr.holds(json!({"f": 1}).as_object().unwrap()), Ok(true));
    }

    #[test]
    fn what_cannot_be_evaluated_says_why() {
        let vars = json!({"output": {"n": 3}, "list": [1]});
        for (source, part) in [
            ("output.m", "no key `m`"),
            ("other", "`other` has no value"),
            ("list[4]", "out of bounds"),
            ("1 / 0", "division by zero"),
            ("1 +", "`1 +`"),
            ("", "empty"),
            ("output.n + 'x'", "cannot add int and string"),
        ] {
            let error = eval(source, &vars).unwrap_err();
            assert!(error.contains(part), "{source}: {error}");
        }
        assert!(Expr::compile("1").unwrap().holds(&BTreeMap::new()).is_err());
    }

    #[test]
    fn plain_paths_are_parsed_as_the_parser_does() {
        for source in ["a", "output.status", "a.b.c_1.D"] {
            let ours = plain_path(source).unwrap();
            let theirs = cel::parser::Parser::new().parse_with_source_info(source).unwrap();
            let strip = |text: String| {
                // Ids differ, places do not.
                let mut out = String::new();
                let mut rest = text.as_str();
                while let Some(at) = rest.find("id: ") {
                    out.push_str(&rest[..at]);
                    rest = rest[at + 4..].trim_start_matches(|c: char| c.is_ascii_digit());
                }
                out + rest
            };
            assert_eq!(strip(format!("{:?}", ours.tree)), strip(format!("{:?}", theirs.0)), "{source}");
            assert_eq!(ours.info.offset_for(ours.tree.id), theirs.1.offset_for(theirs.0.id), "{source}");
        }
        for source in ["true", "a.in", "a.", ".a", "1a", "a b", "a.b()", "é", ""] {
            assert!(plain_path(source).is_none(), "{source}");
        }
    }

    #[test]
    fn loops_in_loops_are_bounded() {
        let list = format!("[{}]", vec!["1"; 100].join(","));
        let nested = format!("{list}.map(a, {list}.map(b, {list}.map(c, {list}.map(d, 1))))");
        let error = eval(&nested, &json!({})).unwrap_err();
        assert!(error.contains("items are visited"), "{error}");
        let long = json!({"xs": vec![1; 50_000], "m": {"a": 1}});
        assert_eq!(eval("size(xs.filter(x, x == 1 && m.all(k, k == 'a')))", &long), Ok(json!(50_000)));
    }

    #[test]
    fn deep_and_long_sources_are_refused() {
        for deep in [
            "(".repeat(3000),
            "!".repeat(3000),
            "[".repeat(25),
            "a?".repeat(1000),
            "-".repeat(1000),
            "a".repeat(5000),
        ] {
            assert!(Expr::compile(&deep).is_err());
        }
        // What is as deep as allowed is parsed and evaluated on a small stack.
        let parens = format!("{}1{}", "(".repeat(MAX_DEPTH / 4), ")".repeat(MAX_DEPTH / 4));
        let sum = format!("1{}", " + 1".repeat(MAX_DEPTH));
        let both = vec!["(1 + 1 == 2)"; 100].join(" && ");
        let choices = format!("{}1", "false ? 0 : ".repeat(MAX_DEPTH));
        for (source, expected) in
            [(parens, json!(1)), (sum, json!(49)), (both, json!(true)), (choices, json!(1))]
        {
            assert_eq!(eval(&source, &json!({})), Ok(expected), "{source}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(source in r#"[a-c0-9.'"\()\[\]{}?:!&|=<>+\-*/% ,é]{0,60}"#) {
            let _ = eval(&source, &json!({"a": [1, 2], "b": {"c": "x"}, "c": 0.5}));
        }
    }
}
