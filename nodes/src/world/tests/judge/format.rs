//! The repository's formatter, over the files that a patch touches, before they are judged.
//!
//! It runs in the sandbox: what it reads is the candidate's. What it makes of the touched files becomes the
//! candidate; a formatter that fails, or that touches anything else, leaves the candidate as it was, with a word.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prunella_engine::EffectError;
use prunella_sandbox::{End, File, Job, Limits, Mount};

use super::{Ask, Case, Judgement};
use crate::gate::Policy;
use crate::world::git::FileEdit;
use crate::world::tests::Tester;
use crate::world::tests::exec::alone;

/// Seconds that it may take.
const LIMIT: u64 = 60;
/// Most bytes that it may send.
const MAX_OUTPUT: usize = 32 << 20;
/// Runs the words and then sends what became of the files: `code N`, then `file LENGTH` and the bytes for each path.
const SCRIPT: &str = r#"words=$1; shift
"$@" </dev/null >&2
code=$?
shift "$words"
{
    printf 'code %d\n' "$code"
    for path in "$@"; do
        if [ -f "$path" ] && [ ! -L "$path" ]; then
            printf 'file %d\n' "$(($(wc -c <"$path")))"
            cat -- "$path"
        else
            printf 'gone\n'
        fi
    done
    printf 'end\n'
}
"#;

impl Tester {
    /// The case as the policy's formatter leaves it, and its diff; `out` says what was done.
    pub(super) fn formatted<'a>(
        &self,
        case: Case<'a>,
        policy: &Policy,
        diff: &str,
        ask: Ask<'a>,
        out: &mut Judgement,
    ) -> Result<(Case<'a>, String), EffectError> {
        let plain = diff.to_owned();
        let files: Vec<&FileEdit> =
            case.edits.iter().filter(|(path, content)| content.is_some() && !path.starts_with('-')).collect();
        if policy.format.is_empty() || files.is_empty() {
            return Ok((case, plain));
        }
        let shown = policy.format.join(" ");
        match self.run_formatter(&case, &policy.format, &files)? {
            Ok(made) if made.is_empty() => {
                out.formatter = format!("`{shown}` had nothing to change");
                Ok((case, plain))
            }
            Ok(made) => {
                let mut edits = case.edits.clone();
                for (path, content) in &mut edits {
                    if let Some(new) = made.get(path.as_str()) {
                        *content = Some(new.clone());
                    }
                }
                let text = self.rendered(case.commit, &edits)?;
                // What comes out is a candidate like any other: the gate decides on it, too.
                match self.admit(case.base, case.commit, &text, policy, ask) {
                    Ok(formatted) => {
                        out.formatter = format!("`{shown}` changed {} of the touched files", made.len());
                        out.diff = Some(text.clone());
                        Ok((formatted, text))
                    }
                    Err(refusal) => {
                        out.formatter =
                            format!("`{shown}` made what the gate refuses ({refusal}): left as it was");
                        Ok((case, plain))
                    }
                }
            }
            Err(why) => {
                out.formatter = format!("`{shown}` {why}: left as it was");
                Ok((case, plain))
            }
        }
    }

    /// What the formatter makes of `files`, those that it changes; or why it is of no use.
    fn run_formatter(
        &self,
        case: &Case<'_>,
        words: &[String],
        files: &[&FileEdit],
    ) -> Result<Result<BTreeMap<String, Vec<u8>>, String>, EffectError> {
        let settings = &case.base.settings;
        let Some((program, mounts)) = self.formatter_at(words, &settings.interpreter.exe) else {
            return Ok(Err("is not here".to_owned()));
        };
        let mut argv: Vec<String> = vec!["/bin/sh".to_owned(), "/prunella/format.sh".to_owned()];
        argv.push(words.len().to_string());
        argv.push(program);
        argv.extend(words.iter().skip(1).cloned());
        argv.extend(files.iter().map(|(path, _)| path.clone()));
        let mut all = settings.mounts.clone();
        all.extend(mounts);
        all.sort();
        all.dedup();
        let wall = Duration::from_secs(LIMIT);
        let report = self.launcher.perform(&Job {
            tree: case.base.tree.clone(),
            edits: self.sandbox_edits(case.commit, &case.edits),
            argv,
            mounts: all,
            files: vec![File { name: "format.sh".to_owned(), content: SCRIPT.as_bytes().to_vec() }],
            limits: Limits { wall, cpu: wall, output_keep: MAX_OUTPUT, ..Limits::default() },
            ..Job::default()
        })?;
        if report.end != (End::Exited { code: 0 }) {
            return Ok(Err("did not come to its end".to_owned()));
        }
        let whole = report.stdout.dropped == 0;
        let Some((code, contents)) = read(&report.stdout.kept, files.len()).filter(|_| whole) else {
            return Ok(Err("did not say what it did".to_owned()));
        };
        if code != 0 {
            let said = report.stderr.text();
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let last: String = last.trim().chars().take(160).collect();
            return Ok(Err(format!("failed with status {code} ({last})")));
        }
        let touched = |path: &str| files.iter().any(|(one, _)| one == path);
        if let Some(other) = report.changed.iter().find(|change| !touched(&change.path)) {
            return Ok(Err(format!("touches other files ({})", other.path)));
        }
        let mut made = BTreeMap::new();
        for ((path, before), after) in files.iter().zip(contents) {
            match after {
                None => return Ok(Err(format!("removes {path}"))),
                Some(after) if before.as_ref() != Some(&after) => {
                    made.insert(path.clone(), after);
                }
                Some(_) => {}
            }
        }
        Ok(Ok(made))
    }

    /// Where the formatter is: beside the tests' interpreter, else on the system's path, else on the user's.
    pub(in crate::world::tests) fn formatter_at(
        &self,
        words: &[String],
        python: &Path,
    ) -> Option<(String, Vec<Mount>)> {
        let name = words.first()?;
        if name.contains('/') {
            return (!name.starts_with('/') && !name.split('/').any(|part| part == ".."))
                .then(|| (name.clone(), Vec::new()));
        }
        if let Some(beside) = python.parent().map(|bin| bin.join(name)).filter(|path| path.is_file()) {
            return Some((beside.to_string_lossy().into_owned(), Vec::new()));
        }
        let system = ["/usr/bin", "/bin", "/usr/local/bin"].map(PathBuf::from);
        if let Some(found) = system.iter().map(|dir| dir.join(name)).find(|path| path.is_file()) {
            return Some((found.to_string_lossy().into_owned(), Vec::new()));
        }
        let found = self.path.iter().map(|dir| dir.join(name)).find(|path| path.is_file())?;
        // The program alone is made visible, not the folder that it lies in.
        Some(alone(found.canonicalize().ok()?))
    }
}

/// What the script sent: the formatter's status and each file's content, or nothing for one that is gone.
fn read(mut sent: &[u8], count: usize) -> Option<(i32, Vec<Option<Vec<u8>>>)> {
    fn line(sent: &mut &[u8]) -> Option<String> {
        let end = sent.iter().position(|b| *b == b'\n')?;
        let (head, rest) = sent.split_at(end);
        *sent = rest.get(1..)?;
        String::from_utf8(head.to_vec()).ok()
    }
    let code = line(&mut sent)?.strip_prefix("code ")?.parse().ok()?;
    let mut out = Vec::new();
    for _ in 0..count {
        let head = line(&mut sent)?;
        out.push(match head.strip_prefix("file ") {
            Some(length) => {
                let (content, rest) = sent.split_at_checked(length.parse().ok()?)?;
                sent = rest;
                Some(content.to_vec())
            }
            None if head == "gone" => None,
            None => return None,
        });
    }
    (sent == b"end\n").then_some((code, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_sends_is_read_whole_or_not_at_all() {
        let sent = b"code 0\nfile 4\na\nb\ngone\nfile 0\nend\n";
        let (code, files) = read(sent, 3).unwrap();
        assert_eq!((code, files), (0, vec![Some(b"a\nb\n".to_vec()), None, Some(Vec::new())]));
        for torn in 0..sent.len() {
            assert!(read(&sent[..torn], 3).is_none(), "{torn}");
        }
        assert!(read(b"code 0\nfile 99999999999999999999\nend\n", 1).is_none());
    }
}
