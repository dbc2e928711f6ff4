//! Secrets do not belong in a graph file: it is committed, stored with every run, and travels in traces.

use super::super::diagnostic::Report;

/// What authors call secrets in other systems' expressions.
pub(super) const NAME: &str = "secrets";

/// Reports an expression or a template that would read a secret.
pub(super) fn read(report: &mut Report<'_>, span: &std::ops::Range<usize>) {
    report
        .error("E059", span, "no expression and no template reads a secret")
        .help("name it where a credential is meant; what a graph computes is stored with the run and sent to models");
}

/// Prefixes of well-known credentials, with the fewest characters that follow.
const PREFIXES: [(&str, usize, &str); 12] = [
    ("AKIA", 16, "an AWS access key"),
    ("ASIA", 16, "an AWS access key"),
    ("ghp_", 30, "a GitHub token"),
    ("gho_", 30, "a GitHub token"),
    ("ghs_", 30, "a GitHub token"),
    ("github_pat_", 30, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("sk-", 20, "an API key"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("AIza", 30, "a Google API key"),
    ("eyJhbGciOi", 30, "a JSON web token"),
];

/// Reports everything in the text, comments included, that has the shape of a credential.
pub(super) fn check(report: &mut Report<'_>) {
    let source = report.source;
    let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+');
    let mut start = None;
    let ends = source.char_indices().chain(std::iter::once((source.len(), ' ')));
    for (at, c) in ends {
        match (start, token(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                start = None;
                let word = source.get(from..at).unwrap_or_default();
                if let Some(what) = shape(word) {
                    found(report, from..at, what);
                }
            }
            _ => {}
        }
    }
    for (at, line) in source.match_indices("-----BEGIN ") {
        if source
            .get(at..)
            .and_then(|rest| rest.lines().next())
            .is_some_and(|first| first.contains("PRIVATE KEY-----"))
        {
            found(report, at..at + line.len(), "a private key");
        }
    }
}

fn found(report: &mut Report<'_>, span: std::ops::Range<usize>, what: &str) {
    report
        .error("E048", &span, format!("this looks like {what}"))
        .help("take it out, and replace it where it is valid: it has been in a file. Credentials are named in the configuration");
}

fn shape(word: &str) -> Option<&'static str> {
    let known = PREFIXES.iter().find(|(prefix, least, _)| {
        word.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() >= *least
                && rest.bytes().any(|b| b.is_ascii_digit())
                && rest.bytes().any(|b| b.is_ascii_alphabetic())
        })
    });
    known.map(|(_, _, what)| *what)
}
