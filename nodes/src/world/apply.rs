//! Locates a model's edits in the base commit: the handler of `patch.apply`.

use prunella_engine::EffectError;
use prunella_engine::blob::Blobs;
use prunella_engine::types::RepoPath;

use crate::effects::{ApplyRequest, ApplyResponse};
use crate::patch::{self, Base, Patched};
use crate::world::git::GitRepo;

/// Exit code of a store that cannot be used.
const STORE: u8 = 6;

/// Applies the reply to the base commit and makes a unified diff and a tree of what comes of it.
///
/// Edits of test files are dropped with a problem. A Python file that parsed before and does not any more is a
/// problem with its place, and then there is no diff: it could not run.
///
/// # Errors
/// When the commit or the store cannot be read or written. What is wrong with the reply is no error.
pub fn apply(
    repo: &GitRepo,
    request: &ApplyRequest,
    blobs: &dyn Blobs,
) -> Result<ApplyResponse, EffectError> {
    let store = |e: prunella_engine::NodeError| EffectError::new(&e.code, STORE, e.message);
    let reply = blobs.get(&request.reply).map_err(store)?;
    let reply = String::from_utf8_lossy(&reply);
    let files = repo.files(&request.commit)?;
    let read = |path: &str| repo.read(&request.commit, path).ok().flatten();
    let prefer: Vec<String> = request.prefer.iter().map(|path| path.0.clone()).collect();
    let Patched { mut edits, mut problems } =
        patch::edits(&reply, &Base { files: &files, prefer: &prefer, read: &read });

    edits.retain(|(path, _)| {
        let test = patch::is_test_file(path);
        if test {
            problems.push(format!(
                "`{path}` belongs to the tests, which a fix never changes; that edit was dropped."
            ));
        }
        !test
    });
    let mut diff = String::new();
    let mut broken = false;
    for (path, content) in &edits {
        let before = String::from_utf8_lossy(&read(path).unwrap_or_default()).into_owned();
        let after = String::from_utf8_lossy(content.as_deref().unwrap_or_default()).into_owned();
        if path.ends_with(".py")
            && let Some(line) = patch::python_error(&after)
            && patch::python_error(&before).is_none()
        {
            let text = after.lines().nth(line - 1).unwrap_or_default().trim();
            problems.push(format!(
                "With the edit, {path}:{line} is no valid Python: `{}`.",
                patch::prefix(text, 120)
            ));
            broken = true;
        }
        diff.push_str(&patch::unified_diff(path, &before, &after));
    }
    if broken || edits.is_empty() {
        return Ok(ApplyResponse { problems, ..ApplyResponse::default() });
    }
    Ok(ApplyResponse {
        diff: blobs.put(diff.as_bytes()).map_err(store)?,
        files: edits.iter().map(|(path, _)| RepoPath(path.clone())).collect(),
        tree: repo.tree_with(&request.commit, &edits)?,
        problems,
    })
}

#[cfg(test)]
mod tests {
    use prunella_engine::blob::MemoryBlobs;

    use super::*;
    use crate::world::git::tests::{Fixture, fixture, snapshot};

    const CODE: &str = "def mean(values):\n    return sum(values) / len(values)";

    fn shop() -> Fixture {
        fixture(&[
            ("src/calc.py", CODE),
            ("tests/test_calc.py", "def test_x():\n    pass\n"),
            ("old.py", "print 1 ==\n"),
        ])
    }

    fn run(shop: &Fixture, reply: &str) -> (ApplyResponse, String) {
        let blobs = MemoryBlobs::default();
        let request = ApplyRequest {
            commit: shop.base.clone(),
            reply: blobs.put(reply.as_bytes()).unwrap(),
            prefer: Vec::new(),
        };
        let response = apply(&shop.repo, &request, &blobs).unwrap();
        let diff = String::from_utf8(blobs.get(&response.diff).unwrap()).unwrap();
        (response, diff)
    }

    fn edit(path: &str, old: &str, new: &str) -> String {
        format!("{path}\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n")
    }

    #[test]
    fn the_diff_gives_the_tree_and_the_repository_stays_as_it_is() {
        let shop = shop();
        let before = snapshot(shop.dir.path());
        let new = "    return sum(values) / len(values) if values else 0";
        let (response, diff) = run(&shop, &edit("src/calc.py", "    return sum(values) / len(values)", new));
        assert_eq!(response.problems, Vec::<String>::new());
        assert_eq!(response.files, ["src/calc.py".into()]);
        assert_eq!(
            diff,
            format!(
                "--- a/src/calc.py\n+++ b/src/calc.py\n@@ -1,2 +1,2 @@\n def mean(values):\n-    return sum(values) / len(values)\n\\ No newline at end of file\n+{new}\n\\ No newline at end of file\n"
            )
        );
        let edits = [("src/calc.py".to_owned(), Some(format!("def mean(values):\n{new}").into_bytes()))];
        assert_eq!(response.tree, shop.repo.tree_with(&shop.base, &edits).unwrap());
        assert_ne!(response.tree, shop.repo.tree_of(&shop.base).unwrap());
        assert_eq!(snapshot(shop.dir.path()), before);
    }

    #[test]
    fn an_edit_that_breaks_the_syntax_is_a_problem_with_its_place() {
        let (response, diff) = run(&shop(), &edit("src/calc.py", "def mean(values):", "def mean(values:"));
        assert!(response.problems[0].contains("src/calc.py:1 "), "{:?}", response.problems);
        assert_eq!((response.tree.as_str(), diff.as_str()), ("", ""));
        let (response, _) = run(&shop(), &edit("old.py", "print 1 ==", "print 2 =="));
        assert_ne!(response.tree, "", "{:?}: it did not parse before either", response.problems);
    }

    #[test]
    fn tests_are_not_edited() {
        let tests = edit("tests/test_calc.py", "    pass", "    assert True");
        let (response, _) = run(&shop(), &tests);
        assert!(response.problems[0].contains("belongs to the tests") && response.tree.is_empty());
        let (response, diff) = run(
            &shop(),
            &format!("{tests}{}", edit("src/calc.py", "def mean(values):", "def mean(values, start=0):")),
        );
        assert_eq!((response.files.len(), response.problems.len()), (1, 1));
        assert!(!diff.contains("test_calc"));
    }
}
