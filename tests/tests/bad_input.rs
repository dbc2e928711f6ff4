//! What bad input gets: an error that a stranger understands, a documented exit code, and nothing lost.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use prunella_tests::{Case, Outcome, Prunella, ScriptedModel};
use wiremock::ResponseTemplate;

fn git(dir: &Path, args: &[&str]) {
    let status = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
        .args(args)
        .status()
        .unwrap();
    assert!(status.success(), "git {args:?}");
}

/// A small repository whose `shop/cart.py` breaks on an unknown item, with these tests, and a log of it.
fn shop(tests: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    for folder in ["shop", "tests"] {
        std::fs::create_dir_all(repo.join(folder)).unwrap();
    }
    std::fs::write(repo.join("shop/__init__.py"), "").unwrap();
    std::fs::write(
        repo.join("shop/cart.py"),
        "def total(cart, prices):\n    return sum(prices[item] for item in cart)\n",
    )
    .unwrap();
    if !tests.is_empty() {
        std::fs::write(repo.join("tests/test_cart.py"), tests).unwrap();
    }
    git(&repo, &["init", "-q", "-b", "main"]);
    git(&repo, &["add", "-A"]);
    git(&repo, &["commit", "-q", "-m", "shop"]);
    let log = "2024-05-01 10:00:00 ERROR checkout failed\nTraceback (most recent call last):\n  File \"/srv/app/main.py\", line 9, in handle\n    \
               return total(request.cart, PRICES)\n  File \"/srv/app/shop/cart.py\", line 2, in total\n    return sum(prices[item] for item in cart)\n  \
               File \"/srv/app/shop/cart.py\", line 2, in <genexpr>\n    return sum(prices[item] for item in cart)\nKeyError: 'pear'\n";
    std::fs::write(dir.path().join("app.log"), log).unwrap();
    dir
}

const PASSING: &str =
    "from shop.cart import total\n\n\ndef test_total():\n    assert total(['a'], {'a': 2}) == 2\n";

fn run(prunella: &Prunella, dir: &Path, more: &[&str]) -> Outcome {
    let (log, repo) = (dir.join("app.log"), dir.join("repo"));
    let mut args =
        vec!["run", "self-heal", "--incident", log.to_str().unwrap(), "--repo", repo.to_str().unwrap()];
    args.extend(more);
    prunella.run(&args)
}

#[test]
fn a_missing_log_is_5() {
    let dir = shop(PASSING);
    let outcome = Prunella::new()
        .run(&[
            "run",
            "self-heal",
            "--incident",
            "no-such.log",
            "--repo",
            dir.path().join("repo").to_str().unwrap(),
        ])
        .code(5);
    assert!(outcome.stderr.contains("no-such.log"), "{outcome:?}");
}

#[test]
fn a_log_without_an_incident_is_11() {
    let dir = shop(PASSING);
    std::fs::write(dir.path().join("app.log"), "INFO all is well\nINFO still\n").unwrap();
    let outcome = run(&Prunella::new(), dir.path(), &["--json"]).code(11);
    assert_eq!(outcome.json()["end"], "false_alarm");
}

#[test]
fn a_path_that_is_no_repository_is_5() {
    let dir = shop(PASSING);
    std::fs::remove_dir_all(dir.path().join("repo/.git")).unwrap();
    let outcome = run(&Prunella::new(), dir.path(), &[]).code(5);
    assert!(outcome.stderr.contains("no git repository"), "{outcome:?}");
}

#[test]
fn nothing_to_reproduce_from_is_unproven() {
    let (dir, prunella) = (shop(PASSING), Prunella::new());
    let said = run(&prunella, dir.path(), &["--json"]).code(10).json();
    assert_eq!(said["end"], "unproven");
    let report = std::fs::read_to_string(said["report"].as_str().unwrap()).unwrap();
    assert!(report.contains("Tried") && report.contains("PRICES"), "{report}");
}

#[test]
fn a_dirty_tree_is_said_and_left_alone() {
    let dir = shop(PASSING);
    std::fs::write(dir.path().join("repo/shop/cart.py"), "broken on purpose(\n").unwrap();
    let outcome = run(&Prunella::new(), dir.path(), &[]).code(10);
    assert!(outcome.stderr.contains("HEAD"), "works from HEAD and says so: {outcome:?}");
    assert_eq!(
        std::fs::read_to_string(dir.path().join("repo/shop/cart.py")).unwrap(),
        "broken on purpose(\n"
    );
}

#[test]
fn nothing_collectable_is_15_with_the_module() {
    let dir = shop(
        "import a_module_that_is_not_here\n\n\ndef test_total():\n    assert a_module_that_is_not_here\n",
    );
    let outcome = run(&Prunella::new(), dir.path(), &[]).code(15);
    assert!(outcome.stderr.contains("a_module_that_is_not_here"), "{outcome:?}");
}

#[test]
fn a_graph_that_does_not_check_is_3_with_the_place() {
    let dir = shop(PASSING);
    let graph = dir.path().join("bad.yaml");
    let prunella = Prunella::new();
    let _ = prunella.run(&["graph", "copy", "self-heal", graph.to_str().unwrap()]).code(0);
    let text = std::fs::read_to_string(&graph)
        .unwrap()
        .replace("to: reproduce", "to: reproduse")
        .replace("else: reproduce", "else: reproduse");
    std::fs::write(&graph, &text).unwrap();
    let line = text.lines().position(|line| line.contains("reproduse")).unwrap() + 1;
    let outcome = prunella.run(&["check", graph.to_str().unwrap()]).code(3);
    let shown = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(shown.contains(&format!("bad.yaml:{line}:")), "{shown}");
    assert!(shown.contains("reproduce"), "did you mean: {shown}");
}

#[test]
fn a_model_that_fails_is_30_and_the_run_can_go_on() {
    for (response, timeout) in [
        (ResponseTemplate::new(429).set_body_string("{\"error\":{\"message\":\"slow down\"}}"), None),
        (ResponseTemplate::new(200).set_body_string("<html>gateway</html>"), None),
        (ResponseTemplate::new(200).set_delay(Duration::from_secs(30)), Some("200ms")),
    ] {
        let model = ScriptedModel::always(response);
        let case = Case::lay_out("pyotp-period", true);
        let mut prunella = Prunella::new().env("PRUNELLA_MODEL", &model.spec());
        if let Some(timeout) = timeout {
            prunella = prunella.env("PRUNELLA_MODEL_TIMEOUT", timeout);
        }
        let args = case.run_args("self-heal", &["--json"]);
        let said = prunella.run(&args).code(30).json();
        assert_eq!(model.calls(), 3, "each try is one call: {said}");
        assert_eq!(said["resumable"], true);
        let outcome = prunella.run(&["runs", "resume", "@latest", "--json"]).code(30);
        assert_eq!(model.calls(), 6, "{outcome:?}");
    }
}

#[test]
fn a_configured_model_without_a_credential_is_4() {
    let dir = shop(PASSING);
    let prunella = Prunella::new().env("PRUNELLA_MODEL", "openai/some-model@https://models.example/v1");
    let outcome = run(&prunella, dir.path(), &[]).code(4);
    assert!(outcome.stderr.contains("PRUNELLA_API_KEY"), "{outcome:?}");
}

#[test]
fn a_repository_without_tests_is_unproven_and_no_obstacle() {
    let (dir, prunella) = (shop(""), Prunella::new());
    let said = run(&prunella, dir.path(), &["--json"]).code(10).json();
    assert_eq!(said["end"], "unproven", "{said}");
}
