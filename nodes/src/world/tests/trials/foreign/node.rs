//! Node's own runner.

use super::{Sample, believed_less, is, never_fixed};
use crate::types::VerdictStatus;
use crate::world::tests::Wanted;

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
    let by_itself = shop.tester.judge_patch(&shop.commit, None, &diff, &Wanted::default()).unwrap();
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
