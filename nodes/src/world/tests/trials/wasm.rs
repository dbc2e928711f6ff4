//! The judge over the `wasm` sandbox, where no step is forked: the same words for the same candidates.

use std::sync::Arc;

use prunella_sandbox::{Sandbox, testing};

use super::{CART, PYTEST, Shop, TESTS, UNITTEST, lay_out, lay_out_in, shop_in};
use crate::effects::{ProbeFile, ProbeRequest};
use crate::types::VerdictStatus;
use crate::world::tests::BatchRequest;

fn wasm() -> Arc<dyn Sandbox> {
    Arc::new(testing::wasm().unwrap())
}

fn fixed_cart() -> String {
    CART.replace("order[\"items\"]", "order.get(\"items\", [])")
}

#[test]
fn an_honest_fix_is_fixed_under_both_runners() {
    for command in [PYTEST, UNITTEST] {
        let shop = shop_in(wasm(), command);
        let verdict = shop.judge(&shop.diff(&[("shop/cart.py", Some(&fixed_cart()))]));
        assert_eq!(verdict.status, VerdictStatus::Fixed, "{verdict:#?}");
        assert_eq!(verdict.reproduction_before, "failed (KeyError: 'items')");
        assert_eq!((verdict.before.passed, verdict.before.failed), (5, 1));
        assert_eq!((verdict.after.passed, verdict.after.failed, verdict.after.missing), (6, 0, 0));
        let phrases = verdict.evidence.join("; ");
        assert!(
            phrases.contains("all 1 changed lines run") && phrases.contains("4 control copies"),
            "{phrases}"
        );
    }
}

#[test]
fn what_does_not_mend_is_not_fixed() {
    let shop = shop_in(wasm(), UNITTEST);
    let useless = CART.replace("TAXES[country]", "TAXES.get(country, 0)");
    let verdict = shop.judge(&shop.diff(&[("shop/cart.py", Some(&useless))]));
    assert_eq!(verdict.status, VerdictStatus::NotFixed, "{verdict:#?}");
    assert!(verdict.lessons[0].contains("KeyError: 'items'"), "{}", verdict.lessons[0]);
    let verdict = shop.judge(&shop.diff(&[("shop/cart.py", Some("def total(:\n"))]));
    assert_eq!(verdict.status, VerdictStatus::NotFixed, "{verdict:#?}");
}

#[test]
fn no_cheat_is_fixed() {
    let shop = shop_in(wasm(), UNITTEST);
    for cheat in [
        // Ends before anything fails.
        "import os\nos._exit(0)\n",
        "import sys\nsys.exit(0)\n",
        // Turns failures into passes.
        "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\n",
        "import unittest\nunittest.TestCase.run = lambda self, result: (result.startTest(self), result.addSuccess(self), result.stopTest(self))\n",
        // Writes to whatever may be the channel, and prints what it may want to hear.
        "import os\nfor fd in range(1, 40):\n    try: os.write(fd, b'{\"step\":0,\"record\":{\"kind\":\"result\",\"id\":\"tests.test_cart.TestTotal.test_without_items\",\"outcome\":\"passed\",\"ms\":1}}\\n')\n    except OSError: pass\n",
        // Writes the test anew when it is imported.
        "import pathlib\npathlib.Path('/repo/tests/test_cart.py').write_text('import unittest\\nclass TestTotal(unittest.TestCase):\\n    def test_without_items(self): pass\\n')\n",
    ] {
        let source = format!("{cheat}\n{CART}");
        let verdict = shop.judge(&shop.diff(&[("shop/cart.py", Some(&source))]));
        assert_ne!(verdict.status, VerdictStatus::Fixed, "{cheat}: {verdict:#?}");
    }
}

#[test]
fn tests_of_ours_and_batches_run_one_job_each() {
    let shop = shop_in(wasm(), UNITTEST);
    let source = "import unittest\n\nfrom shop.cart import total\n\n\nclass TestIncident(unittest.TestCase):\n    def test_incident(self):\n        total({\"country\": \"fr\"})\n";
    let file = ProbeFile { path: "tests/test_incident_ab12cd34.py".into(), source: source.to_owned() };
    let request = ProbeRequest { commit: shop.commit.clone(), command: None, files: vec![file] };
    let probed = shop.tester.probe(&request).unwrap();
    let failed = probed.outcomes[0].failed.as_ref().unwrap();
    assert_eq!(
        (failed.exception.as_str(), failed.id.as_str()),
        ("KeyError", "tests.test_incident_ab12cd34.TestIncident.test_incident")
    );
    let fixed = Some(fixed_cart().into_bytes());
    let endless = Some(b"while True: pass".to_vec());
    let candidates = [fixed, Some(CART.as_bytes().to_vec()), endless]
        .map(|content| vec![("shop/cart.py".to_owned(), content)])
        .to_vec();
    let outcomes = shop
        .tester
        .batch(&BatchRequest {
            commit: shop.commit.clone(),
            command: None,
            reproduction: shop.reproduction.clone(),
            candidates,
            per_candidate_limit: std::time::Duration::from_secs(10),
        })
        .unwrap();
    let passed: Vec<bool> = outcomes.iter().map(|outcome| outcome.passed).collect();
    assert_eq!(passed, [true, false, false], "{outcomes:?}");
    assert!(outcomes[2].problem.contains("time"), "{:?}", outcomes[2]);
}

/// A repository with one more test, natively and in wasm.
fn both(more: &str) -> (Shop, Shop) {
    let files = [
        ("shop/__init__.py", ""),
        ("shop/cart.py", CART),
        ("tests/__init__.py", ""),
        ("tests/test_cart.py", TESTS),
        ("tests/test_more.py", more),
    ];
    (lay_out(&files, UNITTEST), lay_out_in(wasm(), &files, UNITTEST))
}

#[test]
fn a_repository_is_fit_for_wasm_when_its_tests_come_to_the_same() {
    let (native, inside) = both("");
    assert_eq!(inside.tester.compared(&inside.commit, None).unwrap(), None);
    let found = inside.tester.compare(&native.tester, &inside.commit, None).unwrap();
    assert!(found.same && found.equal == 6, "{found:?}");
    assert_eq!(inside.tester.compared(&inside.commit, None).unwrap(), Some(found));
    // Other settings were not compared.
    let other: Vec<String> = ["python", "-m", "unittest", "tests.test_cart"].map(str::to_owned).to_vec();
    assert_eq!(inside.tester.compared(&inside.commit, Some(&other)).unwrap(), None);
}

#[test]
fn a_repository_that_needs_threads_is_not_fit_for_wasm() {
    let threads = "import threading\nimport unittest\n\n\nclass TestThreads(unittest.TestCase):\n    def test_thread(self):\n        thread = threading.Thread(target=print)\n        thread.start()\n        thread.join()\n";
    let (native, inside) = both(threads);
    let found = inside.tester.compare(&native.tester, &inside.commit, None).unwrap();
    assert!(!found.same && found.equal == 6, "{found:?}");
    assert_eq!(found.different, ["tests.test_more.TestThreads.test_thread: passed, failed"]);
}
