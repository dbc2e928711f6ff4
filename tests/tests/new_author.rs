//! `docs/authoring.md` is a transcript, and this plays it: what stands in its `diff` blocks is changed in the file that
//! the block names, its `console` blocks are run, and each must print what the page says.
//!
//! `UPDATE=1 cargo test --workspace --test new_author` writes what is printed into the page.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::{Path, PathBuf};
use std::process::Command;

use prunella_tests::Prunella;

/// A block of the page.
enum Block {
    /// Everything else, as it stands.
    Words(String),
    /// Commands with what they print.
    Console(String),
    /// A change to this file.
    Diff { file: String, text: String },
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut words = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let diff = line.strip_prefix("```diff ");
        if diff.is_none() && line != "```console" {
            words.push_str(&format!("{line}\n"));
            continue;
        }
        blocks.push(Block::Words(std::mem::take(&mut words)));
        let text: String =
            lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        blocks.push(match diff {
            Some(file) => Block::Diff { file: file.to_owned(), text },
            None => Block::Console(text),
        });
    }
    blocks.push(Block::Words(words));
    blocks
}

/// A place where the page is played, with a home of its own.
struct Stage {
    prunella: Prunella,
    /// Where commands run; `cd` changes it.
    dir: PathBuf,
    /// The folder that the page begins in.
    root: PathBuf,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        Self { prunella: Prunella::new(), dir: root.clone(), root, _folder: folder }
    }

    /// What a command prints, both streams as they come.
    fn run(&mut self, line: &str) -> String {
        if let Some(dir) = line.strip_prefix("cd ") {
            self.dir = self.dir.join(dir);
            assert!(self.dir.is_dir(), "{line}");
            return String::new();
        }
        let program = self.prunella.command(&[""; 0]);
        let envs: Vec<_> = program.get_envs().filter_map(|(name, value)| Some((name, value?))).collect();
        // What the page calls `prunella` is the binary under test.
        let script = format!("prunella() {{ \"$PRUNELLA_BINARY\" \"$@\"; }}\n{line}");
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{script}")])
            .env_clear()
            .envs(envs)
            .env("PRUNELLA_BINARY", program.get_program())
            .current_dir(&self.dir)
            .output()
            .unwrap();
        self.normal(&String::from_utf8(output.stdout).unwrap())
    }

    /// What differs from one time to the next, written the same way each time: ids of runs, times, and
    /// where the store and the page's folder are.
    fn normal(&self, printed: &str) -> String {
        let store = self.prunella.store().display().to_string();
        let root = self.root.display().to_string();
        let mut out = String::new();
        let mut run = String::new();
        for line in printed.lines() {
            let mut line = line.replace(&store, "~/.local/state/prunella").replace(&root, "~");
            if let Some(id) = line.strip_prefix("run ").and_then(|rest| rest.split(':').next()) {
                run = id.to_owned();
            }
            if !run.is_empty() {
                line = line.replace(&run, "6akjzt4zyz02");
            }
            out.push_str(&times(&line));
            out.push('\n');
        }
        out
    }
}

/// Every time, `  12.3 s`, as `  0.0 s`, however wide its column was.
fn times(line: &str) -> String {
    let time = |word: &str| {
        word.split_once('.').is_some_and(|(a, b)| {
            !a.is_empty() && b.len() == 1 && a.bytes().chain(b.bytes()).all(|c| c.is_ascii_digit())
        })
    };
    let words: Vec<&str> = line.split(' ').collect();
    let mut out: Vec<&str> = Vec::new();
    for (i, word) in words.iter().enumerate() {
        if !(time(word) && words.get(i + 1) == Some(&"s")) {
            out.push(word);
            continue;
        }
        while out.last() == Some(&"") {
            out.pop();
        }
        out.extend(["", "0.0"]);
    }
    out.join(" ")
}

/// Replaces the lines with `-` by those with `+`; the former stand in the file exactly once, one below the other.
fn change(file: &Path, text: &str) {
    let side = |sign: char| -> String {
        let lines =
            text.lines().filter_map(|line| line.strip_prefix(sign).or_else(|| line.strip_prefix(' ')));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let source = std::fs::read_to_string(file).unwrap();
    let (old, new) = (side('-'), side('+'));
    assert_eq!(source.matches(&old).count(), 1, "{} does not hold exactly once:\n{old}", file.display());
    std::fs::write(file, source.replace(&old, &new)).unwrap();
}

/// The page with what its commands print here.
fn played(page: &str) -> String {
    let mut stage = Stage::new();
    let mut out = String::new();
    for block in blocks(page) {
        match block {
            Block::Words(words) => out.push_str(&words),
            Block::Diff { file, text } => {
                change(&stage.dir.join(&file), &text);
                out.push_str(&format!("```diff {file}\n{text}```\n"));
            }
            Block::Console(text) => {
                out.push_str("```console\n");
                for command in text.lines().filter_map(|line| line.strip_prefix("$ ")) {
                    out.push_str(&format!("$ {command}\n{}", stage.run(command)));
                }
                out.push_str("```\n");
            }
        }
    }
    out
}

#[test]
fn the_new_authors_path_is_what_happens() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/authoring.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let now = played(&page);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &now).unwrap();
        return;
    }
    for (i, (there, here)) in page.lines().zip(now.lines()).enumerate() {
        assert_eq!(there, here, "docs/authoring.md:{}; `UPDATE=1` writes it anew", i + 1);
    }
    assert_eq!(page.lines().count(), now.lines().count(), "docs/authoring.md; `UPDATE=1` writes it anew");
    // It is about errors: ten of them, each another.
    let codes: std::collections::BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("error[")?.split(']').next()).collect();
    assert!(codes.len() >= 10, "{codes:?}");
}
