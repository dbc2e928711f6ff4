//! What the repository's owners allow beyond the gate's rules, and what they protect beside them: `policy` of
//! `prunella.yaml` at the base commit.
//!
//! ```yaml
//! policy:
//!   allow: [config, dependencies]
//!   protect: [migrations/, "pkg/**/schema.py"]
//!   limits: {files: 20, lines: 2000, bytes: 200000}
//!   format: [ruff, format]
//!   commands: [[ruff], [python, -m, pytest]]
//! ```

use globset::GlobBuilder;
use prunella_engine::graph::yaml::{self, Node, Span};

/// Largest file in bytes.
const MAX_FILE: usize = 64 << 10;
/// Most patterns under `protect`.
const MAX_PATTERNS: usize = 200;

/// What a patch may measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the diff.
    pub bytes: usize,
    /// Lines of the diff.
    pub lines: usize,
    /// Files of the diff.
    pub files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: super::MAX_BYTES, lines: super::MAX_LINES, files: super::MAX_FILES }
    }
}

impl Limits {
    /// As far as a policy may raise them: what is larger is no patch that anybody reads.
    #[must_use]
    pub fn most() -> Self {
        Self { bytes: 16 << 20, lines: 400_000, files: 2_000 }
    }
}

/// A repository's policy; the default allows nothing and adds nothing.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether a patch may change configuration. The tests still run with the base's.
    pub config: bool,
    /// Whether a patch may change what a manifest says of dependencies. Lock files stay out of reach.
    pub dependencies: bool,
    /// Paths beyond the gate's own that a patch may not touch.
    pub protect: Vec<Protected>,
    /// How large a patch may be.
    pub limits: Limits,
    /// The formatter that runs on touched files before they are judged, in words; empty for none.
    pub format: Vec<String>,
    /// How commands of graphs and agents begin, in words; nothing for what the graph allows.
    pub commands: Option<Vec<Vec<String>>>,
}

/// A pattern of paths.
#[derive(Debug, Clone)]
pub struct Protected {
    /// As it was written.
    pub pattern: String,
    glob: globset::GlobMatcher,
}

impl Policy {
    /// The pattern that protects `path`, when one does.
    #[must_use]
    pub fn protects(&self, path: &str) -> Option<&str> {
        self.protect.iter().find(|one| one.glob.is_match(path)).map(|one| one.pattern.as_str())
    }

    /// The policy in a phrase, for a verdict's evidence.
    #[must_use]
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        let allowed: Vec<&str> = [(self.config, "config"), (self.dependencies, "dependencies")]
            .into_iter()
            .filter_map(|(on, word)| on.then_some(word))
            .collect();
        if !allowed.is_empty() {
            parts.push(format!("allows {}", allowed.join(" and ")));
        }
        if !self.protect.is_empty() {
            let patterns: Vec<&str> = self.protect.iter().map(|one| one.pattern.as_str()).collect();
            parts.push(format!("protects {}", patterns.join(", ")));
        }
        if self.limits != Limits::default() {
            let Limits { bytes, lines, files } = self.limits;
            parts.push(format!("at most {files} files, {lines} lines, {bytes} bytes"));
        }
        if !self.format.is_empty() {
            parts.push(format!("formats with `{}`", self.format.join(" ")));
        }
        if let Some(commands) = &self.commands {
            let commands: Vec<String> =
                commands.iter().map(|words| format!("`{}`", words.join(" "))).collect();
            parts.push(format!("runs no commands but {}", commands.join(", ")));
        }
        if parts.is_empty() { "default".to_owned() } else { parts.join("; ") }
    }

    /// Reads the `policy` of a `prunella.yaml`; the other sections are not looked into.
    ///
    /// # Errors
    /// `prunella.yaml:LINE: …` when it is no YAML, or a key under `policy` is unknown or of the wrong shape.
    pub fn read(text: &str) -> Result<Self, String> {
        let at = |line: usize, why: &str| format!("prunella.yaml:{line}: {why}");
        if text.len() > MAX_FILE {
            return Err(at(1, &format!("{} bytes; {MAX_FILE} are allowed", text.len())));
        }
        let root = yaml::tree("prunella.yaml", text).map_err(|found| match found.first() {
            Some(first) => at(first.line, &first.message),
            None => at(1, "no YAML"),
        })?;
        let mut out = Self::default();
        let Some(root) = root else { return Ok(out) };
        let section = root.entries().and_then(|keys| keys.iter().find(|(key, _)| key.name == "policy"));
        if let Some((_, node)) = section {
            lower(node, &mut out).map_err(|(span, why)| {
                let before = text.get(..span.start).unwrap_or_default();
                at(before.matches('\n').count() + 1, &why)
            })?;
        }
        Ok(out)
    }
}

type Problem = (Span, String);

fn lower(policy: &Node, out: &mut Policy) -> Result<(), Problem> {
    let Some(entries) = policy.entries() else {
        return if policy.text().is_some_and(str::is_empty) {
            Ok(())
        } else {
            Err((policy.span.clone(), "`policy` takes keys and values".to_owned()))
        };
    };
    for (key, node) in entries {
        match key.name.as_str() {
            "allow" => {
                for (word, span) in words(node, "`policy.allow`")? {
                    match word.as_str() {
                        "config" => out.config = true,
                        "dependencies" => out.dependencies = true,
                        other => {
                            let why =
                                format!("`policy.allow` knows `config` and `dependencies`, not `{other}`");
                            return Err((span, why));
                        }
                    }
                }
            }
            "protect" => {
                for (pattern, span) in words(node, "`policy.protect`")? {
                    let glob = glob(&pattern).map_err(|why| (span, why))?;
                    out.protect.push(Protected { pattern, glob });
                }
                if out.protect.len() > MAX_PATTERNS {
                    return Err((node.span.clone(), format!("more than {MAX_PATTERNS} patterns")));
                }
            }
            "limits" => limits(node, &mut out.limits)?,
            "format" => {
                out.format = words(node, "`policy.format`")?.into_iter().map(|(word, _)| word).collect();
                if out.format.first().is_none_or(String::is_empty) {
                    return Err((node.span.clone(), "`policy.format` names no program".to_owned()));
                }
            }
            "commands" => {
                let lists = node.items().ok_or_else(|| {
                    (node.span.clone(), "`policy.commands` takes a list of commands".to_owned())
                })?;
                let mut commands = Vec::new();
                for list in lists {
                    let command = words(list, "a command of `policy.commands`")?;
                    if command.first().is_none_or(|(word, _)| word.is_empty()) {
                        return Err((list.span.clone(), "a command names a program".to_owned()));
                    }
                    commands.push(command.into_iter().map(|(word, _)| word).collect());
                }
                out.commands = Some(commands);
            }
            other => {
                let why = format!(
                    "unknown key `policy.{other}`; there are `allow`, `protect`, `limits`, `format`, `commands`"
                );
                return Err((key.span.clone(), why));
            }
        }
    }
    Ok(())
}

fn limits(node: &Node, out: &mut Limits) -> Result<(), Problem> {
    let wrong = |span: &Span, why: String| Err((span.clone(), why));
    let Some(entries) = node.entries() else {
        return wrong(&node.span, "`policy.limits` takes `files`, `lines`, `bytes`".to_owned());
    };
    let most = Limits::most();
    for (key, node) in entries {
        let (place, most) = match key.name.as_str() {
            "files" => (&mut out.files, most.files),
            "lines" => (&mut out.lines, most.lines),
            "bytes" => (&mut out.bytes, most.bytes),
            other => {
                let why = format!("unknown key `policy.limits.{other}`; there are `files`, `lines`, `bytes`");
                return wrong(&key.span, why);
            }
        };
        match node.text().and_then(|text| text.parse::<usize>().ok()).filter(|n| (1..=most).contains(n)) {
            Some(number) => *place = number,
            None => {
                return wrong(
                    &node.span,
                    format!("`policy.limits.{}` is a number from 1 to {most}", key.name),
                );
            }
        }
    }
    Ok(())
}

/// A pattern as people write them: relative to the top, `*` within a folder, `**` across folders, and a folder's
/// name with `/` for all below it.
fn glob(pattern: &str) -> Result<globset::GlobMatcher, String> {
    let plain = pattern.strip_prefix("./").unwrap_or(pattern);
    if plain.is_empty() || plain.starts_with('/') || plain.split('/').any(|part| part == "..") {
        return Err(format!("`{pattern}` is no pattern relative to the repository's top"));
    }
    let whole = if plain.ends_with('/') { format!("{plain}**") } else { plain.to_owned() };
    // A file system may not tell case apart; then neither may the protection.
    GlobBuilder::new(&whole)
        .literal_separator(true)
        .case_insensitive(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|e| format!("`{pattern}` is no pattern: {e}"))
}

/// Words of a list, each with its place.
fn words(node: &Node, what: &str) -> Result<Vec<(String, Span)>, Problem> {
    let wrong = || (node.span.clone(), format!("{what} takes a list of words"));
    node.items()
        .ok_or_else(wrong)?
        .iter()
        .map(|item| item.text().map(|text| (text.to_owned(), item.span.clone())).ok_or_else(wrong))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_and_said() {
        let text = "tests: {command: [x]}\npolicy:\n  allow: [config, dependencies]\n  protect: [migrations/, 'pkg/*/schema.py']\n  limits: {files: 3}\n  format: [ruff, format]\n  commands: [[ruff], [python, -m, pytest]]\n";
        let policy = Policy::read(text).unwrap();
        assert!(policy.config && policy.dependencies);
        assert_eq!((policy.limits.files, policy.limits.lines), (3, super::super::MAX_LINES));
        for (path, protected) in [
            ("migrations/0001.sql", true),
            ("Migrations/a/b.py", true),
            ("pkg/a/schema.py", true),
            ("pkg/a/b/schema.py", false),
            ("pkg/schema.py", false),
            ("x/migrations/a", false),
        ] {
            assert_eq!(policy.protects(path).is_some(), protected, "{path}");
        }
        let words = policy.words();
        for part in
            ["config and dependencies", "migrations/", "at most 3 files", "ruff format", "`python -m pytest`"]
        {
            assert!(words.contains(part), "{words}");
        }
        for empty in ["", "tests: {}\n", "policy:\n", "policy: {}\n"] {
            assert_eq!(Policy::read(empty).unwrap().words(), "default");
        }
    }

    #[test]
    fn errors_name_their_line() {
        for (text, place) in [
            ("policy:\n  alow: [config]\n", "prunella.yaml:2: unknown key `policy.alow`"),
            ("policy:\n  allow: [tests]\n", "prunella.yaml:2: `policy.allow` knows"),
            ("policy: {allow: config}\n", "prunella.yaml:1: `policy.allow` takes a list"),
            ("policy:\n  protect: [../x]\n", "prunella.yaml:2: `../x` is no pattern"),
            ("policy:\n  limits: {files: 0}\n", "prunella.yaml:2: `policy.limits.files` is a number"),
            ("policy:\n  limits: {bytes: 99999999999}\n", "prunella.yaml:2: `policy.limits.bytes`"),
            ("policy: {format: []}\n", "prunella.yaml:1: `policy.format` names no program"),
            ("policy: {commands: [ruff]}\n", "prunella.yaml:1: a command of `policy.commands` takes a list"),
            ("policy: {commands: [[]]}\n", "prunella.yaml:1: a command names a program"),
            ("policy: [1]\n", "prunella.yaml:1: `policy` takes keys"),
        ] {
            let why = Policy::read(text).unwrap_err();
            assert!(why.starts_with(place), "{text:?}: {why}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(policy|allow|protect|limits|format|commands|config|files|bytes|[a-z*?{}!/.]{0,6}|[\\[\\]:,\\-\n ]){0,30}") {
            let _ = Policy::read(&text);
            if let Ok(policy) = Policy::read(&format!("policy:\n  protect: ['{}']\n", text.replace(['\n', '\''], ""))) {
                let _ = policy.protects(&text);
            }
        }
    }
}
