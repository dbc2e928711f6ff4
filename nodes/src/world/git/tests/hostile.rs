//! What a commit may hold for git to stumble over (attacks 19 to 25 of the project's list) is files like others to us.

use super::*;

/// A hook, as a file of a commit: it would touch what `proof` names.
fn spy(proof: &Path) -> String {
    format!("#!/bin/sh\ntouch {}\ncat\n", proof.display())
}

#[test]
fn modules_and_nested_repositories_are_only_files() {
    let place = tempfile::tempdir().unwrap();
    let proof = place.path().join("it-ran");
    let (spy, config) = (
        spy(&proof),
        format!("[core]\n\tbare = true\n\tfsmonitor = touch {}\n\tworktree = /\n", proof.display()),
    );
    let files = [
        (".gitattributes", "* filter=evil diff=evil merge=evil text eol=crlf ident\n"),
        (".gitmodules", "[submodule \"x\"]\n\tpath = -x\n\turl = ext::sh -c ./spy\n\tupdate = !./spy\n"),
        ("a.py", "a $Id$\n"),
        ("bare/HEAD", "ref: refs/heads/main\n"),
        ("bare/config", &config),
        ("bare/hooks/post-checkout", &spy),
        ("bare/hooks/reference-transaction", &spy),
        ("bare/objects/info/alternates", "/root/.git/objects\n"),
        ("bare/refs/heads/main", "0000000000000000000000000000000000000001\n"),
        ("hooks/pre-commit", &spy),
        ("spy", &spy),
    ];
    let f = fixture(&files);
    let own = booby_trap(f.dir.path());
    let repo = GitRepo::open(f.dir.path()).unwrap();
    let out = tempfile::tempdir().unwrap();
    repo.export(&f.base, out.path()).unwrap();
    for (path, content) in files {
        assert_eq!(fs::read_to_string(out.path().join(path)).unwrap(), content, "{path}");
    }
    assert!(!out.path().join(".git").exists());
    // Neither the tree nor what lies in it is taken for a repository, so nothing there is ever configuration.
    for path in ["", "bare", "bare/hooks", "hooks"] {
        assert!(GitRepo::open(&out.path().join(path)).is_err(), "{path:?}");
    }
    let edits = [("bare/config".to_owned(), Some(b"[core]\n".to_vec())), ("a.py".to_owned(), None)];
    write_tree_of(&repo, &f.base, &edits);
    assert!(!proof.exists() && !own.exists());
}

fn write_tree_of(repo: &GitRepo, base: &str, edits: &[FileEdit]) {
    let computed = repo.tree_with(base, edits).unwrap();
    let written = repo.with(|git| write_tree(git, base, edits)).unwrap();
    assert_eq!(computed, written.to_string());
}

#[test]
fn a_redirected_git_folder_cannot_be_committed_or_exported() {
    let f = fixture(&[("a.py", "a\n")]);
    for name in [&b".git"[..], b".GIT"] {
        let commit = {
            let git = Repository::open(f.dir.path()).unwrap();
            raw_commit(&git, &[(0o100_644, name, b"gitdir: /elsewhere\n")])
        };
        let out = tempfile::tempdir().unwrap();
        assert!(f.repo.export(&commit, out.path()).is_err(), "{name:?}");
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "{name:?}");
    }
    for path in [".git", "pkg/.git", ".GIT/config", "pkg/.git/hooks/pre-commit", "git~1/config"] {
        let edit = [(path.to_owned(), Some(b"gitdir: /elsewhere\n".to_vec()))];
        assert!(f.repo.tree_with(&f.base, &edit).is_err(), "{path}");
    }
}
