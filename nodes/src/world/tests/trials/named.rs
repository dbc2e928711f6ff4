//! Verdicts by named tests, on many patches, known from an earlier time, under a policy, after a formatter.

use super::honest::{fix, fixed_cart};
use super::{CART, PYTEST, Shop, TESTS, UNITTEST, lay_out, shop};
use crate::types::VerdictStatus;
use crate::world::tests::{Judgement, Wanted};

const BREAKS: (&str, &str) = ("sorted(TAXES)", "[]");

fn by(shop: &Shop, diff: &str, wanted: &Wanted) -> Judgement {
    shop.tester.judge_patch(&shop.commit, None, diff, wanted).unwrap()
}

fn id(command: &[&str], class: &str, test: &str) -> String {
    if command == PYTEST {
        format!("tests/test_cart.py::{class}::{test}")
    } else {
        format!("tests.test_cart.{class}.{test}")
    }
}

#[test]
fn named_tests_decide_and_others_do_not_count() {
    for command in [PYTEST, UNITTEST] {
        let shop = shop(command);
        let red = id(command, "TestTotal", "test_without_items");
        let kept = id(command, "TestTotal", "test_one_item");
        let broken = id(command, "TestCountries", "test_sorted");
        let wanted =
            Wanted { fail_to_pass: vec![red.clone()], pass_to_pass: vec![kept.clone()], ..Wanted::default() };
        let breaking = shop.diff(&[("shop/cart.py", Some(&fixed_cart().replace(BREAKS.0, BREAKS.1)))]);
        let judged = by(&shop, &breaking, &wanted);
        assert_eq!(judged.verdict.status, VerdictStatus::Fixed, "{judged:#?}");
        let seen = |id: &str| judged.tests.iter().find(|test| test.id == id).unwrap();
        assert_eq!(
            (&*seen(&red).role, &*seen(&red).before, &*seen(&red).after),
            ("fail_to_pass", "failed", "passed")
        );
        assert_eq!((&*seen(&kept).role, &*seen(&kept).after), ("pass_to_pass", "passed"));
        assert_eq!((&*seen(&broken).role, &*seen(&broken).after), ("other", "failed"));
        assert!(
            !judged.verdict.base_tree.is_empty() && judged.verdict.base_tree != judged.verdict.candidate_tree
        );

        // All that passed counts when nobody says which.
        let judged = by(&shop, &breaking, &Wanted { fail_to_pass: vec![red.clone()], ..Wanted::default() });
        assert_eq!(judged.verdict.status, VerdictStatus::Regressed, "{judged:#?}");
        // A named test that passes already shows nothing, and one that fails already cannot be kept.
        for wanted in [
            Wanted { fail_to_pass: vec![kept.clone()], ..Wanted::default() },
            Wanted { fail_to_pass: vec![red.clone()], pass_to_pass: vec![red.clone()], ..Wanted::default() },
        ] {
            let judged = by(&shop, &fix(&shop), &wanted);
            assert_eq!(judged.verdict.status, VerdictStatus::NoEvidence, "{judged:#?}");
        }
        for (fail_to_pass, pass_to_pass) in
            [(vec![format!("{red}x")], vec![]), (vec![], vec![format!("{red}x")])]
        {
            let wanted = Wanted { fail_to_pass, pass_to_pass, ..Wanted::default() };
            let error = shop.tester.judge_patch(&shop.commit, None, &fix(&shop), &wanted).unwrap_err();
            assert_eq!(error.exit, 2);
            assert!(error.message.contains("is not a test of the base commit"), "{}", error.message);
            assert!(error.help.as_ref().unwrap().contains(&red), "{:?}", error.help);
        }
    }
}

#[test]
fn the_candidates_own_tests_run_apart_and_are_never_counted() {
    for command in [PYTEST, UNITTEST] {
        let shop = shop(command);
        let own = "import unittest\n\nfrom shop.cart import total\n\n\nclass TestMore(unittest.TestCase):\n    def test_good(self):\n        self.assertEqual(total({}), 0)\n\n    def test_bad(self):\n        self.assertEqual(total({}), 1)\n";
        let diff = shop.diff(&[("shop/cart.py", Some(&fixed_cart())), ("tests/test_more.py", Some(own))]);
        let judged = by(&shop, &diff, &Wanted::default());
        assert_eq!(judged.verdict.status, VerdictStatus::Fixed, "{judged:#?}");
        let mut seen: Vec<(&str, &str)> = judged
            .own_tests
            .iter()
            .map(|test| (test.id.rsplit([':', '.']).next().unwrap(), &*test.after))
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, [("test_bad", "failed"), ("test_good", "passed")]);
        assert!(judged.tests.iter().all(|test| !test.id.contains("TestMore")));
        assert_eq!((judged.verdict.after.passed, judged.verdict.after.failed), (6, 0));
        // Alone they prove nothing.
        let judged = by(&shop, &shop.diff(&[("tests/test_more.py", Some(own))]), &Wanted::default());
        assert_eq!(judged.verdict.status, VerdictStatus::NotFixed, "{judged:#?}");
    }
}

#[test]
fn a_verdict_is_known_the_second_time_unless_it_was_not_decided() {
    let shop = shop(PYTEST);
    let first = by(&shop, &fix(&shop), &Wanted::default());
    assert!(!first.remembered);
    let again = by(&shop, &fix(&shop), &Wanted::default());
    assert!(again.remembered);
    let plain = |mut judged: Judgement| {
        judged.remembered = false;
        judged
    };
    assert_eq!(plain(again), first);
    assert!(!by(&shop, &fix(&shop), &Wanted { fresh: true, ..Wanted::default() }).remembered);
    // What is asked is part of what is known.
    let wanted = Wanted { fail_to_pass: vec![shop.reproduction.test_id.clone()], ..Wanted::default() };
    assert!(!by(&shop, &fix(&shop), &wanted).remembered);
    assert!(by(&shop, &fix(&shop), &wanted).remembered);
    let leaves = shop.diff(&[("shop/cart.py", Some(&format!("import os\nos._exit(0)\n{CART}")))]);
    for _ in 0..2 {
        let judged = by(&shop, &leaves, &Wanted::default());
        assert_eq!((judged.verdict.status, judged.remembered), (VerdictStatus::Incomplete, false));
    }
    // A file that was torn is no verdict.
    let cache = shop.tester.cache.join("verdicts");
    for entry in std::fs::read_dir(&cache).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    }
    assert!(!by(&shop, &fix(&shop), &Wanted::default()).remembered);
}

#[test]
fn many_are_judged_in_order_and_equal_trees_once() {
    for command in [PYTEST, UNITTEST] {
        let shop = shop(command);
        let cart = |text: &str| shop.diff(&[("shop/cart.py", Some(text))]);
        let good = cart(&fixed_cart());
        let told_otherwise = format!("From: somebody\n\n{good}");
        let useless = cart(&CART.replace("TAXES[country]", "TAXES.get(country, 0)"));
        let breaking = cart(&fixed_cart().replace(BREAKS.0, BREAKS.1));
        let leaves = cart(&format!("import os\nos._exit(0)\n{CART}"));
        let reaching = shop.diff(&[("tests/test_cart.py", None)]);
        let otherwise = cart_of(&shop);
        let diffs =
            [good.as_str(), &useless, &told_otherwise, &breaking, &leaves, &reaching, "nothing", &otherwise];
        let judged = shop.tester.judge_many(&shop.commit, None, &diffs, &Wanted::default()).unwrap();
        let words: Vec<&str> = judged.iter().map(|one| one.verdict.status.word()).collect();
        let expected = [
            "fixed",
            "no_evidence",
            "fixed",
            "regressed",
            "incomplete",
            "tampered",
            "not_fixed",
            "no_evidence",
        ];
        assert_eq!(words, expected, "{judged:#?}");
        assert!(judged[1].verdict.lessons[0].contains("test_without_items"));
        assert_eq!(judged[0].verdict.candidate_tree, judged[2].verdict.candidate_tree);
        assert_eq!(judged[2].tests, judged[0].tests);
    }
}

/// A candidate that fails the decisive test in another way.
fn cart_of(shop: &Shop) -> String {
    shop.diff(&[("shop/cart.py", Some(&CART.replace("item[\"price\"]", "item[\"prize\"]")))])
}

#[test]
fn the_formatter_runs_before_and_what_it_makes_is_judged() {
    let policy = |format: &str| format!("policy:\n  format: {format}\n");
    let files = |policy: &str| {
        let mut shop = lay_out(
            &[
                ("shop/__init__.py", ""),
                ("shop/cart.py", CART),
                ("tests/__init__.py", ""),
                ("tests/test_cart.py", TESTS),
                ("prunella.yaml", policy),
            ],
            UNITTEST,
        );
        shop.reproduction.test_id = id(UNITTEST, "TestTotal", "test_without_items");
        shop
    };
    let blanks = |text: &str| text.replace(":\n", ":   \n");
    let untidy = |shop: &Shop| {
        let text = fixed_cart().replace("def total(order):\n", "def total(order):   \n");
        shop.diff(&[("shop/cart.py", Some(&text))])
    };
    let shop = files(&policy("[sed, -i, 's/ *$//']"));
    let judged = by(&shop, &untidy(&shop), &Wanted::default());
    assert_eq!(judged.verdict.status, VerdictStatus::Fixed, "{judged:#?}");
    assert!(judged.formatter.contains("changed 1 of the touched files"), "{}", judged.formatter);
    let clean =
        shop.repo.tree_with(&shop.commit, &[("shop/cart.py".to_owned(), Some(fixed_cart().into_bytes()))]);
    assert_eq!(judged.verdict.candidate_tree, clean.unwrap());
    assert_eq!(judged.diff.unwrap(), fix(&shop));
    assert!(judged.policy.contains("formats with `sed"), "{}", judged.policy);
    assert_ne!(blanks(CART), CART);
    for (format, said) in [
        ("['false']", "failed with status 1"),
        ("[no-such-formatter]", "is not here"),
        ("[sh, -c, 'echo > other.txt']", "touches other files (other.txt)"),
        ("[sh, -c, 'rm shop/cart.py']", "removes shop/cart.py"),
        ("[sh, -c, 'kill -9 $PPID']", "did not"),
        ("['true']", "had nothing to change"),
    ] {
        let shop = files(&policy(format));
        let judged = by(&shop, &untidy(&shop), &Wanted::default());
        assert!(judged.formatter.contains(said), "{format}: {}", judged.formatter);
        assert_eq!((judged.verdict.status, judged.diff), (VerdictStatus::Fixed, None), "{format}");
        assert!(judged.verdict.evidence.iter().any(|phrase| phrase.contains(said)), "{format}");
    }
}

#[test]
fn a_policy_opens_configuration_and_the_tests_run_with_the_bases() {
    let project =
        "[project]\nname = 'shop'\ndependencies = ['a==1']\n\n[tool.pytest.ini_options]\naddopts = '-q'\n";
    let files = |policy: &str| {
        let shop = lay_out(
            &[
                ("shop/__init__.py", ""),
                ("shop/cart.py", CART),
                ("tests/__init__.py", ""),
                ("tests/test_cart.py", TESTS),
                ("pyproject.toml", project),
                ("prunella.yaml", policy),
            ],
            PYTEST,
        );
        // With this the tests would not even be collected.
        let closed = project.replace("'-q'", "'--co --no-such-option'");
        let fixed = fixed_cart();
        let config = shop.diff(&[("pyproject.toml", Some(&closed)), ("shop/cart.py", Some(&fixed))]);
        let newer = project.replace("a==1", "a==2");
        let depends = shop.diff(&[("pyproject.toml", Some(&newer)), ("shop/cart.py", Some(&fixed))]);
        (shop, config, depends)
    };
    let (shop, config, depends) = files("tests: {}\n");
    for diff in [&config, &depends] {
        assert_eq!(by(&shop, diff, &Wanted::default()).verdict.status, VerdictStatus::Tampered);
    }
    let (shop, config, depends) = files("policy: {allow: [dependencies]}\n");
    assert_eq!(by(&shop, &config, &Wanted::default()).verdict.status, VerdictStatus::Tampered);
    assert_eq!(by(&shop, &depends, &Wanted::default()).verdict.status, VerdictStatus::Fixed);
    let (shop, config, _) = files("policy: {allow: [config], protect: [docs/]}\n");
    let judged = by(&shop, &config, &Wanted::default());
    assert_eq!(judged.verdict.status, VerdictStatus::Fixed, "{judged:#?}");
    assert!(judged.verdict.confidence < 0.9, "a person has to look");
    let told = judged.verdict.evidence.join("; ");
    assert!(told.contains("ran with the base's") && told.contains("allows config; protects docs/"), "{told}");
    let (shop, config, _) = files("policy:\n  alow: [config]\n");
    let error = shop.tester.judge_patch(&shop.commit, None, &config, &Wanted::default()).unwrap_err();
    assert_eq!((error.exit, error.message.contains("prunella.yaml:2")), (2, true), "{}", error.message);
}
