//! Any command that writes JUnit XML or TAP.

use super::{Sample, believed_less, is, never_fixed};
use crate::types::VerdictStatus;

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
