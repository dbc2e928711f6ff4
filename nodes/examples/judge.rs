//! How many candidates are judged in a second, on a sample repository that it makes by itself.
//!
//! ```sh
//! cargo build --release -p prunella-sandbox --bins
//! cargo run --release -p prunella-nodes --example judge -- 120      # candidates; 60 when absent
//! ```
//!
//! One candidate in ten mends the bug, one breaks another test, the rest mend nothing; one in five comes to a tree that
//! another one has, too. It prints rates for: one by one, many at once, and many whose verdicts are known.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stdout, reason = "a benchmark")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use prunella_nodes::world::git::GitRepo;
use prunella_nodes::world::tests::{HostSettings, Judgement, Tester, Wanted};

/// Tests of the sample repository beside the one that fails.
const TESTS: usize = 60;
const CODE: &str = "TAXES = {\"de\": 19, \"fr\": 20}\n\n\ndef total(order):\n    amount = sum(item[\"price\"] for item in order[\"items\"])\n    return amount + amount * TAXES[order.get(\"country\", \"de\")] // 100\n\n\ndef countries():\n    return sorted(TAXES)\n";

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(60_usize).max(10);
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("repo");
    lay_out(&root)?;
    let repo = Arc::new(GitRepo::open(&root)?);
    let commit = repo.resolve("HEAD")?;
    let command = ["python", "-m", "unittest", "discover"].map(str::to_owned);
    let host = HostSettings { command: Some(command.to_vec()), ..HostSettings::default() };
    let tester = Tester::new(
        Arc::clone(&repo),
        prunella_sandbox::native().into(),
        &folder.path().join("cache"),
        host,
    )?;
    let started = Instant::now();
    let found = tester.doctor(&commit, None)?;
    println!(
        "baseline     {:.2} s, {} tests pass, {} fail, isolation {}",
        started.elapsed().as_secs_f64(),
        found.passed,
        found.failed.len(),
        found.isolation
    );
    let diffs: Vec<String> = (0..count).map(candidate).collect();
    let diffs: Vec<&str> = diffs.iter().map(String::as_str).collect();
    let fresh = Wanted { fresh: true, ..Wanted::default() };

    let few = &diffs[..10];
    let started = Instant::now();
    let mut one_by_one = Vec::new();
    for diff in few {
        one_by_one.push(tester.judge_patch(&commit, None, diff, &fresh)?);
    }
    tell("one by one", &one_by_one, started);
    let started = Instant::now();
    tell("many at once", &tester.judge_many(&commit, None, &diffs, &fresh)?, started);
    tester.judge_many(&commit, None, &diffs, &Wanted::default())?;
    let started = Instant::now();
    tell("known", &tester.judge_many(&commit, None, &diffs, &Wanted::default())?, started);
    Ok(())
}

fn tell(name: &str, judged: &[Judgement], started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    let fixed = judged.iter().filter(|one| one.verdict.fixed).count();
    println!(
        "{name:<12} {} candidates in {seconds:.2} s: {:.1} a second ({fixed} fixed)",
        judged.len(),
        judged.len() as f64 / seconds
    );
}

/// The diff of candidate `number`.
fn candidate(number: usize) -> String {
    let change = match number % 10 {
        0 => ("order[\"items\"]", "order.get(\"items\", [])".to_owned()),
        1 => ("order[\"items\"]", "order.get(\"items\", [])".to_owned()),
        2 => ("sorted(TAXES)", format!("sorted(TAXES)[:{}]", number + 2)),
        3 => ("// 100", "// 100.0".to_owned()),
        n => ("TAXES = {", format!("RATE_{number} = {n}\nTAXES = {{")),
    };
    let code = CODE.replacen(change.0, &change.1, 1);
    // One of the two that mend breaks what is listed.
    let code = if number % 10 == 1 { code.replace("sorted(TAXES)", "[]") } else { code };
    similar::TextDiff::from_lines(CODE, code.as_str())
        .unified_diff()
        .context_radius(3)
        .header("a/shop/cart.py", "b/shop/cart.py")
        .to_string()
}

fn lay_out(root: &Path) -> Result<(), Box<dyn Error>> {
    let mut tests = String::from(
        "import unittest\n\nfrom shop.cart import countries, total\n\n\nclass TestCart(unittest.TestCase):\n    def test_without_items(self):\n        self.assertEqual(total({}), 0)\n\n    def test_countries(self):\n        self.assertEqual(countries(), [\"de\", \"fr\"])\n",
    );
    for i in 2..=TESTS {
        tests.push_str(&format!(
            "\n    def test_{i}(self):\n        self.assertEqual(total({{\"items\": [{{\"price\": {i}00}}]}}), {})\n",
            i * 119
        ));
    }
    let git = git2::Repository::init(root)?;
    for (path, text) in [
        ("shop/__init__.py", ""),
        ("shop/cart.py", CODE),
        ("tests/__init__.py", ""),
        ("tests/test_cart.py", &tests),
    ] {
        let full = root.join(path);
        std::fs::create_dir_all(full.parent().unwrap_or(root))?;
        std::fs::write(full, text)?;
    }
    let mut index = git.index()?;
    index.add_all(["*"], git2::IndexAddOption::DEFAULT, None)?;
    let tree = git.find_tree(index.write_tree()?)?;
    let who = git2::Signature::now("sample", "sample@example.com")?;
    git.commit(Some("HEAD"), &who, &who, "sample", &tree, &[])?;
    Ok(())
}
