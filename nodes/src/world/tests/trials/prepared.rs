//! Repositories whose dependencies are fetched for real, from the registries: judged with what their own package managers
//! bring. Where a registry cannot be reached, each says so and tries nothing.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use prunella_sandbox::testing::sandbox;

use super::{HostSettings, Shop, lay_out_with};
use crate::effects::BaselineRequest;
use crate::types::VerdictStatus;
use crate::world::tests::{Tester, Wanted};

/// Runs a package manager of this machine in `folder`; nothing, said aloud, when it cannot do what it is asked.
fn asked(folder: &Path, program: &str, words: &[&str], env: &[(&str, &Path)]) -> Option<String> {
    let output = Command::new(program).args(words).envs(env.iter().copied()).current_dir(folder).output();
    let why = match output {
        Ok(output) if output.status.success() => {
            return Some(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    // Not by a macro: what those print is kept back where a test passes.
    let words = words.join(" ");
    writeln!(std::io::stderr(), "SKIPPED, as the registry does not answer `{program} {words}`: {why}")
        .unwrap();
    None
}

/// A repository whose dependencies may be fetched.
fn allowed(files: &[(&str, &str)]) -> Shop {
    let host = HostSettings { network_prepare: true, ..HostSettings::default() };
    lay_out_with(Arc::new(sandbox()), files, host)
}

/// What was prepared, by its folders' names with the time of each.
fn prepared(cache: &Path) -> Vec<(std::ffi::OsString, std::time::SystemTime)> {
    let entries = std::fs::read_dir(cache.join("prepared")).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name(), entry.metadata().unwrap().modified().unwrap())).collect()
}

/// One test fails at the base, and `fix` mends it; what was fetched is fetched once, and then needs no permission.
fn judged(shop: &Shop, passed: u64, path: &str, fix: (&str, &str)) {
    let request = BaselineRequest { commit: shop.commit.clone(), command: None };
    let base = shop.tester.baseline(&request).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((base.passed, base.failed.len()), (passed, 1), "{base:#?}");
    let first = prepared(&shop.tester.cache);
    assert_eq!(first.len(), 1, "{first:?}");
    let text = String::from_utf8(shop.repo.read(&shop.commit, path).unwrap().unwrap()).unwrap();
    assert!(text.contains(fix.0), "{text}");
    let diff = shop.diff(&[(path, Some(&text.replacen(fix.0, fix.1, 1)))]);
    let tester =
        Tester::new(Arc::clone(&shop.repo), Arc::new(sandbox()), &shop.tester.cache, HostSettings::default())
            .unwrap();
    let verdict = tester.judge_patch(&shop.commit, None, &diff, &Wanted::default()).unwrap().verdict;
    assert_eq!(verdict.status, VerdictStatus::Fixed, "{verdict:#?}");
    let useless = shop.diff(&[("notes.txt", Some("nothing\n"))]);
    let verdict = tester.judge_patch(&shop.commit, None, &useless, &Wanted::default()).unwrap().verdict;
    assert_ne!(verdict.status, VerdictStatus::Fixed, "{verdict:#?}");
    assert_eq!(prepared(&shop.tester.cache), first, "fetched more than once");
}

/// A package of npm's with a test runner, and its lock as npm makes it.
fn node(package: &str, files: &[(&str, &str)], passed: u64, path: &str, fix: (&str, &str)) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("package.json"), package).unwrap();
    let words = ["install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"];
    if asked(folder.path(), "npm", &words, &[]).is_none() {
        return;
    }
    let lock = std::fs::read_to_string(folder.path().join("package-lock.json")).unwrap();
    let mut all = vec![("package.json", package), ("package-lock.json", lock.as_str())];
    all.extend(files);
    judged(&allowed(&all), passed, path, fix);
}

const CART: &str =
    "function total(order) {\n  return order.items.reduce((sum, item) => sum + item.price, 0);\n}\n";
const FIX: (&str, &str) = ("order.items.reduce", "(order.items ?? []).reduce");

#[test]
fn jest_with_its_packages() {
    let package = r#"{"name": "shop", "version": "1.0.0", "scripts": {"test": "jest"}, "devDependencies": {"jest": "29.7.0"}}"#;
    let cart = format!("{CART}\nmodule.exports = {{ total }};\n");
    let tests = "const { total } = require('../lib/cart');\n\ntest('adds', () => expect(total({ items: [{ price: 2 }] })).toBe(2));\ntest('without items', () => expect(total({})).toBe(0));\n";
    node(package, &[("lib/cart.js", &cart), ("test/cart.test.js", tests)], 1, "lib/cart.js", FIX);
}

#[test]
fn vitest_with_its_packages() {
    let package = r#"{"name": "shop", "version": "1.0.0", "type": "module", "scripts": {"test": "vitest"}, "devDependencies": {"vitest": "3.2.4"}}"#;
    let cart = format!("export {CART}");
    let tests = "import { expect, test } from 'vitest';\nimport { total } from '../lib/cart.js';\n\ntest('adds', () => expect(total({ items: [{ price: 2 }] })).toBe(2));\ntest('without items', () => expect(total({})).toBe(0));\n";
    node(package, &[("lib/cart.js", &cart), ("test/cart.test.js", tests)], 1, "lib/cart.js", FIX);
}

#[test]
fn mocha_with_its_packages() {
    let package = r#"{"name": "shop", "version": "1.0.0", "scripts": {"test": "mocha"}, "devDependencies": {"mocha": "11.7.5"}}"#;
    let cart = format!("{CART}\nmodule.exports = {{ total }};\n");
    let tests = "const assert = require('node:assert');\nconst { total } = require('../lib/cart');\n\ndescribe('total', () => {\n  it('adds', () => assert.strictEqual(total({ items: [{ price: 2 }] }), 2));\n  it('takes no items', () => assert.strictEqual(total({}), 0));\n});\n";
    node(package, &[("lib/cart.js", &cart), ("test/cart.js", tests)], 1, "lib/cart.js", FIX);
}

#[test]
fn a_dependency_of_npms_under_nodes_own_runner() {
    let package = r#"{"name": "shop", "version": "1.0.0", "scripts": {"test": "node --test"}, "dependencies": {"is-number": "7.0.0"}}"#;
    let code = "const isNumber = require('is-number');\n\nmodule.exports = (order) => order.items.filter((item) => isNumber(item)).length;\n";
    let tests = "const test = require('node:test');\nconst assert = require('node:assert');\nconst count = require('../lib/count');\n\ntest('counts', () => assert.strictEqual(count({ items: ['1', 'a'] }), 1));\ntest('without items', () => assert.strictEqual(count({}), 0));\n";
    let fix = ("order.items.filter", "(order.items ?? []).filter");
    node(package, &[("lib/count.js", code), ("test/count.test.js", tests)], 1, "lib/count.js", fix);
}

#[test]
fn a_crate_with_a_dependency_of_the_registry() {
    let manifest = "[package]\nname = \"numerals\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\nroman = \"=0.1.6\"\n";
    let code = "/// A number as the Romans wrote it.\npub fn numeral(n: Option<i32>) -> String {\n    roman::to(n.unwrap()).unwrap_or_default()\n}\n";
    let tests = "#[test]\nfn four() {\n    assert_eq!(numerals::numeral(Some(4)), \"IV\");\n}\n\n#[test]\nfn nothing() {\n    assert_eq!(numerals::numeral(None), \"\");\n}\n";
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [("Cargo.toml", manifest), ("src/lib.rs", code)] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    // A home of its own: what is fetched here must not be found by the tester.
    let home = folder.path().join("home");
    let home = [("CARGO_HOME", home.as_path())];
    if asked(folder.path(), "cargo", &["generate-lockfile"], &home).is_none() {
        return;
    }
    let lock = std::fs::read_to_string(folder.path().join("Cargo.lock")).unwrap();
    let files =
        [("Cargo.toml", manifest), ("Cargo.lock", &lock), ("src/lib.rs", code), ("tests/numerals.rs", tests)];
    judged(&allowed(&files), 1, "src/lib.rs", ("n.unwrap()", "n.unwrap_or(0)"));
}

/// Wheels of the registry: name, version and hash of each.
fn wheels() -> Option<Vec<(String, String, String)>> {
    let folder = tempfile::tempdir().unwrap();
    let python = prunella_tests::python().display().to_string();
    let words =
        ["-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", ".", "pytest==9.0.0", "six==1.17.0"];
    asked(folder.path(), &python, &words, &[])?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let mut parts = name.split('-');
        let (package, version) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
        let said = asked(folder.path(), &python, &["-m", "pip", "hash", &name], &[])?;
        found.push((package, version, said.trim().rsplit("sha256:").next().unwrap().to_owned()));
    }
    found.sort();
    Some(found)
}

#[test]
fn python_with_the_packages_of_each_kind_of_lock() {
    let Some(wheels) = wheels() else { return };
    let join =
        |line: &dyn Fn(&(String, String, String)) -> String| wheels.iter().map(line).collect::<String>();
    let requirements = join(&|(name, version, hash)| format!("{name}=={version} --hash=sha256:{hash}\n"));
    let edges: Vec<String> = wheels.iter().map(|(name, ..)| format!("{{ name = \"{name}\" }}")).collect();
    let uv = format!(
        "version = 1\n\n[[package]]\nname = \"shop\"\nversion = \"0.1.0\"\nsource = {{ virtual = \".\" }}\ndependencies = [{}]\n",
        edges.join(", ")
    ) + &join(&|(name, version, hash)| {
        format!(
            "\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = {{ registry = \"any\" }}\nwheels = [{{ url = \"any\", hash = \"sha256:{hash}\" }}]\n"
        )
    });
    let poetry = join(&|(name, version, hash)| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\noptional = false\nfiles = [{{file = \"any\", hash = \"sha256:{hash}\"}}]\n\n"
        )
    });
    let code = "import six\n\n\ndef total(order):\n    return sum(six.ensure_str(item[\"name\"]) != \"\" for item in order[\"items\"])\n";
    let tests = "import six\n\nfrom shop.cart import total\n\n\ndef test_one():\n    assert six.__version__ == \"1.17.0\"\n    assert total({\"items\": [{\"name\": b\"a\"}]}) == 1\n\n\ndef test_none():\n    assert total({}) == 0\n";
    for (name, lock) in [("requirements.txt", &requirements), ("uv.lock", &uv), ("poetry.lock", &poetry)] {
        let files = [
            (name, lock.as_str()),
            ("shop/__init__.py", ""),
            ("shop/cart.py", code),
            ("tests/__init__.py", ""),
            ("tests/test_cart.py", tests),
        ];
        judged(&allowed(&files), 1, "shop/cart.py", ("order[\"items\"]", "order.get(\"items\", [])"));
    }
}

#[test]
fn what_a_lock_of_pythons_names_is_asked_for_when_it_is_missing() {
    let lock = format!("surely-not-installed==1.0 --hash=sha256:{}\n", "0".repeat(64));
    let files = [
        ("requirements.txt", lock.as_str()),
        ("tests/test_a.py", "import surely_not_installed\n\n\ndef test_a():\n    pass\n"),
    ];
    let shop = lay_out_with(Arc::new(sandbox()), &files, HostSettings::default());
    let request = BaselineRequest { commit: shop.commit.clone(), command: None };
    let error = shop.tester.baseline(&request).unwrap_err();
    assert_eq!((error.exit, error.code.as_str()), (15, "tests.dependencies"), "{error:?}");
    assert!(error.message.contains("requirements.txt"), "{error:?}");
    assert!(error.help.unwrap().contains("--allow-network-prepare"));
}
