//! Commands of graphs and tools of agents, over the shop and in the sandbox of this machine.

use std::collections::BTreeMap;

use prunella_engine::blob::BlobRef;
use serde_json::{Value, json};

use super::*;
use crate::effects::{Bounds, CommandRequest, CommandResponse, ToolRequest, ToolResponse};
use crate::world::tools;

const FILES: [(&str, &str); 5] = [
    ("shop/__init__.py", ""),
    ("shop/cart.py", CART),
    ("tests/__init__.py", ""),
    ("tests/test_cart.py", TESTS),
    ("docs/notes.txt", "one\ntwo\n"),
];

/// A shop, the store of its blobs, and an agent's changes so far.
struct Bench {
    shop: Shop,
    blobs: MemoryBlobs,
    diff: Option<BlobRef>,
    bounds: Bounds,
}

impl Bench {
    fn new(policy: &str) -> Self {
        let mut files = FILES.to_vec();
        if !policy.is_empty() {
            files.push(("prunella.yaml", policy));
        }
        let bounds = Bounds { wall_ms: Some(60_000), ..Bounds::default() };
        Self { shop: lay_out(&files, UNITTEST), blobs: MemoryBlobs::default(), diff: None, bounds }
    }

    fn text(&self, blob: &BlobRef) -> String {
        String::from_utf8(self.blobs.get(blob).unwrap()).unwrap()
    }

    fn command(
        &self,
        argv: &[&str],
        env: &[(&str, &str)],
    ) -> Result<CommandResponse, prunella_engine::EffectError> {
        let request = CommandRequest {
            commit: self.shop.commit.clone(),
            diff: self.diff.clone(),
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            env: env
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            bounds: self.bounds.clone(),
        };
        self.shop.tester.command(&request, &self.blobs)
    }

    /// One call of a tool; the changes go on from it.
    fn tool(&mut self, tool: &str, args: Value) -> (ToolResponse, String) {
        let request = ToolRequest {
            commit: self.shop.commit.clone(),
            diff: self.diff.clone(),
            tool: tool.to_owned(),
            args,
            allow: vec![vec!["sh".to_owned(), "-c".to_owned()], vec!["python".to_owned()]],
            bounds: self.bounds.clone(),
        };
        let came = tools::call(&self.shop.repo, &self.shop.tester, &request, &self.blobs).unwrap();
        self.diff = (!came.tree.is_empty()).then(|| came.diff.clone());
        let text = self.text(&came.text);
        (came, text)
    }
}

#[test]
fn a_command_runs_over_the_commit_with_values_in_its_environment() {
    let bench = Bench::new("");
    let ran = bench
        .command(&["sh", "-c", "echo \"$WORD\"; echo bad >&2; ls docs; exit 3"], &[("WORD", "a; ls /")])
        .unwrap();
    assert_eq!((ran.how.as_str(), ran.status), ("exited", Some(3)), "{}", ran.why);
    assert_eq!(bench.text(&ran.stdout), "a; ls /\nnotes.txt\n");
    assert_eq!(bench.text(&ran.stderr), "bad\n");
    // The tests' own interpreter, with what the tests can import.
    let ran = bench
        .command(&["python", "-c", "import pytest, shop.cart; print(shop.cart.countries())"], &[])
        .unwrap();
    assert_eq!(bench.text(&ran.stdout), "['de', 'fr']\n", "{}", bench.text(&ran.stderr));
}

#[test]
fn a_command_sees_the_candidate_and_no_more() {
    let mut bench = Bench::new("");
    let diff = bench.shop.diff(&[("docs/notes.txt", Some("one\nthree\n"))]);
    bench.diff = Some(bench.blobs.put(diff.as_bytes()).unwrap());
    let ran = bench.command(&["cat", "docs/notes.txt"], &[]).unwrap();
    assert_eq!(bench.text(&ran.stdout), "one\nthree\n");
    bench.diff = Some(bench.blobs.put(b"no diff").unwrap());
    let ran = bench.command(&["cat", "docs/notes.txt"], &[]).unwrap();
    assert!(ran.how == "refused" && ran.why.contains("cannot be laid over the base"), "{}", ran.why);
}

#[test]
fn how_a_command_ended_is_told() {
    let mut bench = Bench::new("");
    bench.bounds.wall_ms = Some(300);
    let ran = bench.command(&["sh", "-c", "while :; do :; done"], &[]).unwrap();
    assert!(matches!(ran.how.as_str(), "timed_out" | "cpu_timed_out") && ran.status.is_none(), "{}", ran.how);
    let ran = bench.command(&["no-such-program-here"], &[]).unwrap();
    assert_eq!(
        (ran.how.as_str(), ran.why.as_str()),
        ("refused", "there is no program `no-such-program-here` here")
    );
    for (name, words) in [("LD_PRELOAD", "not the tests' to set"), ("API_TOKEN", "looks like a secret")] {
        let error = bench.command(&["true"], &[(name, "x")]).unwrap_err();
        assert!(error.exit == 2 && error.message.contains(words), "{}", error.message);
    }
}

#[test]
fn the_repositorys_policy_says_how_commands_begin() {
    let mut bench = Bench::new("policy:\n  commands: [[python, -m, unittest], [cat]]\n");
    assert_eq!(bench.command(&["cat", "docs/notes.txt"], &[]).unwrap().status, Some(0));
    for argv in [&["python", "-c", "1"][..], &["sh", "-c", "cat x"], &["catalog"]] {
        let ran = bench.command(argv, &[]).unwrap();
        assert!(ran.how == "refused" && ran.why.contains("`python -m unittest`, `cat`"), "{}", ran.why);
    }
    let (came, text) = bench.tool("run", json!({"argv": ["sh", "-c", "true"]}));
    assert!(!came.done && text.contains("policy does not allow"), "{text}");
}

#[test]
fn an_agent_reads_and_searches_its_own_tree() {
    let mut bench = Bench::new("");
    let (_, text) = bench.tool("read", json!({"path": ""}));
    assert_eq!(text, "docs/\nshop/\ntests/");
    let (_, text) = bench.tool("read", json!({"path": "./docs/notes.txt", "from": 2}));
    assert_eq!(text, "docs/notes.txt, lines 2 to 2 of 2:\n    2  two\n");
    let (_, text) = bench.tool("search", json!({"pattern": "^def (total|tax)", "path": "shop"}));
    assert_eq!(text, "shop/cart.py:4: def total(order):\nshop/cart.py:10: def tax(amount, country):");
    let (came, _) =
        bench.tool("edit", json!({"path": "docs/new.txt", "search": "", "replace": "def total again\n"}));
    assert!(came.done && came.files == ["docs/new.txt".into()]);
    let (_, text) = bench.tool("search", json!({"pattern": "def total"}));
    assert!(text.contains("docs/new.txt:1: def total again"), "{text}");
    let (_, text) = bench.tool("read", json!({"path": "docs"}));
    assert_eq!(text, "new.txt\nnotes.txt");
    // What is taken back is no change.
    let (came, _) = bench.tool("edit", json!({"path": "docs/notes.txt", "search": "two", "replace": "2"}));
    assert_eq!(came.files.len(), 2);
    let (came, _) = bench.tool("edit", json!({"path": "docs/notes.txt", "search": "2", "replace": "two"}));
    assert_eq!(came.files, ["docs/new.txt".into()]);
}

#[test]
fn what_an_agent_may_not_is_told_and_changes_nothing() {
    let mut bench = Bench::new("");
    for (tool, args, words) in [
        ("read", json!({"path": "../etc/passwd"}), "`.` or `..` part"),
        ("read", json!({"path": "/etc/passwd"}), "is absolute"),
        ("read", json!({"path": ".git/config"}), "lies in `.git`"),
        ("read", json!({"path": "nowhere.py"}), "there is no file nowhere.py"),
        ("read", json!({}), "`path` is missing"),
        ("search", json!({"pattern": "("}), "no regular expression"),
        ("search", json!({"pattern": "x", "path": "a/../../b"}), "`..` part"),
        ("edit", json!({"path": "../x.py", "search": "", "replace": "x"}), "`..` part"),
        (
            "edit",
            json!({"path": "tests/test_cart.py", "search": "119", "replace": "1"}),
            "belongs to the tests",
        ),
        (
            "edit",
            json!({"path": "shop/cart.py", "search": "amount", "replace": "x"}),
            "times in shop/cart.py",
        ),
        (
            "edit",
            json!({"path": "shop/cart.py", "search": "nothing like it", "replace": "x"}),
            "is not in shop/cart.py",
        ),
        ("edit", json!({"path": "shop/cart.py", "search": "", "replace": "x"}), "is there already"),
        ("run", json!({"argv": ["cat", "/etc/passwd"]}), "`cat /etc/passwd` is not allowed here"),
        ("run", json!({"argv": "sh -c true"}), "a list of words"),
        ("sudo", json!({}), "there is no tool"),
    ] {
        let (came, text) = bench.tool(tool, args.clone());
        assert!(!came.done && text.contains(words), "{tool} {args}: {text}");
        assert!(came.tree.is_empty() && came.files.is_empty(), "{tool} {args}");
    }
}

#[test]
fn what_an_agents_command_writes_is_its_change_but_for_the_tests() {
    let mut bench = Bench::new("");
    bench.tool("edit", json!({"path": "docs/notes.txt", "search": "two", "replace": "2"}));
    let script = "sed -i s/19/21/ shop/cart.py; rm docs/notes.txt; mkdir -p new .cache; echo hi > new/file.txt; \
                  echo x > .cache/y; echo evil >> tests/test_cart.py; printf '\\377' > new/binary; echo done";
    let (came, text) = bench.tool("run", json!({"argv": ["sh", "-c", script]}));
    assert!(text.starts_with("exit status 0\n--- stdout\ndone\n"), "{text}");
    let files: Vec<&str> = came.files.iter().map(|file| file.0.as_str()).collect();
    assert_eq!(files, ["docs/notes.txt", "new/file.txt", "shop/cart.py"], "{text}");
    assert!(
        text.contains("tests/test_cart.py belongs to the tests") && text.contains("new/binary is no text"),
        "{text}"
    );
    let diff = bench.text(&came.diff);
    assert!(diff.contains("--- a/docs/notes.txt\n+++ /dev/null"), "{diff}");
    assert!(diff.contains("--- /dev/null\n+++ b/new/file.txt"), "{diff}");
    assert!(diff.contains("+TAXES = {\"de\": 21, \"fr\": 20}"), "{diff}");
    // The next command starts from it, in a sandbox of its own.
    let (came, text) =
        bench.tool("run", json!({"argv": ["sh", "-c", "cat new/file.txt; ls docs /tmp; rm new/file.txt"]}));
    assert!(text.contains("\nhi\n") && !text.contains("prunella-mark.now\n.prunella"), "{text}");
    assert_eq!(came.files.len(), 2);
}

#[test]
fn a_command_cannot_reach_the_channel_or_out_of_the_sandbox() {
    let mut bench = Bench::new("");
    let script = "echo \"fd=[$PRUNELLA_FD]\"; for n in 3 4 5 6 7 8 9; do echo 'file 2 shop/evil.py' >&$n; done 2>/dev/null; \
                  cat /etc/shadow; ls /root; true";
    let (came, text) = bench.tool("run", json!({"argv": ["sh", "-c", script]}));
    assert!(text.contains("fd=[]"), "{text}");
    assert!(came.files.is_empty() && came.tree.is_empty(), "{:?}", came.files);
    assert!(!text.contains("root:"), "{text}");
}
