//! Honest candidates get the word that fits them, with all that a reader needs.

use super::{CART, PYTEST, Shop, TESTS, UNITTEST, lay_out, shop};
use crate::effects::{BaselineRequest, ProbeFile, ProbeRequest};
use crate::types::{Reproduction, ReproductionKind, VerdictStatus};
use crate::world::tests::{BatchRequest, Wanted, apply_diff};

pub(super) fn fixed_cart() -> String {
    CART.replace("order[\"items\"]", "order.get(\"items\", [])")
}

pub(super) fn fix(shop: &Shop) -> String {
    shop.diff(&[("shop/cart.py", Some(&fixed_cart()))])
}

#[test]
fn an_honest_fix_is_fixed_under_both_runners() {
    for command in [PYTEST, UNITTEST] {
        let shop = shop(command);
        let verdict = shop.judge(&fix(&shop));
        assert_eq!(verdict.status, VerdictStatus::Fixed, "{verdict:#?}");
        assert!(verdict.fixed && verdict.lessons.is_empty() && verdict.regressions.is_empty());
        assert_eq!(verdict.reproduction_before, "failed (KeyError: 'items')");
        assert_eq!(verdict.reproduction_after, "passed");
        assert_eq!((verdict.before.passed, verdict.before.failed), (5, 1));
        assert_eq!((verdict.after.passed, verdict.after.failed, verdict.after.missing), (6, 0, 0));
        assert_eq!(verdict.base_tree, shop.repo.tree_of(&shop.commit).unwrap());
        let edits = apply_diff(&shop.repo, &shop.commit, &fix(&shop)).unwrap();
        assert_eq!(verdict.candidate_tree, shop.repo.tree_with(&shop.commit, &edits).unwrap());
        let phrases = verdict.evidence.join("; ");
        assert!(
            phrases.contains("all 1 changed lines run")
                && phrases.contains("4 control copies")
                && phrases.contains("1 mutants of the changed code")
                && phrases.contains("with the code in a process of its own, where"),
            "{phrases}"
        );
        // Five tests guard the rest: good, not overwhelming.
        assert!(verdict.confidence > 0.9 || verdict.isolation != "full", "{} {phrases}", verdict.confidence);
    }
}

#[test]
fn what_does_not_mend_or_breaks_something_else_is_told_with_its_test() {
    let shop = shop(PYTEST);
    let useless = CART.replace("TAXES[country]", "TAXES.get(country, 0)");
    let verdict = shop.judge(&shop.diff(&[("shop/cart.py", Some(&useless))]));
    assert_eq!(verdict.status, VerdictStatus::NotFixed, "{verdict:#?}");
    let lesson = &verdict.lessons[0];
    for part in [
        "test_without_items",
        "shop/cart.py:6 in total",
        "KeyError: 'items'",
        "+    return amount * TAXES.get",
    ] {
        assert!(lesson.contains(part), "{part} in {lesson}");
    }
    let breaking = fixed_cart().replace("sorted(TAXES)", "[]");
    let verdict = shop.judge(&shop.diff(&[("shop/cart.py", Some(&breaking))]));
    assert_eq!(verdict.status, VerdictStatus::Regressed, "{verdict:#?}");
    assert_eq!(verdict.regressions.len(), 2);
    assert!(verdict.lessons[0].contains("TestCountries"));
    // A module that does not even parse leaves no test.
    let verdict = shop.judge(&shop.diff(&[("shop/cart.py", Some("def total(:\n"))]));
    assert_eq!(verdict.status, VerdictStatus::NotFixed, "{verdict:#?}");
    assert!(verdict.reason.contains("SyntaxError"), "{}", verdict.reason);
    for nothing in ["", "no diff at all\n"] {
        assert_eq!(shop.judge(nothing).status, VerdictStatus::NotFixed);
    }
    // Without a reproduction, the same fix is shown by the test that it turns green.
    let by_suite =
        |diff: &str| shop.tester.judge_patch(&shop.commit, None, diff, &Wanted::default()).unwrap().verdict;
    let verdict = by_suite(&fix(&shop));
    assert_eq!(verdict.status, VerdictStatus::Fixed, "{verdict:#?}");
    let verdict = by_suite(&shop.diff(&[("shop/cart.py", Some(&useless))]));
    assert_eq!(verdict.status, VerdictStatus::Regressed, "{verdict:#?}");
}

#[test]
fn a_generated_reproduction_makes_a_draft() {
    for command in [PYTEST, UNITTEST] {
        let shop = shop(command);
        let source = "import unittest\n\nfrom shop.cart import total\n\n\nclass TestIncident(unittest.TestCase):\n    def test_incident(self):\n        total({\"country\": \"fr\"})\n";
        let file = ProbeFile { path: "tests/test_incident_ab12cd34.py".into(), source: source.to_owned() };
        let wrong = ProbeFile {
            path: "tests/test_incident_other.py".into(),
            source: source.replace("shop.cart", "shop.nowhere"),
        };
        let request =
            ProbeRequest { commit: shop.commit.clone(), command: None, files: vec![file.clone(), wrong] };
        let answer = shop.tester.probe(&request).unwrap();
        let failed = answer.outcomes[0].failed.clone().unwrap();
        assert_eq!(
            (failed.exception.as_str(), &*failed.path),
            ("KeyError", "tests/test_incident_ab12cd34.py")
        );
        assert_eq!(failed.frames.last().unwrap().path.as_deref(), Some("shop/cart.py"));
        assert!(answer.outcomes[1].problem.contains("nowhere"), "{:?}", answer.outcomes[1]);
        let reproduction = Reproduction {
            kind: ReproductionKind::Generated,
            test_id: failed.id,
            path: failed.path,
            source: file.source,
            exception: failed.exception,
            message: failed.message,
        };
        let verdict = shop.judge_by(&fix(&shop), &reproduction);
        assert_eq!(verdict.status, VerdictStatus::Fixed, "{verdict:#?}");
        assert!(verdict.confidence < 0.9, "{}", verdict.confidence);
        // The tree that was judged is the one that the pull request will have.
        let mut edits = apply_diff(&shop.repo, &shop.commit, &fix(&shop)).unwrap();
        edits.push((reproduction.path.0.clone(), Some(reproduction.source.clone().into_bytes())));
        assert_eq!(verdict.candidate_tree, shop.repo.tree_with(&shop.commit, &edits).unwrap());
        // The same test with another exception in mind is no ground to judge on.
        let other = Reproduction { exception: "ValueError".to_owned(), ..reproduction };
        assert_eq!(shop.judge_by(&fix(&shop), &other).status, VerdictStatus::NoEvidence);
    }
}

#[test]
fn a_batch_tells_who_passes_in_order() {
    for command in [PYTEST, UNITTEST] {
        let shop = shop(command);
        let edit = |text: &str| vec![("shop/cart.py".to_owned(), Some(text.as_bytes().to_vec()))];
        let fixed = fixed_cart();
        // The same length as the fix: compiled code of one must not be taken for the other's.
        let same_size = fixed.replace("\"items\", []", "\"item_\", []");
        let hangs = CART.replace("def total(order):\n", "def total(order):\n    while True: pass\n");
        let candidates = vec![
            edit(&fixed),
            edit(CART),
            edit(&hangs),
            edit(&same_size),
            edit("def total(:\n"),
            edit("import os\nos._exit(0)\n"),
            vec![("shop/cart.py".to_owned(), None)],
            edit(&fixed),
        ];
        let request = BatchRequest {
            commit: shop.commit.clone(),
            command: None,
            reproduction: shop.reproduction.clone(),
            candidates,
            per_candidate_limit: std::time::Duration::from_millis(1500),
        };
        let outcomes = shop.tester.batch(&request).unwrap();
        let passed: Vec<bool> = outcomes.iter().map(|outcome| outcome.passed).collect();
        // An order without the key gives 0 under the misspelt one too; what it breaks is the suite's to tell.
        assert_eq!(passed, [true, false, false, true, false, false, false, true], "{outcomes:#?}");
        assert_eq!(outcomes[1].failed.as_ref().unwrap().exception, "KeyError");
        assert!(outcomes[2].problem.contains("time"), "{:?}", outcomes[2]);
        assert!(outcomes[5].problem.contains("before the runner was done"), "{:?}", outcomes[5]);
    }
}

#[test]
fn a_flaky_test_is_set_aside_by_name_and_a_broken_module_listed() {
    let flaky = "import os\n\n\ndef test_by_luck():\n    assert os.environ['PYTHONHASHSEED'] == '0'\n\n\ndef test_steady():\n    assert True\n";
    let files = [
        ("shop/__init__.py", ""),
        ("shop/cart.py", CART),
        ("tests/__init__.py", ""),
        ("tests/test_cart.py", TESTS),
        ("tests/test_luck.py", flaky),
        ("tests/test_missing.py", "import surely_not_installed\n"),
        ("pytest.ini", "[pytest]\naddopts = --option-of-a-plugin-that-is-not-here\n"),
    ];
    let shop = lay_out(&files, &[]);
    let base = shop.tester.baseline(&BaselineRequest { commit: shop.commit.clone(), command: None }).unwrap();
    assert_eq!(base.flaky, ["tests/test_luck.py::test_by_luck"]);
    assert_eq!((base.passed, base.failed.len()), (6, 1));
    assert!(base.not_runnable[0].contains("surely_not_installed"), "{:?}", base.not_runnable);
    assert_eq!(&*base.test_dir, "tests");
    let found = shop.tester.doctor(&shop.commit, None).unwrap();
    assert_eq!((found.collected, found.passed), (8, 6), "{found:?}");
    assert!(found.runner.starts_with("pytest"));
}

#[test]
fn a_test_that_hangs_on_the_order_is_set_aside_by_name() {
    // Each needs the one before it, so every other order breaks some; the first and the one in a module of its own
    // need nobody.
    let chained = "seen = []\n\n\ndef test_0():\n    seen.append(0)\n".to_owned()
        + &(1..6)
            .map(|n| {
                format!("\n\ndef test_{n}():\n    assert seen[-1:] == [{}]\n    seen.append({n})\n", n - 1)
            })
            .collect::<String>();
    let classes = "import unittest\n\nseen = []\n\n\nclass TestChain(unittest.TestCase):\n    def test_0(self):\n        seen.append(0)\n".to_owned()
        + &(1..6)
            .map(|n| format!("\n    def test_{n}(self):\n        self.assertEqual(seen[-1:], [{}])\n        seen.append({n})\n", n - 1))
            .collect::<String>();
    for (command, chain) in [(PYTEST, &chained), (UNITTEST, &classes)] {
        let files = [
            ("shop/__init__.py", ""),
            ("shop/cart.py", CART),
            ("tests/__init__.py", ""),
            ("tests/test_cart.py", TESTS),
            ("tests/test_chain.py", chain.as_str()),
        ];
        let shop = lay_out(&files, command);
        let base =
            shop.tester.baseline(&BaselineRequest { commit: shop.commit.clone(), command: None }).unwrap();
        assert!(!base.flaky.is_empty(), "{base:?}");
        for id in &base.flaky {
            assert!(id.contains("test_chain") && !id.ends_with("test_0"), "{id}");
        }
        assert_eq!(base.failed.len(), 1, "{base:?}");
        // The same again, from nothing: the order is recorded, and no chance.
        let again = lay_out(&files, command);
        let found =
            again.tester.baseline(&BaselineRequest { commit: again.commit.clone(), command: None }).unwrap();
        assert_eq!(found.flaky, base.flaky);
        let verdict =
            shop.tester.judge_patch(&shop.commit, None, &fix(&shop), &Wanted::default()).unwrap().verdict;
        assert_eq!((verdict.status, &verdict.flaky), (VerdictStatus::Fixed, &base.flaky), "{verdict:#?}");
    }
}

#[test]
fn nothing_decisive_names_what_is_missing_and_where_was_looked() {
    let files = [("app.py", "x = 1\n"), ("tests/test_app.py", "import surely_not_installed\n")];
    let shop = lay_out(&files, &[]);
    let error =
        shop.tester.baseline(&BaselineRequest { commit: shop.commit.clone(), command: None }).unwrap_err();
    assert_eq!(error.exit, 15);
    for part in ["surely_not_installed", "tests/test_app.py", "site-packages", "repository's top"] {
        assert!(error.message.contains(part), "{part} in {}", error.message);
    }
    assert!(error.help.unwrap().contains("prunella.yaml"));
    let error = shop.tester.baseline(&BaselineRequest {
        commit: shop.commit.clone(),
        command: Some(vec!["make".to_owned(), "test".to_owned()]),
    });
    assert_eq!(error.unwrap_err().exit, 15);
    // A repository without a test can be given its first one.
    let empty = lay_out(&[("app.py", "x = 1\n")], &[]);
    let base =
        empty.tester.baseline(&BaselineRequest { commit: empty.commit.clone(), command: None }).unwrap();
    assert_eq!((base.passed, base.failed.len(), base.not_runnable.len()), (0, 0, 0));
}

#[test]
fn settings_come_from_the_base_commit() {
    let files = [
        ("lib/app.py", "def f():\n    return 1\n"),
        (
            "checks/test_app.py",
            "import os, app\n\n\ndef test_f():\n    assert app.f() == 1 and os.environ['MODE'] == 'check'\n",
        ),
        (
            "prunella.yaml",
            "tests:\n  command: [python, -m, pytest, checks]\n  pythonpath: [lib]\n  env: {MODE: check}\n",
        ),
    ];
    let shop = lay_out(&files, &[]);
    // What lies in the working tree does not count.
    std::fs::write(shop.repo.root.join("prunella.yaml"), "tests: {command: [make]}\n").unwrap();
    let base = shop.tester.baseline(&BaselineRequest { commit: shop.commit.clone(), command: None }).unwrap();
    assert_eq!((base.passed, base.command.join(" ").as_str()), (1, "python -m pytest checks"), "{base:?}");
    let secret = lay_out(&[("t.py", ""), ("prunella.yaml", "tests: {env: {API_TOKEN: x}}\n")], &[]);
    let error = secret
        .tester
        .baseline(&BaselineRequest { commit: secret.commit.clone(), command: None })
        .unwrap_err();
    assert_eq!((error.exit, error.message.contains("API_TOKEN")), (2, true));
}
