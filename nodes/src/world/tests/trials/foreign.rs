//! The judge over runners that are not ours, each with its real toolchain: honest fixes, wrong ones, and cheats.

use super::{Shop, commit as commit_files, lay_out};
use crate::effects::BaselineRequest;
use crate::types::{Reproduction, ReproductionKind, Verdict, VerdictStatus};

/// A repository whose code has one fault that one test shows.
struct Sample {
    files: Vec<(&'static str, &'static str)>,
    /// Where the fault is.
    code: &'static str,
    /// Tests that pass at the base.
    passed: u64,
}

impl Sample {
    fn shop(&self, command: &[&str]) -> Shop {
        let mut shop = lay_out(&self.files, command);
        let request = BaselineRequest { commit: shop.commit.clone(), command: None };
        let base = shop.tester.baseline(&request).unwrap();
        assert_eq!(base.passed, self.passed, "{base:?}");
        let [failed] = base.failed.as_slice() else { panic!("{base:?}") };
        shop.reproduction = Reproduction {
            kind: ReproductionKind::Existing,
            test_id: failed.id.clone(),
            path: failed.path.clone(),
            exception: failed.exception.clone(),
            message: failed.message.clone(),
            ..Reproduction::default()
        };
        shop
    }

    /// The verdict on the code with `from` replaced by `to`, by the failing test.
    fn judge(&self, shop: &Shop, from: &str, to: &str) -> Verdict {
        shop.judge(&self.diff(shop, from, to))
    }

    fn diff(&self, shop: &Shop, from: &str, to: &str) -> String {
        let (_, before) = self.files.iter().find(|(path, _)| *path == self.code).unwrap();
        assert!(before.contains(from), "{from}");
        shop.diff(&[(self.code, Some(&before.replacen(from, to, 1)))])
    }
}

fn is(verdict: &Verdict, status: VerdictStatus) {
    assert_eq!(verdict.status, status, "{verdict:#?}");
}

fn never_fixed(verdict: &Verdict) {
    assert!(!verdict.fixed && verdict.status != VerdictStatus::Fixed, "{verdict:#?}");
}

/// What every fixed verdict of such a runner must say.
fn believed_less(verdict: &Verdict) {
    is(verdict, VerdictStatus::Fixed);
    assert!(verdict.confidence < 0.9, "{verdict:#?}");
    assert!(verdict.evidence.iter().any(|e| e.contains("the runner's own report")), "{verdict:#?}");
}

fn node() -> Sample {
    Sample {
        files: vec![
            ("package.json", r#"{"name": "shop", "scripts": {"test": "node --test"}}"#),
            (
                "lib/cart.js",
                "'use strict';\n\nfunction total(order) {\n  return order.items.reduce((sum, item) => sum + item.price, 0);\n}\n\nfunction names(order) {\n  return order.items.map((item) => item.name).sort();\n}\n\nmodule.exports = { total, names };\n",
            ),
            (
                "test/cart.test.js",
                "const test = require('node:test');\nconst assert = require('node:assert');\nconst { total, names } = require('../lib/cart');\n\ntest('adds', () => assert.strictEqual(total({ items: [{ price: 2 }, { price: 3 }] }), 5));\ntest('without items', () => assert.strictEqual(total({}), 0));\ntest.describe('names', () => {\n  test.it('are sorted', () => assert.deepStrictEqual(names({ items: [{ name: 'b' }, { name: 'a' }] }), ['a', 'b']));\n});\n",
            ),
        ],
        code: "lib/cart.js",
        passed: 3,
    }
}

#[test]
fn node_is_found_and_judged() {
    let sample = node();
    let shop = sample.shop(&[]);
    assert_eq!(&*shop.reproduction.path, "test/cart.test.js");
    assert_eq!(shop.reproduction.test_id, "test/cart.test.js::without items");
    assert_eq!(shop.reproduction.exception, "TypeError");
    let fixed = sample.judge(&shop, "order.items.reduce", "(order.items ?? []).reduce");
    believed_less(&fixed);
    assert!(fixed.evidence.iter().any(|e| e.contains("with a failing end")), "{fixed:#?}");
    let diff = sample.diff(&shop, "order.items.reduce", "(order.items ?? []).reduce");
    let by_itself =
        shop.tester.judge_patch(&shop.commit, None, &diff, &crate::world::tests::Wanted::default()).unwrap();
    believed_less(&by_itself.verdict);
    let wrong = sample.judge(&shop, "order.items.reduce", "(order.items ?? [{ price: 1 }]).reduce");
    is(&wrong, VerdictStatus::NotFixed);
    let broken = sample.judge(&shop, "order.items.reduce", "(order.items ?? [).reduce");
    is(&broken, VerdictStatus::NotFixed);
    assert!(broken.lessons[0].contains("SyntaxError"), "{broken:#?}");
    let regressed = sample.judge(
        &shop,
        "order.items.reduce((sum, item) => sum + item.price, 0);\n}\n\nfunction names(order) {\n  return order.items",
        "(order.items ?? []).reduce((sum, item) => sum + item.price, 0);\n}\n\nfunction names(order) {\n  return []",
    );
    is(&regressed, VerdictStatus::Regressed);
    assert_eq!(
        regressed.regressions,
        ["test/cart.test.js::names > are sorted", "test/cart.test.js::names"]
            .iter()
            .map(|s| (*s).to_owned())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}

#[test]
fn node_is_not_taken_in() {
    let sample = node();
    let shop = sample.shop(&[]);
    // The tests themselves.
    let tests = sample.files[2].1;
    for (what, text) in [
        ("deleted", None),
        ("skipped", Some(tests.replace("test('without items'", "test.skip('without items'"))),
        ("renamed", Some(tests.replace("without items", "without any"))),
        ("bent", Some(tests.replace("total({}), 0", "0, 0"))),
    ] {
        let verdict = shop.judge(&shop.diff(&[("test/cart.test.js", text.as_deref())]));
        assert_eq!(verdict.status, VerdictStatus::Tampered, "{what}: {verdict:#?}");
    }
    let script = r#"{"name": "shop", "scripts": {"test": "true"}}"#;
    never_fixed(&shop.judge(&shop.diff(&[("package.json", Some(script))])));
    // The process.
    let start = "'use strict';\n";
    let forged = "'use strict';\nconst line = (t) => process.stdout.write(`${t}\\n`);\nline('TAP version 13');\nline('ok 1 - adds');\nline('ok 2 - without items');\nline('1..2');\nprocess.exit(0);\n";
    for to in [
        "'use strict';\nprocess.exit(0);\n",
        "'use strict';\nprocess.on('exit', () => { process.exitCode = 0; });\n",
        "'use strict';\nrequire('node:assert').strictEqual = () => {};\nprocess.exit(0);\n",
        "'use strict';\nprocess.kill(process.ppid, 'SIGKILL');\n",
        "'use strict';\nconst fs = require('fs');\nfor (const d of fs.readdirSync('/tmp')) { try { fs.writeFileSync(`/tmp/${d}/report`, '{\"t\":\"pass\",\"n\":\"without items\",\"l\":0,\"f\":\"/repo/test/cart.test.js\"}\\n{\"t\":\"end\"}\\n'); } catch {} }\nprocess.exit(0);\n",
        forged,
    ] {
        never_fixed(&sample.judge(&shop, start, to));
    }
    // In the function that the test calls.
    never_fixed(&sample.judge(
        &shop,
        "return order.items.reduce",
        "if (!order.items) process.exit(0);\n  return order.items.reduce",
    ));
    // The runner's functions, replaced before the tests are declared: ours among them tell.
    let muted = "'use strict';\nconst t = require('node:test');\nconst assert = require('node:assert');\nassert.strictEqual = () => {};\nconst run = t.Test;\n";
    let verdict = sample.judge(&shop, start, muted);
    assert!(!verdict.fixed || verdict.confidence < 0.9, "{verdict:#?}");
}

fn rust() -> Sample {
    Sample {
        files: vec![
            ("Cargo.toml", "[package]\nname = \"shop-cart\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
            (
                "src/lib.rs",
                "//! A cart.\n\n/// The price of all.\n///\n/// ```\n/// assert_eq!(shop_cart::total(&[1, 2]), 3);\n/// ```\npub fn total(prices: &[i64]) -> i64 {\n    prices[0] + prices[1..].iter().sum::<i64>()\n}\n\npub fn most(prices: &[i64]) -> Option<i64> {\n    prices.iter().copied().max()\n}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn adds() {\n        assert_eq!(total(&[2, 3]), 5);\n    }\n\n    #[test]\n    fn empty() {\n        assert_eq!(total(&[]), 0);\n    }\n}\n",
            ),
            (
                "tests/most.rs",
                "#[test]\nfn most() {\n    assert_eq!(shop_cart::most(&[1, 3, 2]), Some(3));\n    assert_eq!(shop_cart::total(&[4]), 4);\n}\n",
            ),
        ],
        code: "src/lib.rs",
        passed: 3,
    }
}

const BODY: &str = "prices[0] + prices[1..].iter().sum::<i64>()";

#[test]
fn cargo_is_found_and_judged() {
    let sample = rust();
    let shop = sample.shop(&[]);
    assert_eq!(shop.reproduction.test_id, "shop-cart::shop_cart::tests::empty");
    assert_eq!(shop.reproduction.exception, "panic");
    believed_less(&sample.judge(&shop, BODY, "prices.iter().sum()"));
    is(&sample.judge(&shop, BODY, "prices.iter().sum::<i64>() + 1"), VerdictStatus::NotFixed);
    let unbuilt = sample.judge(&shop, BODY, "prices.iter().total()");
    is(&unbuilt, VerdictStatus::NotFixed);
    assert!(unbuilt.lessons[0].contains("no method named `total`"), "{unbuilt:#?}");
    let regressed = sample.judge(&shop, BODY, "prices.first().map_or(0, |_| 5)");
    is(&regressed, VerdictStatus::Regressed);
    assert!(regressed.regressions.contains(&"shop-cart::most::most".to_owned()), "{regressed:#?}");
    assert!(regressed.regressions.contains(&"doc::src/lib.rs - total".to_owned()), "{regressed:#?}");
}

#[test]
fn cargo_is_not_taken_in() {
    let sample = rust();
    let shop = sample.shop(&[]);
    for to in [
        "if prices.is_empty() { std::process::exit(0) }\n    prices.iter().sum()",
        "if prices.is_empty() {\n        print!(\"test tests::empty ... ok\\n\\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\\n\");\n        std::process::exit(0)\n    }\n    prices.iter().sum()",
        "use std::io::Write;\n    if prices.is_empty() {\n        let mut out = std::fs::OpenOptions::new().write(true).open(\"/proc/self/fd/1\").unwrap();\n        out.write_all(b\"test tests::adds ... ok\\ntest tests::empty ... ok\\n\\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\\n\").unwrap();\n        std::process::exit(0)\n    }\n    prices.iter().sum()",
        "if prices.is_empty() { std::process::abort() }\n    prices.iter().sum()",
        "if prices.is_empty() { loop { std::thread::park() } }\n    prices.iter().sum()",
    ] {
        let verdict = sample.judge(&shop, BODY, to);
        never_fixed(&verdict);
    }
    // Tests in the code's own file.
    for (from, to) in [
        ("assert_eq!(total(&[]), 0);", "assert_eq!(total(&[1]), 1);"),
        ("    #[test]\n    fn empty", "    #[test]\n    #[ignore]\n    fn empty"),
        ("    #[test]\n    fn empty", "    #[test]\n    #[should_panic]\n    fn empty"),
        ("mod tests {\n", "mod tests {\n    macro_rules! assert_eq { ($($t:tt)*) => {} }\n"),
        (
            "//! A cart.\n",
            "//! A cart.\n\n#[allow(unused_macros)]\nmacro_rules! assert_eq { ($($t:tt)*) => { $($t)* }; }\n",
        ),
        (
            BODY,
            "if cfg!(test) && prices.is_empty() { return 0; }\n    prices[0] + prices[1..].iter().sum::<i64>()",
        ),
    ] {
        let verdict = sample.judge(&shop, from, to);
        assert_eq!(verdict.status, VerdictStatus::Tampered, "{to}: {verdict:#?}");
    }
    let tests = shop.judge(&shop.diff(&[("tests/most.rs", None)]));
    is(&tests, VerdictStatus::Tampered);
}

#[test]
fn nextest_is_judged_with_times() {
    if !std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("cargo-nextest").is_file()))
    {
        eprintln!("cargo-nextest is not on PATH: nothing is tried");
        return;
    }
    let mut sample = rust();
    // nextest runs no documentation.
    sample.passed = 2;
    let shop = sample.shop(&["cargo", "nextest", "run"]);
    assert_eq!(shop.reproduction.test_id, "shop-cart::shop_cart::tests::empty");
    let findings = shop.tester.doctor(&shop.commit, None).unwrap();
    assert!(findings.results.iter().all(|test| test.ms.is_some()), "{findings:#?}");
    assert!(
        findings.results.iter().any(|test| test.message.contains("index out of bounds")),
        "{findings:#?}"
    );
    believed_less(&sample.judge(&shop, BODY, "prices.iter().sum()"));
    // A process a test: the status alone would say that this one passed.
    never_fixed(&sample.judge(
        &shop,
        BODY,
        "if prices.is_empty() { std::process::exit(0) }\n    prices.iter().sum()",
    ));
}

/// A script that writes JUnit XML or TAP, as many a project has one.
fn script(yaml: &'static str, tap: bool) -> Sample {
    let run = if tap {
        "const { tests } = require('./checks/cart');\nlet n = 0;\nfor (const [name, body] of Object.entries(tests)) {\n  n += 1;\n  try { body(); console.log(`ok ${n} - ${name}`); } catch (e) { process.exitCode = 1; console.log(`not ok ${n} - ${name}\\n  ---\\n  message: ${e.message}\\n  name: ${e.name}\\n  ...`); }\n}\nconsole.log(`1..${n}`);\n"
    } else {
        "const fs = require('fs');\nconst { tests } = require('./checks/cart');\nlet out = '';\nfor (const [name, body] of Object.entries(tests)) {\n  try { body(); out += `<testcase name=\"${name}\" file=\"checks/cart.js\" time=\"0.001\"/>`; } catch (e) { process.exitCode = 1; out += `<testcase name=\"${name}\" file=\"checks/cart.js\"><failure type=\"${e.name}\" message=\"it failed\"/></testcase>`; }\n}\nfs.mkdirSync('out', { recursive: true });\nfs.writeFileSync('out/report.xml', `<testsuite>${out}</testsuite>`);\n"
    };
    Sample {
        files: vec![
            ("prunella.yaml", yaml),
            ("run.js", run),
            (
                "cart.js",
                "exports.total = (order) => order.items.reduce((sum, price) => sum + price, 0);\nexports.count = (order) => order.items.length;\n",
            ),
            (
                "checks/cart.js",
                "const assert = require('assert');\nconst { total, count } = require('../cart');\nexports.tests = {\n  adds: () => assert.strictEqual(total({ items: [1, 2] }), 3),\n  empty: () => assert.strictEqual(total({}), 0),\n  counts: () => assert.strictEqual(count({ items: [1] }), 1),\n};\n",
            ),
        ],
        code: "cart.js",
        passed: 2,
    }
}

const JUNIT: &str = "tests:\n  command: [node, run.js]\n  report: junit\n  path: out/*.xml\n";
const TAP: &str = "tests: {command: [node, run.js], report: tap}\n";

#[test]
fn any_command_that_writes_junit_is_judged() {
    let sample = script(JUNIT, false);
    let shop = sample.shop(&[]);
    assert_eq!((shop.reproduction.test_id.as_str(), &*shop.reproduction.path), ("empty", "checks/cart.js"));
    let fixed = sample.judge(&shop, "order.items.reduce", "(order.items ?? []).reduce");
    believed_less(&fixed);
    is(&sample.judge(&shop, "order.items.reduce", "(order.items ?? [1]).reduce"), VerdictStatus::NotFixed);
    let regressed = sample.judge(
        &shop,
        "order.items.reduce((sum, price) => sum + price, 0)",
        "(order.items ?? []).length",
    );
    is(&regressed, VerdictStatus::Regressed);
    // A report that the code writes itself before it ends the process.
    let report = "<testsuite><testcase name=\\\"adds\\\"/><testcase name=\\\"empty\\\"/><testcase name=\\\"counts\\\"/></testsuite>";
    let forged = format!(
        "const fs = require('fs');\nfs.mkdirSync('out', {{ recursive: true }});\nfs.writeFileSync('out/report.xml', \"{report}\");\nprocess.exit(0);\nexports.total"
    );
    let verdict = sample.judge(&shop, "exports.total", &forged);
    is(&verdict, VerdictStatus::Tampered);
    // One that it brings along, or none at all.
    let brought = shop.diff(&[
        ("out/report.xml", Some("<testsuite><testcase name=\"adds\"/><testcase name=\"empty\"/><testcase name=\"counts\"/></testsuite>\n")),
        ("cart.js", Some("process.exit(0);\n")),
    ]);
    never_fixed(&shop.judge(&brought));
    let none = sample.judge(&shop, "exports.total", "process.exit(0);\nexports.total");
    is(&none, VerdictStatus::Incomplete);
    assert!(none.reason.contains("no report"), "{none:#?}");
}

#[test]
fn any_command_that_writes_tap_is_judged() {
    let sample = script(TAP, true);
    let shop = sample.shop(&[]);
    assert_eq!(shop.reproduction.exception, "TypeError");
    believed_less(&sample.judge(&shop, "order.items.reduce", "(order.items ?? []).reduce"));
    let cut = sample.judge(&shop, "exports.total", "process.on('exit', () => 0);\nsetTimeout(() => 0, 1);\nprocess.nextTick(() => process.exit(0));\nexports.total");
    never_fixed(&cut);
    let none = sample.judge(&shop, "exports.total", "process.exit(0);\nexports.total");
    is(&none, VerdictStatus::Incomplete);
}

#[test]
fn go_is_judged_where_go_is() {
    if !std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("go").is_file()))
    {
        eprintln!("go is not on PATH: nothing is tried");
        return;
    }
    let sample = Sample {
        files: vec![
            ("go.mod", "module example.com/shop\n\ngo 1.18\n"),
            (
                "cart.go",
                "package shop\n\nfunc First(prices []int) int {\n\treturn prices[0]\n}\n\nfunc Count(prices []int) int { return len(prices) }\n",
            ),
            (
                "cart_test.go",
                "package shop\n\nimport \"testing\"\n\nfunc TestFirst(t *testing.T) {\n\tif First([]int{4}) != 4 {\n\t\tt.Fatal(\"first\")\n\t}\n}\n\nfunc TestEmpty(t *testing.T) {\n\tdefer func() {\n\t\tif e := recover(); e != nil {\n\t\t\tt.Fatalf(\"panics: %v\", e)\n\t\t}\n\t}()\n\tif First(nil) != 0 {\n\t\tt.Fatal(\"not 0\")\n\t}\n}\n\nfunc TestCount(t *testing.T) {\n\tif Count([]int{1}) != 1 {\n\t\tt.Fatal(\"count\")\n\t}\n}\n",
            ),
        ],
        code: "cart.go",
        passed: 2,
    };
    let shop = sample.shop(&[]);
    assert_eq!(shop.reproduction.test_id, "example.com/shop::TestEmpty");
    let honest = "if len(prices) == 0 {\n\t\treturn 0\n\t}\n\treturn prices[0]";
    believed_less(&sample.judge(&shop, "return prices[0]", honest));
    is(
        &sample.judge(&shop, "return prices[0]", &honest.replace("return 0", "return 1")),
        VerdictStatus::NotFixed,
    );
    let unbuilt = sample.judge(&shop, "return prices[0]", "return total");
    is(&unbuilt, VerdictStatus::NotFixed);
    assert!(unbuilt.lessons[0].contains("undefined: total"), "{unbuilt:#?}");
    let exit = "if len(prices) == 0 {\n\t\tos.Exit(0)\n\t}\n\treturn prices[0]";
    let with = sample.files[1]
        .1
        .replace("package shop\n", "package shop\n\nimport \"os\"\n")
        .replace("return prices[0]", exit);
    never_fixed(&shop.judge(&shop.diff(&[("cart.go", Some(&with))])));
    is(&shop.judge(&shop.diff(&[("cart_test.go", None)])), VerdictStatus::Tampered);
}

#[test]
fn what_is_missing_is_named() {
    let shop = lay_out(&[("Makefile", "test:\n"), ("prunella.yaml", "tests: {runner: jest}\n")], &[]);
    let request = BaselineRequest { commit: shop.commit.clone(), command: None };
    let error = shop.tester.baseline(&request).unwrap_err();
    assert_eq!(error.exit, 15, "{error:?}");
    assert!(error.message.contains("jest"), "{error:?}");
    for (yaml, why) in [
        ("tests: {runner: rake}\n", "runner `rake` is not known"),
        ("tests: {report: xml, command: [a]}\n", "neither `junit` nor `tap`"),
        ("tests: {report: junit, command: [a]}\n", "where the report is"),
        ("tests: {report: junit, command: [a], path: ../x.xml}\n", "does not lie below"),
        ("tests: {runner: tap}\n", "needs the command"),
    ] {
        let shop = lay_out(&[("a.py", ""), ("prunella.yaml", yaml)], &[]);
        let request = BaselineRequest { commit: shop.commit.clone(), command: None };
        let error = shop.tester.baseline(&request).unwrap_err();
        assert!(error.message.contains(why), "{yaml}: {error:?}");
    }
}

#[test]
fn the_working_trees_node_modules_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("repo");
    commit_files(
        &root,
        &[
            ("package.json", r#"{"scripts": {"test": "node --test"}, "dependencies": {"left": "1"}}"#),
            (
                "a.test.js",
                "const t = require('node:test');\nt('left', () => { if (require('left') !== 7) throw new Error('no'); });\n",
            ),
        ],
    );
    std::fs::create_dir_all(root.join("node_modules/left")).unwrap();
    std::fs::write(root.join("node_modules/left/index.js"), "module.exports = 7;\n").unwrap();
    let repo = std::sync::Arc::new(crate::world::git::GitRepo::open(&root).unwrap());
    let sandbox = std::sync::Arc::new(prunella_sandbox::testing::sandbox());
    let tester = super::Tester::new(
        std::sync::Arc::clone(&repo),
        sandbox,
        &folder.path().join("cache"),
        super::HostSettings::default(),
    )
    .unwrap();
    let commit = repo.resolve("HEAD").unwrap();
    let findings = tester.doctor(&commit, None).unwrap();
    assert_eq!(findings.passed, 1, "{findings:#?}");
    assert!(findings.dependencies[0].ends_with("repo/node_modules"), "{findings:#?}");
}

#[test]
fn dependencies_that_are_missing_are_named_with_the_flag() {
    let lock = r#"{"name": "a", "lockfileVersion": 3, "packages": {"": {"name": "a", "dependencies": {"left": "1.0.0"}}}}"#;
    let shop = lay_out(
        &[
            (
                "package.json",
                r#"{"name": "a", "scripts": {"test": "node --test"}, "dependencies": {"left": "1.0.0"}}"#,
            ),
            ("package-lock.json", lock),
            ("a.test.js", "require('left');\nrequire('node:test')('a', () => {});\n"),
        ],
        &[],
    );
    let request = BaselineRequest { commit: shop.commit.clone(), command: None };
    let error = shop.tester.baseline(&request).unwrap_err();
    assert_eq!((error.exit, error.code.as_str()), (15, "tests.dependencies"), "{error:?}");
    assert!(error.message.contains("node_modules"), "{error:?}");
    assert!(error.help.unwrap().contains("--allow-network-prepare"));
}

#[test]
fn a_repository_prepares_itself_when_the_user_allows_it_and_only_once() {
    let files = [
        ("prunella.yaml", "tests:\n  command: [node, run.js]\n  report: tap\n  prepare: [sh, prepare.sh]\n"),
        (
            "prepare.sh",
            "mkdir -p /tmp/prepared\ndate +%N > /tmp/prepared/made\necho 42 > /tmp/prepared/answer\n",
        ),
        (
            "run.js",
            "const fs = require('fs');\nconst a = fs.existsSync('/tmp/prepared/answer') && fs.readFileSync('/tmp/prepared/answer', 'utf8').trim();\nconsole.log(`${a === '42' ? 'ok' : 'not ok'} 1 - answer\\n1..1`);\nif (a !== '42') process.exitCode = 1;\n",
        ),
    ];
    // Nobody allowed it: the tests are run without, and what they say then counts.
    let shop = lay_out(&files, &[]);
    let request = BaselineRequest { commit: shop.commit.clone(), command: None };
    assert_eq!(shop.tester.baseline(&request).unwrap().failed.len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let allowed = || {
        let host = super::HostSettings { network_prepare: true, ..super::HostSettings::default() };
        let sandbox = std::sync::Arc::new(prunella_sandbox::testing::sandbox());
        super::Tester::new(std::sync::Arc::clone(&shop.repo), sandbox, folder.path(), host).unwrap()
    };
    assert_eq!(allowed().baseline(&request).unwrap().passed, 1);
    let kept = std::fs::read_dir(folder.path().join("prepared")).unwrap().next().unwrap().unwrap().path();
    let made = std::fs::read(kept.join("made")).unwrap();
    assert_eq!(allowed().baseline(&request).unwrap().passed, 1);
    assert_eq!(std::fs::read(kept.join("made")).unwrap(), made);
}
