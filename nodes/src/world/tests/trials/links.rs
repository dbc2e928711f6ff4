//! What the base commit has that a diff cannot see: links, submodules, folders (attacks 103, 104, 110).

use crate::gate::Refused;
use crate::world::git::tests::fixture;
use crate::world::tests::apply_diff;

#[test]
fn nothing_is_written_through_what_the_base_commit_has() {
    let f = fixture(&[("pkg/a.py", "a\n")]);
    let git = git2::Repository::open(f.dir.path()).unwrap();
    let parent = git.find_commit(git2::Oid::from_str(&f.base).unwrap()).unwrap();
    let mut builder = git.treebuilder(Some(&parent.tree().unwrap())).unwrap();
    builder.insert("link", git.blob(b"/etc").unwrap(), 0o120_000).unwrap();
    builder.insert("inside", git.blob(b"pkg").unwrap(), 0o120_000).unwrap();
    builder.insert("sub", parent.id(), 0o160_000).unwrap();
    let tree = git.find_tree(builder.write().unwrap()).unwrap();
    let who = git2::Signature::new("x", "x@example.com", &git2::Time::new(1_700_000_000, 0)).unwrap();
    let commit = git.commit(None, &who, &who, "links", &tree, &[&parent]).unwrap().to_string();
    let add = |path: &str| format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+a\n");
    let change = |path: &str| format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n");
    for (diff, kind) in [
        (add("link/passwd"), Refused::Symlink),
        (add("link"), Refused::Symlink),
        (change("link"), Refused::Symlink),
        (change("inside/a.py"), Refused::Symlink),
        ("--- a/link\n+++ /dev/null\n@@ -1 +0,0 @@\n-/etc\n".to_owned(), Refused::Symlink),
        (add("sub/x.py"), Refused::Submodule),
        (add("sub"), Refused::Submodule),
        (add("pkg"), Refused::Clash),
        (add("pkg/a.py/b.py"), Refused::Clash),
    ] {
        let refusal = apply_diff(&f.repo, &commit, &diff).unwrap_err();
        assert_eq!(refusal.kind, kind, "{diff}: {refusal}");
    }
    assert_eq!(apply_diff(&f.repo, &commit, &change("pkg/a.py")).unwrap().len(), 1);
}
