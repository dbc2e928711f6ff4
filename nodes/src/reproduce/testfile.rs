//! The test file that a call becomes.

use super::call::Call;
use super::existing::innermost;
use crate::types::Incident;

/// Digits of the fingerprint in names.
const DIGITS: usize = 8;

/// The name of the incident's test: `test_incident_ab12cd34`.
pub(super) fn name(incident: &Incident) -> String {
    let digits: String =
        incident.fingerprint.chars().filter(char::is_ascii_alphanumeric).take(DIGITS).collect();
    format!("test_incident_{digits}")
}

/// The file with one test that makes `call` after `imports`, in the style of `runner`.
pub(super) fn source(incident: &Incident, call: &Call, imports: &[String], runner: &str) -> String {
    let name = name(incident);
    let unittest = runner == "unittest";
    let mut imports: Vec<String> = imports.to_vec();
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
    let body = call
        .statement
        .strip_suffix(": pass")
        .map_or_else(|| vec![call.statement.clone()], |head| vec![format!("{head}:"), "    pass".to_owned()]);
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
            source(&incident(), &call("cart.total([1])", false), &imports, "pytest"),
            "\"\"\"Incident ab12cd34: KeyError in shop/cart.py, total.\"\"\"\n\nimport io\nfrom shop import cart\n\n\ndef test_incident_ab12cd34():\n    cart.total([1])\n"
        );
    }

    #[test]
    fn a_class_for_unittest() {
        let text = source(&incident(), &call("with f(1): pass", true), &[], "unittest");
        assert!(text.contains("import asyncio\nimport unittest\n\n\nclass Incidentab12cd34Test(unittest.TestCase):\n    def test_incident_ab12cd34(self):\n        with f(1):\n            pass\n"), "{text}");
    }
}
