//! The negative control of a foreign runner: the reproduction's file with a last statement that fails. An honest run
//! cannot come out well with it; a report that was written by the code under test before the tests were done can.

use crate::world::tests::canary::token;

/// `text` with a failing end, where the language of `path` is one whose files run from top to bottom.
pub(crate) fn sabotaged(path: &str, text: &str) -> Option<String> {
    let word = token();
    let end = match path.rsplit_once('.')?.1 {
        "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "jsx" | "tsx" => {
            format!("\n;throw new Error('{word}');\n")
        }
        "py" => format!("\nraise RuntimeError('{word}')\n"),
        "rb" => format!("\nraise '{word}'\n"),
        "sh" | "bash" | "bats" => "\nexit 97\n".to_owned(),
        "pl" | "t" => format!("\ndie '{word}';\n"),
        "php" => format!("\nthrow new Exception('{word}');\n"),
        _ => return None,
    };
    Some(format!("{text}{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scripts_have_an_end_that_can_fail() {
        assert!(sabotaged("test/a.test.js", "x").unwrap().starts_with("x\n;throw new Error('n"));
        assert!(sabotaged("t/a.py", "").unwrap().contains("raise RuntimeError"));
        assert_eq!(sabotaged("src/lib.rs", ""), None);
        assert_eq!(sabotaged("README", ""), None);
    }
}
