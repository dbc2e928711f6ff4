//! The test file that a call becomes.

use super::call::Call;
use super::existing::innermost;
use crate::effects::Importable;
use crate::types::Incident;

/// Digits of the fingerprint in names.
const DIGITS: usize = 8;

/// The name of the incident's test: `test_incident_ab12cd34`.
pub(super) fn name(incident: &Incident) -> String {
    let digits: String =
        incident.fingerprint.chars().filter(char::is_ascii_alphanumeric).take(DIGITS).collect();
    format!("test_incident_{digits}")
}

/// The file with one test that makes `call` after `imports`, as a class of `unittest` or as a plain function.
///
/// It passes too when the call is refused with one of `errors`, the repository's own: what to answer to such a call is the
/// program's to say, and an error of its own is an answer.
pub(super) fn source(
    incident: &Incident,
    call: &Call,
    imports: &[String],
    errors: &[Importable],
    unittest: bool,
) -> String {
    let name = name(incident);
    let mut imports: Vec<String> = imports.to_vec();
    imports.extend(errors.iter().map(|error| error.statement.clone()));
    if unittest {
        imports.push("import unittest".to_owned());
    }
    if call.asyncio {
        imports.push("import asyncio".to_owned());
    }
    imports.sort_by_key(|line| (line.starts_with("from "), line.clone()));
    imports.dedup();
    let title = name.trim_start_matches("test_incident_");
    let place = innermost(&incident.frames)
        .map(|(path, function)| format!(" in {}, {}", plain(path), plain(function)))
        .unwrap_or_default();
    let what = format!("\"\"\"Incident {title}: {}{place}.\"\"\"\n", plain(&incident.exception));
    let mut body = call
        .statement
        .strip_suffix(": pass")
        .map_or_else(|| vec![call.statement.clone()], |head| vec![format!("{head}:"), "    pass".to_owned()]);
    if !errors.is_empty() {
        let names: Vec<&str> = errors.iter().map(|error| error.name.as_str()).collect();
        let caught =
            if let [one] = names.as_slice() { (*one).to_owned() } else { format!("({})", names.join(", ")) };
        body = body.into_iter().map(|line| format!("    {line}")).collect();
        body.insert(0, "try:".to_owned());
        body.push(format!("except {caught}:"));
        body.push("    pass  # refused by an error of its own".to_owned());
    }
    let mut out = format!("{what}\n{}\n\n\n", imports.join("\n"));
    let indent = if unittest {
        out.push_str(&format!("class Incident{title}Test(unittest.TestCase):\n    def {name}(self):\n"));
        "        "
    } else {
        out.push_str(&format!("def {name}():\n"));
        "    "
    };
    for line in body {
        out.push_str(&format!("{indent}{line}\n"));
    }
    out
}

/// `text` as it may stand in a docstring: it comes from a log.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '/' | '-' | '<' | '>' | ' '))
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Frame;

    fn incident() -> Incident {
        Incident {
            exception: "KeyError\"\"\"".into(),
            fingerprint: "ab12cd34ffff".into(),
            frames: vec![Frame {
                path: Some("shop/cart.py".into()),
                function: "total".into(),
                ..Frame::default()
            }],
            ..Incident::default()
        }
    }

    fn call(statement: &str, asyncio: bool) -> Call {
        Call { statement: statement.into(), names: Vec::new(), whole: true, asyncio }
    }

    #[test]
    fn a_function_for_pytest() {
        let imports = ["from shop import cart".to_owned(), "import io".to_owned()];
        assert_eq!(
            source(&incident(), &call("cart.total([1])", false), &imports, &[], false),
            "\"\"\"Incident ab12cd34: KeyError in shop/cart.py, total.\"\"\"\n\nimport io\nfrom shop import cart\n\n\ndef test_incident_ab12cd34():\n    cart.total([1])\n"
        );
    }

    #[test]
    fn an_error_of_the_repositorys_own_is_an_answer() {
        let error = Importable { name: "Bad".into(), statement: "from shop import Bad".into() };
        let text = source(&incident(), &call("f(1)", false), &[], &[error], false);
        assert!(
            text.ends_with(
                "from shop import Bad\n\n\ndef test_incident_ab12cd34():\n    try:\n        f(1)\n    except Bad:\n        pass  # refused by an error of its own\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_class_for_unittest() {
        let text = source(&incident(), &call("with f(1): pass", true), &[], &[], true);
        assert!(text.contains("import asyncio\nimport unittest\n\n\nclass Incidentab12cd34Test(unittest.TestCase):\n    def test_incident_ab12cd34(self):\n        with f(1):\n            pass\n"), "{text}");
    }
}
