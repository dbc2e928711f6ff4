//! Which file a reply means, among those of the base commit.

/// Longest text that is taken for a path.
const MAX_PATH: usize = 300;

/// The files that edits may touch.
pub(super) struct Files<'a> {
    sorted: &'a [String],
}

impl<'a> Files<'a> {
    /// Over paths sorted by byte order.
    pub(super) fn new(sorted: &'a [String]) -> Self {
        Self { sorted }
    }

    /// Whether `path` is one of them, as it stands.
    pub(super) fn has(&self, path: &str) -> bool {
        self.sorted.binary_search_by(|file| file.as_str().cmp(path)).is_ok()
    }

    /// The file that `path` means: itself, without the `a/` or `b/` of a diff, or the only file that ends in it.
    ///
    /// # Errors
    /// Why there is no such file: a sentence.
    pub(super) fn resolve(&self, path: &str) -> Result<&'a str, String> {
        let shown = super::prefix(path, 120);
        let path = path.trim().trim_start_matches("./");
        if path.starts_with('/') || path.contains('\\') || path.split('/').any(|part| part == "..") {
            return Err(format!("`{shown}` is outside the repository; only files of it can be edited."));
        }
        for candidate in [Some(path), path.strip_prefix("a/"), path.strip_prefix("b/")].into_iter().flatten()
        {
            if let Ok(at) = self.sorted.binary_search_by(|file| file.as_str().cmp(candidate)) {
                return self.sorted.get(at).map(String::as_str).ok_or_else(String::new);
            }
        }
        let tail =
            format!("/{}", path.strip_prefix("a/").or_else(|| path.strip_prefix("b/")).unwrap_or(path));
        let mut ending = self.sorted.iter().filter(|file| file.ends_with(&tail));
        match (ending.next(), ending.next()) {
            (Some(only), None) => Ok(only),
            (Some(first), Some(second)) => {
                Err(format!("`{shown}` may be `{first}` or `{second}`; write the full path."))
            }
            _ => Err(format!("`{shown}` is no file of the repository; only files that exist can be edited.")),
        }
    }

    /// The one file of the list that `line` mentions by its full path, if it mentions exactly one.
    pub(super) fn mentioned(&self, line: &str) -> Option<String> {
        if line.len() > 4 * MAX_PATH {
            return None;
        }
        let mut found: Option<&str> = None;
        for word in line.split(|c: char| c.is_whitespace() || "`'\"()[]<>,;*".contains(c)) {
            let word = word.trim_end_matches(['.', ':', '!', '?']).trim_start_matches("./");
            if !word.is_empty() && self.has(word) {
                if found.is_some_and(|other| other != word) {
                    return None;
                }
                found = Some(word);
            }
        }
        found.map(str::to_owned)
    }
}

/// The path that `line` consists of, cleaned of what people put around one: `### src/a.py`, `**src/a.py**:`,
/// `` `src/a.py` ``, `File: src/a.py`, `# src/a.py`, `1. src/a.py`. Nothing when the line says anything else.
pub(super) fn path_line(line: &str) -> Option<String> {
    let mut text = line.trim();
    if text.len() > MAX_PATH {
        return None;
    }
    text = text.trim_start_matches(['#', '*', '-', '/', '>', ' ']);
    // The slashes of a `// path` comment are decoration, the one of an absolute path is not.
    if line.trim().starts_with('/') && !line.trim().starts_with("// ") {
        text = line.trim();
    }
    let number = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if number.len() < text.len()
        && let Some(rest) = number.strip_prefix(['.', ')'])
        && rest.starts_with(' ')
    {
        text = rest.trim_start();
    }
    text = text.trim_start_matches(['*', '`', '[', '<', '"', ' ']);
    for word in ["file name:", "filename:", "filepath:", "file path:", "file:", "path:", "file "] {
        if let Some(rest) = strip_word(text, word) {
            text = rest;
            break;
        }
    }
    let text = text
        .trim_start_matches(['*', '`', '[', '<', '"', ' '])
        .trim_end_matches(['*', '`', ']', '>', '"', ':', ' ']);
    looks_like_path(text).then(|| text.to_owned())
}

/// The path in a fence's info string: `python src/a.py`, `python:src/a.py`, `src/a.py`, `py title="src/a.py"`.
pub(super) fn path_in_info(info: &str) -> Option<String> {
    if info.len() > MAX_PATH {
        return None;
    }
    info.split(|c: char| c.is_whitespace() || c == ',')
        .rev()
        .map(|word| {
            let word = word.rsplit_once('=').map_or(word, |(_, value)| value);
            let word = word.rsplit_once(':').map_or(word, |(_, value)| value);
            word.trim_matches(['"', '\'', '{', '}', '`', '(', ')'])
        })
        .find(|word| looks_like_path(word))
        .map(str::to_owned)
}

fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let head = text.get(..word.len())?;
    if head.eq_ignore_ascii_case(word) { text.get(word.len()..) } else { None }
}

/// No white space, and a folder or an extension.
fn looks_like_path(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').is_some_and(|(stem, ext)| {
        !stem.is_empty() && (1..=10).contains(&ext.len()) && ext.chars().all(|c| c.is_ascii_alphanumeric())
    });
    !text.is_empty()
        && text.len() <= MAX_PATH
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "`|<>*?\"()=,;".contains(c))
        && (extension || (text.contains('/') && !name.is_empty() && !text.contains("://")))
}

/// Whether `path` is a test by its name or folder, or configures tests: nothing that a fix may touch. Only what is
/// certain by the name counts; the gate knows which files the tests were really collected from.
#[must_use]
pub fn is_test_file(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop().unwrap_or_default();
    let module = name.strip_suffix(".py").is_some_and(|stem| {
        stem.starts_with("test_") || stem.ends_with("_test") || matches!(stem, "tests" | "conftest")
    });
    module || parts.iter().any(|part| matches!(*part, "test" | "tests"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_line_is_a_path_and_its_decoration() {
        for line in [
            "src/a.py",
            "### src/a.py",
            "**src/a.py**:",
            "`src/a.py`",
            "File: src/a.py",
            "# src/a.py",
            "1. `src/a.py`",
            "**File: `src/a.py`**",
            "// src/a.py",
            "- src/a.py:",
            "FILE: src/a.py",
        ] {
            assert_eq!(path_line(line).as_deref(), Some("src/a.py"), "{line}");
        }
        for line in
            ["", "Here is the fix:", "return a", "x = a.b", "```python", "see http://a.b/c", "=======", "..."]
        {
            assert_eq!(path_line(line), None, "{line}");
        }
        assert_eq!(path_line("/etc/passwd").as_deref(), Some("/etc/passwd"));
    }

    #[test]
    fn an_info_string_may_hold_a_path() {
        for info in
            ["python src/a.py", "python:src/a.py", "src/a.py", "py title=\"src/a.py\"", "diff src/a.py"]
        {
            assert_eq!(path_in_info(info).as_deref(), Some("src/a.py"), "{info}");
        }
        assert_eq!(path_in_info("python"), None);
    }

    #[test]
    fn only_files_of_the_list_are_meant() {
        let list: Vec<String> = ["lib/x.py", "src/a.py", "src/b/x.py"].map(str::to_owned).into();
        let files = Files::new(&list);
        assert_eq!(files.resolve("./src/a.py"), Ok("src/a.py"));
        assert_eq!(files.resolve("b/src/a.py"), Ok("src/a.py"));
        assert_eq!(files.resolve("a.py"), Ok("src/a.py"));
        assert!(files.resolve("x.py").unwrap_err().contains("full path"));
        for path in ["../src/a.py", "/etc/passwd", "src/../../a.py", "C:\\a.py"] {
            assert!(files.resolve(path).unwrap_err().contains("outside"), "{path}");
        }
        assert!(files.resolve("new.py").unwrap_err().contains("no file"));
        assert_eq!(files.mentioned("Change `src/a.py` so:").as_deref(), Some("src/a.py"));
        assert_eq!(files.mentioned("src/a.py and lib/x.py"), None);
    }

    #[test]
    fn tests_are_known_by_name_and_folder() {
        for path in ["tests/a.py", "pkg/test_a.py", "a_test.py", "conftest.py", "src/tests/data/x.json"] {
            assert!(is_test_file(path), "{path}");
        }
        for path in ["src/a.py", "src/latest.py", "contest.py", "pkg/test.py", "pkg/testing/x.py"] {
            assert!(!is_test_file(path), "{path}");
        }
    }
}
