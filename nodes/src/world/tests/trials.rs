//! The judge tried for real: a small repository, the sandbox of this machine, honest fixes and cheats.

mod attacks;
mod cheats;
mod commands;
mod foreign;
mod honest;
mod links;
mod named;
mod odd;
mod prepared;
mod siblings;
mod wasm;

use std::path::Path;
use std::sync::Arc;

use prunella_engine::blob::{Blobs, MemoryBlobs};
use prunella_sandbox::Sandbox;
use prunella_sandbox::testing::sandbox;
use tempfile::TempDir;

use super::{HostSettings, Tester};
use crate::effects::{BaselineRequest, FailedTest, JudgeRequest};
use crate::types::{Reproduction, ReproductionKind, Verdict};
use crate::world::git::GitRepo;

/// A small shop: an order without `items` breaks it.
const CART: &str = r#"TAXES = {"de": 19, "fr": 20}


def total(order):
    """The price of all items, with tax."""
    amount = sum(item["price"] * item.get("count", 1) for item in order["items"])
    return amount + tax(amount, order.get("country", "de"))


def tax(amount, country):
    return amount * TAXES[country] // 100


def countries():
    return sorted(TAXES)
"#;

/// Tests that unittest runs as well as pytest.
const TESTS: &str = r#"import unittest

from shop.cart import countries, tax, total


class TestTotal(unittest.TestCase):
    def test_one_item(self):
        self.assertEqual(total({"items": [{"price": 100}]}), 119)

    def test_many_items(self):
        self.assertEqual(total({"items": [{"price": 100, "count": 2}, {"price": 50}], "country": "fr"}), 300)

    def test_unknown_country(self):
        with self.assertRaises(KeyError):
            tax(100, "xx")

    def test_without_items(self):
        self.assertEqual(total({"country": "de"}), 0)


class TestCountries(unittest.TestCase):
    def test_sorted(self):
        self.assertEqual(countries(), ["de", "fr"])

    def test_not_empty(self):
        self.assertNotEqual(countries(), [])
"#;

/// A repository in a temporary folder with a tester over it.
struct Shop {
    _folder: TempDir,
    repo: Arc<GitRepo>,
    tester: Tester,
    commit: String,
    reproduction: Reproduction,
}

/// Commits `files` to a new repository.
fn commit(folder: &Path, files: &[(&str, &str)]) {
    let repo = git2::Repository::init(folder).unwrap();
    for (path, content) in files {
        let full = folder.join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, content).unwrap();
    }
    let mut index = repo.index().unwrap();
    index.add_all(["*"], git2::IndexAddOption::FORCE, None).unwrap();
    let tree = repo.find_tree(index.write_tree().unwrap()).unwrap();
    let who = git2::Signature::new("dev", "dev@example.com", &git2::Time::new(1_700_000_000, 0)).unwrap();
    repo.commit(Some("HEAD"), &who, &who, "base", &tree, &[]).unwrap();
}

/// A repository of `files` with a tester; `command` is the test command.
fn lay_out(files: &[(&str, &str)], command: &[&str]) -> Shop {
    lay_out_in(Arc::new(sandbox()), files, command)
}

/// The same over a sandbox.
fn lay_out_in(sandbox: Arc<dyn Sandbox>, files: &[(&str, &str)], command: &[&str]) -> Shop {
    let host = HostSettings {
        command: (!command.is_empty()).then(|| command.iter().map(|word| (*word).to_owned()).collect()),
        // One that has pytest, whatever this machine's own Python has.
        python: Some(prunella_tests::python().display().to_string()),
        ..HostSettings::default()
    };
    lay_out_with(sandbox, files, host)
}

/// The same with settings.
fn lay_out_with(sandbox: Arc<dyn Sandbox>, files: &[(&str, &str)], host: HostSettings) -> Shop {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("repo");
    commit(&root, files);
    let repo = Arc::new(GitRepo::open(&root).unwrap());
    let tester = Tester::new(Arc::clone(&repo), sandbox, &folder.path().join("cache"), host).unwrap();
    let commit = repo.resolve("HEAD").unwrap();
    Shop { _folder: folder, repo, tester, commit, reproduction: Reproduction::default() }
}

/// The shop under `command`, with the test that fails in it as its reproduction.
fn shop(command: &[&str]) -> Shop {
    shop_in(Arc::new(sandbox()), command)
}

/// The same over a sandbox.
fn shop_in(sandbox: Arc<dyn Sandbox>, command: &[&str]) -> Shop {
    let files = [
        ("shop/__init__.py", ""),
        ("shop/cart.py", CART),
        ("tests/__init__.py", ""),
        ("tests/test_cart.py", TESTS),
    ];
    let mut shop = lay_out_in(sandbox, &files, command);
    let base = shop.tester.baseline(&BaselineRequest { commit: shop.commit.clone(), command: None }).unwrap();
    assert_eq!(base.passed, 5, "{base:?}");
    let [failed] = base.failed.as_slice() else { panic!("{:?}", base.failed) };
    shop.reproduction = existing(failed);
    shop
}

/// A test that fails at the base, as the reproduction.
fn existing(failed: &FailedTest) -> Reproduction {
    Reproduction {
        kind: ReproductionKind::Existing,
        test_id: failed.id.clone(),
        path: failed.path.clone(),
        exception: failed.exception.clone(),
        message: failed.message.clone(),
        ..Reproduction::default()
    }
}

impl Shop {
    /// A unified diff that gives files new contents.
    fn diff(&self, files: &[(&str, Option<&str>)]) -> String {
        let mut out = String::new();
        for (path, content) in files {
            let before = self.repo.read(&self.commit, path).unwrap();
            let name = |side: &str, there: bool| {
                if there { format!("{side}/{path}") } else { "/dev/null".to_owned() }
            };
            let before_text = String::from_utf8(before.clone().unwrap_or_default()).unwrap();
            let text = similar::TextDiff::from_lines(before_text.as_str(), content.unwrap_or_default());
            let (old, new) = (name("a", before.is_some()), name("b", content.is_some()));
            out.push_str(&text.unified_diff().context_radius(3).header(&old, &new).to_string());
        }
        out
    }

    /// The verdict on a diff by the shop's reproduction.
    fn judge(&self, diff: &str) -> Verdict {
        self.judge_by(diff, &self.reproduction)
    }

    fn judge_by(&self, diff: &str, reproduction: &Reproduction) -> Verdict {
        let blobs = MemoryBlobs::default();
        let request = JudgeRequest {
            commit: self.commit.clone(),
            command: None,
            diff: blobs.put(diff.as_bytes()).unwrap(),
            reproduction: Some(reproduction.clone()),
            alternatives: 0,
        };
        self.tester.judge(&request, &blobs).unwrap()
    }
}

const PYTEST: &[&str] = &["python", "-m", "pytest", "-q"];
const UNITTEST: &[&str] = &["python", "-m", "unittest", "discover"];
