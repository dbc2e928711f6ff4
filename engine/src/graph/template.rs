//! Prompt templates: Jinja with strict undefined, no includes, bounded work.

mod tokens;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, escape_formatter};
use serde_json::{Map, Value};

use crate::NodeError;
use crate::blob::{BlobRef, Blobs};
use tokens::Named;

/// The most of one blob that is rendered, in bytes.
const MAX_BLOB: usize = 64 * 1024;
/// The most that a template renders to, in bytes.
const MAX_OUTPUT: usize = 2 * 1024 * 1024;
/// The most that it writes on the way, in bytes: what a block captures counts when it is captured and when it is used.
const MAX_WRITTEN: usize = 4 * MAX_OUTPUT;
/// What a value that is no text counts as, in bytes.
const SCALAR: usize = 8;
/// Steps that rendering may take.
const FUEL: u64 = 1_000_000;
/// Longest template, in bytes.
const MAX_SOURCE: usize = 256 * 1024;
/// Names that Jinja has without being given them.
const GLOBALS: [&str; 5] = ["range", "dict", "namespace", "debug", "loop"];

/// A template of a graph file.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its text.
    pub source: Arc<str>,
}

/// Why a text is no template.
#[derive(Debug)]
pub(crate) struct TemplateError {
    pub(crate) message: String,
    /// Bytes of the template.
    pub(crate) span: Range<usize>,
}

/// One environment for the process: it holds Jinja's filters and our bounds, and no template.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(64);
    env.set_formatter(counted);
    env.set_debug(true);
    env
});

thread_local! {
    /// Bytes that the rendering of this thread has written, those into blocks that are set or filtered included.
    static WRITTEN: Cell<usize> = const { Cell::new(0) };
}

/// Writes `value` as Jinja does, and counts: what a block captures is not output, and takes memory all the same.
fn counted(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &minijinja::Value) -> Result<(), Error> {
    let bytes = value.as_str().map_or(SCALAR, str::len);
    let written = WRITTEN.get().saturating_add(bytes);
    WRITTEN.set(written);
    if written > MAX_WRITTEN {
        let why = format!("the template writes more than {MAX_WRITTEN} bytes");
        return Err(Error::new(ErrorKind::InvalidOperation, why));
    }
    escape_formatter(out, state, value)
}

/// The environment, for a template that lives as long as `'s`.
fn environment<'s>() -> &'static Environment<'s> {
    &ENVIRONMENT
}

impl Template {
    /// A template with this text.
    #[must_use]
    pub fn new(source: &str) -> Self {
        Self { source: source.into() }
    }

    /// The variables that must be given, with the fields read of them where they are plain: `incident.message`.
    pub(crate) fn variables(&self) -> Result<BTreeSet<String>, TemplateError> {
        if self.source.len() > MAX_SOURCE {
            return Err(TemplateError {
                message: format!("it is longer than {MAX_SOURCE} bytes"),
                span: 0..0,
            });
        }
        let env = environment();
        // The parser and all that comes after it are recursive.
        let named = tokens::named(&self.source)
            .map_err(|span| TemplateError { message: "it is nested too deeply".to_owned(), span })?;
        let template = env.template_from_str(&self.source).map_err(|error| self.explain(&error))?;
        self.filters(env, named)?;
        let names: BTreeSet<String> = template.undeclared_variables(true).into_iter().collect();
        Ok(names
            .into_iter()
            .filter(|path| !GLOBALS.contains(&path.split('.').next().unwrap_or_default()))
            .collect())
    }

    /// Whether there is every filter and test that the template names: Jinja itself finds out when it renders.
    fn filters(&self, env: &Environment<'_>, named: Vec<(Range<usize>, Named)>) -> Result<(), TemplateError> {
        for (span, what) in named {
            let name = self.source.get(span.clone()).unwrap_or_default();
            let (probe, unknown) = match what {
                Named::Filter => (format!("1|{name}"), ErrorKind::UnknownFilter),
                Named::Test => (format!("1 is {name}"), ErrorKind::UnknownTest),
            };
            let result = env.compile_expression(&probe).and_then(|probe| probe.eval(()));
            if result.is_err_and(|error| error.kind() == unknown) {
                let what = if unknown == ErrorKind::UnknownFilter { "filter" } else { "test" };
                return Err(TemplateError { message: format!("there is no {what} `{name}`"), span });
            }
        }
        Ok(())
    }

    fn explain(&self, error: &minijinja::Error) -> TemplateError {
        let line = error.line().unwrap_or(1);
        let start = self.source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let span = error.range().unwrap_or(start..start + 1);
        TemplateError {
            message: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
            span,
        }
    }

    /// Renders over `vars`; blob references in them are rendered as their text, capped at 64 KiB each.
    ///
    /// # Errors
    /// When a variable is undefined, the syntax is wrong, a blob is missing, or the work exceeds its bound.
    pub fn render(&self, vars: &Value, blobs: &dyn Blobs) -> Result<String, NodeError> {
        let fail = |error: &minijinja::Error| NodeError::new("template.render", error.to_string());
        let env = environment();
        let template = env.template_from_str(&self.source).map_err(|e| fail(&e))?;
        // Blobs of variables that the template does not mention are not read.
        let used = template.undeclared_variables(false);
        let mut given = Map::new();
        for (name, value) in vars.as_object().into_iter().flatten() {
            if used.contains(name) {
                given.insert(name.clone(), with_text(value, blobs)?);
            }
        }
        WRITTEN.set(0);
        let mut out = Capped(Vec::new());
        let rendered = template.render_captured_to(minijinja::value::Serde(&given), &mut out);
        match rendered {
            _ if out.0.len() > MAX_OUTPUT => Err(NodeError::new(
                "template.render",
                format!("the template renders to more than {MAX_OUTPUT} bytes"),
            )),
            Err(error) => Err(fail(&error)),
            Ok(_) => Ok(String::from_utf8_lossy(&out.0).into_owned()),
        }
    }
}

/// `value` with the text of blobs in place of their references.
fn with_text(value: &Value, blobs: &dyn Blobs) -> Result<Value, NodeError> {
    Ok(match value {
        Value::Array(items) => {
            items.iter().map(|item| with_text(item, blobs)).collect::<Result<_, _>>().map(Value::Array)?
        }
        Value::Object(map) if map.len() == 2 && map.contains_key("$blob") => {
            match serde_json::from_value::<BlobRef>(value.clone()) {
                Ok(blob) => Value::String(capped(&String::from_utf8_lossy(&blobs.get(&blob)?))),
                Err(_) => value.clone(),
            }
        }
        Value::Object(map) => {
            let entries = map.iter().map(|(key, item)| Ok((key.clone(), with_text(item, blobs)?)));
            Value::Object(entries.collect::<Result<_, NodeError>>()?)
        }
        scalar => scalar.clone(),
    })
}

fn capped(text: &str) -> String {
    if text.len() <= MAX_BLOB {
        return text.to_owned();
    }
    let mut cut = MAX_BLOB;
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}\n[{} more bytes are left out]\n", &text[..cut], text.len() - cut)
}

/// Takes so much and no more, whatever a loop in a template writes.
struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if self.0.len() > MAX_OUTPUT { Err(io::Error::other("too much output")) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::MemoryBlobs;
    use serde_json::json;

    fn render(source: &str, vars: &Value) -> Result<String, String> {
        Template::new(source).render(vars, &MemoryBlobs::default()).map_err(|e| e.message)
    }

    #[test]
    fn blobs_are_rendered_as_their_text_up_to_a_cap() {
        let blobs = MemoryBlobs::default();
        let short = serde_json::to_value(blobs.put("héllo".as_bytes()).unwrap()).unwrap();
        let long = serde_json::to_value(blobs.put("é".repeat(MAX_BLOB).as_bytes()).unwrap()).unwrap();
        let lost = json!({"$blob": "ff", "bytes": 3});
        let vars = json!({"a": {"inner": [short]}, "b": long, "c": lost});
        let template = Template::new("{{ a.inner[0] }} {{ b }}");
        let text = template.render(&vars, &blobs).unwrap();
        assert!(
            text.starts_with("héllo éé") && text.ends_with("[65536 more bytes are left out]\n"),
            "{}",
            text.len()
        );
        assert!(Template::new("{{ c }}").render(&vars, &blobs).is_err());
    }

    #[test]
    fn an_undefined_variable_is_an_error() {
        assert_eq!(
            render("{% for x in xs %}{{ x }},{% endfor %}", &json!({"xs": [1, 2]})),
            Ok("1,2,".to_owned())
        );
        assert!(render("{{ missing }}", &json!({})).is_err());
        assert!(render("{% if missing %}{% endif %}", &json!({})).is_err());
        assert!(render("{{ a.b }}", &json!({"a": {}})).is_err());
        assert!(render("{% include 'x' %}", &json!({})).is_err());
    }

    #[test]
    fn the_work_is_bounded() {
        assert!(
            render(
                "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                &json!({})
            )
            .is_err()
        );
        let big = "x".repeat(60_000);
        let vars = json!({"big": big});
        for source in [
            "{% for i in range(10000) %}{{ big }}{% endfor %}",
            "{% set x %}{% for i in range(100000) %}{{ big }}{% endfor %}{% endset %}{{ x|length }}",
            "{% filter upper %}{% for i in range(100000) %}{{ big }}{% endfor %}{% endfilter %}",
        ] {
            assert!(render(source, &vars).is_err(), "{source}");
        }
    }

    #[test]
    fn variables_are_those_that_must_be_given() {
        let template = Template::new(
            "{{ a.b }}{% for x in xs %}{{ x.y }}{{ loop.index }}{% endfor %}{% set z = 1 %}{{ z }}{{ range(3) }}",
        );
        let names: Vec<String> = template.variables().unwrap().into_iter().collect();
        assert_eq!(names, ["a.b", "xs"]);
        let error = Template::new("one\n{{ a b }}").variables().unwrap_err();
        assert!(error.span.start >= 4, "{error:?}");
    }

    #[test]
    fn filters_and_tests_are_known_before_rendering() {
        let check =
            |source: &str| Template::new(source).variables().map(|_| ()).map_err(|e| (e.message, e.span));
        assert_eq!(
            check("{{ a|upper|join(', ') }} {% if a is defined and a is not none %}{% endif %}"),
            Ok(())
        );
        assert_eq!(check("{{ 'x | y is z' }} | nothing {# a | b #} {{ a.is }}"), Ok(()));
        assert_eq!(check("{{ a | uper }}"), Err(("there is no filter `uper`".to_owned(), 7..11)));
        assert_eq!(
            check("{% if a is not odder %}{% endif %}"),
            Err(("there is no test `odder`".to_owned(), 15..20))
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(source in r"([a-z{}%|(). '\[\]+*-]|\{\{|\}\}|\{%|%\}|for x in xs|endfor|if|endif|set a = ){0,30}") {
            let _ = Template::new(&source).variables();
            let _ = render(&source, &json!({"a": 1, "xs": [1]}));
        }
    }
}
