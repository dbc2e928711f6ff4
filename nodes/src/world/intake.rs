//! Logs on their way in: read, bounded, made text, and freed of what looks like a credential.
//!
//! A log is redacted once, here, before it is stored: a live node and a replayed one see the same text.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::LazyLock;

use prunella_engine::EffectError;
use regex::Regex;

/// Most bytes taken of a log: its end, where the newest incident is.
const MOST: u64 = 64 << 20;

/// A log as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogText {
    /// The file's name without its folder.
    pub name: String,
    /// Its text, or the last 64 MiB of it, redacted; bytes that are no UTF-8 become U+FFFD.
    pub text: String,
    /// Bytes at the start that were left out.
    pub skipped: u64,
}

/// Reads the log at `path`.
///
/// # Errors
/// `log.unreadable` (exit 5) when it is missing, no file, or cannot be read.
pub fn read_log(path: &Path) -> Result<LogText, EffectError> {
    let unreadable = |why: String| {
        EffectError::new("log.unreadable", 5, format!("the log {} cannot be read: {why}", path.display()))
            .help("give --incident the path of a log file")
    };
    let mut file = std::fs::File::open(path).map_err(|e| unreadable(e.to_string()))?;
    let meta = file.metadata().map_err(|e| unreadable(e.to_string()))?;
    if meta.is_dir() {
        return Err(unreadable("it is a folder".to_owned()));
    }
    let skipped = meta.len().saturating_sub(MOST);
    if skipped > 0 {
        file.seek(SeekFrom::Start(skipped)).map_err(|e| unreadable(e.to_string()))?;
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(|e| unreadable(e.to_string()))?;
    let name = path.file_name().map_or_else(|| "log".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(LogText { name, text: redact_tokens(&String::from_utf8_lossy(&bytes)), skipped })
}

/// Shapes of credentials that have no other meaning. Each has one group or none: what is kept in front.
static TOKENS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b",
        r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b",
        r"\bglpat-[A-Za-z0-9_-]{20,}\b",
        r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
        r"\bsk-[A-Za-z0-9_-]{20,}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
        r"(?i)(\bauthorization\b[\x22']?\s*[:=]\s*[\x22']?(?:basic|bearer|token)\s+)[A-Za-z0-9._~+/=-]{8,}",
        r"(?i)(\baws_secret_access_key\b[\x22']?\s*[:=]\s*[\x22']?)[A-Za-z0-9/+=]{40}",
        r"([a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:)[^\s:/@]{1,200}(?:@)",
    ]
    .iter()
    .map(|pattern| Regex::new(pattern).expect("a pattern of ours compiles"))
    .collect()
});

/// `text` with everything that has the shape of a credential replaced by `[redacted]`.
#[must_use]
pub fn redact_tokens(text: &str) -> String {
    let mut text = std::borrow::Cow::Borrowed(text);
    for pattern in TOKENS.iter() {
        let replaced = pattern.replace_all(&text, |found: &regex::Captures<'_>| {
            let kept = found.get(1).map_or("", |group| group.as_str());
            let tail = if found[0].ends_with('@') { "@" } else { "" };
            format!("{kept}[redacted]{tail}")
        });
        if let std::borrow::Cow::Owned(replaced) = replaced {
            text = std::borrow::Cow::Owned(replaced);
        }
    }
    redact_keys(&text)
}

/// What a private key in PEM begins and ends with, as far as it is the same for all kinds.
const KEY: (&str, &str) = ("PRIVATE KEY-----", "-----END ");

/// Most bytes between the two.
const LONGEST_KEY: usize = 16 << 10;

/// `text` with the bodies of private keys replaced. One pass: a pattern would look ahead again at each beginning.
fn redact_keys(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(KEY.0) {
        let body = at + KEY.0.len();
        let begins = rest[..at].rfind("-----BEGIN ").is_some_and(|begin| at - begin < 48);
        let mut most = rest.len().min(body + LONGEST_KEY);
        while !rest.is_char_boundary(most) {
            most -= 1;
        }
        out.push_str(&rest[..body]);
        rest = &rest[body..];
        if begins && let Some(end) = rest[..most - body].find(KEY.1) {
            out.push_str("[redacted]");
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_and_the_rest_stays() {
        let token = format!("ghp_{}", "a1".repeat(18));
        let log = format!(
            "call failed token={token}\nAuthorization: Bearer abcdefgh12345678\npostgres://app:hunter2@db/x\nKeyError: 'a'\n"
        );
        assert_eq!(
            redact_tokens(&log),
            "call failed token=[redacted]\nAuthorization: Bearer [redacted]\npostgres://app:[redacted]@db/x\nKeyError: 'a'\n"
        );
    }

    #[test]
    fn a_private_key_loses_its_body() {
        let log = "x\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----\ny\n";
        let kept = "x\n-----BEGIN RSA PRIVATE KEY-----[redacted]-----END RSA PRIVATE KEY-----\ny\n";
        assert_eq!(redact_tokens(log), kept);
        let open = "-----BEGIN PRIVATE KEY-----\n".repeat(3);
        assert_eq!(redact_tokens(&open), open, "what never ends is no key");
    }

    #[test]
    fn code_that_names_a_password_stays() {
        let line = "    login(user, password=password)\n";
        assert_eq!(redact_tokens(line), line);
    }

    #[test]
    fn a_missing_log_says_where_it_was_looked_for() {
        let error = read_log(Path::new("no/such.log")).unwrap_err();
        assert_eq!(error.exit, 5);
        assert!(error.message.contains("no/such.log"), "{error}");
    }
}
