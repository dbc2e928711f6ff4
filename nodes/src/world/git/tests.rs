use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use git2::{Repository, Signature, Time};
use proptest::prelude::*;

use super::*;

mod hostile;

/// A repository in a folder of its own, which goes with it.
pub(crate) struct Fixture {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) repo: GitRepo,
    pub(crate) base: String,
}

/// Writes all files of the working tree to a new commit on HEAD, by a person.
pub(crate) fn commit_all(git: &Repository, message: &str) -> String {
    let mut index = git.index().unwrap();
    index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
    index.write().unwrap();
    let tree = git.find_tree(index.write_tree().unwrap()).unwrap();
    let who = Signature::new("Dana", "dana@example.com", &Time::new(1_700_000_000, 60)).unwrap();
    let parent = git.head().ok().map(|head| head.peel_to_commit().unwrap());
    let parents: Vec<_> = parent.iter().collect();
    git.commit(Some("HEAD"), &who, &who, message, &tree, &parents).unwrap().to_string()
}

/// A repository with one commit that holds these files.
pub(crate) fn fixture(files: &[(&str, &str)]) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let git =
        Repository::init_opts(dir.path(), git2::RepositoryInitOptions::new().initial_head("main")).unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let base = commit_all(&git, "start");
    let repo = GitRepo::open(dir.path()).unwrap();
    Fixture { dir, repo, base }
}

/// Every file below `dir` with its content (a link's target) and mode.
pub(crate) fn snapshot(dir: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
            if meta.is_dir() {
                folders.push(path);
            } else if meta.is_symlink() {
                let to = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
                files.insert(name, (0, to));
            } else {
                files.insert(name, (meta.permissions().mode(), fs::read(&path).unwrap()));
            }
        }
    }
    files
}

#[test]
fn a_subfolder_opens_the_repository_it_is_in() {
    let f = fixture(&[("svc/app/a.py", "a = 1\n")]);
    let below = GitRepo::open(&f.dir.path().join("svc/app")).unwrap();
    assert_eq!((below.subfolder.as_str(), below.root.as_path()), ("svc/app", f.repo.root.as_path()));
    assert_eq!(f.repo.subfolder, "");
    assert_eq!(below.resolve("HEAD").unwrap(), f.base);
}

#[test]
fn what_is_no_repository_is_refused_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let error = GitRepo::open(dir.path()).err().unwrap();
    assert_eq!((error.code.as_str(), error.exit), ("git.not_a_repository", 5));
    assert!(error.message.contains(dir.path().to_str().unwrap()), "{error}");
    Repository::init_bare(dir.path()).unwrap();
    assert!(GitRepo::open(dir.path()).err().unwrap().message.contains("bare"));
}

#[test]
fn a_repository_without_a_commit_has_no_head() {
    let dir = tempfile::tempdir().unwrap();
    Repository::init(dir.path()).unwrap();
    let error = GitRepo::open(dir.path()).unwrap().resolve("HEAD").unwrap_err();
    assert_eq!((error.code.as_str(), error.exit), ("git.revision", 5));
}

#[test]
fn files_read_and_dirty() {
    let f = fixture(&[("b/x.py", "x\n"), ("a.py", "a\n"), ("b.txt", "b\n")]);
    assert_eq!(f.repo.files(&f.base).unwrap(), ["a.py", "b.txt", "b/x.py"]);
    assert_eq!(f.repo.read(&f.base, "b/x.py").unwrap().unwrap(), b"x\n");
    for absent in ["nope", "b", "", "../a.py", "/a.py"] {
        assert_eq!(f.repo.read(&f.base, absent).unwrap(), None, "{absent}");
    }
    assert!(!f.repo.dirty().unwrap());
    fs::write(f.dir.path().join("new"), "").unwrap();
    assert!(f.repo.dirty().unwrap());
}

#[test]
fn a_huge_file_is_exported_and_not_read() {
    let f = fixture(&[("a", "a")]);
    fs::write(f.dir.path().join("big.bin"), vec![7; LARGEST_READ + 1]).unwrap();
    let commit = commit_all(&Repository::open(f.dir.path()).unwrap(), "big");
    assert_eq!(f.repo.read(&commit, "big.bin").unwrap(), None);
    let out = tempfile::tempdir().unwrap();
    f.repo.export(&commit, out.path()).unwrap();
    assert_eq!(fs::metadata(out.path().join("big.bin")).unwrap().len(), LARGEST_READ as u64 + 1);
}

/// Writes a commit of a tree with these entries as they are, also such that git itself would refuse.
fn raw_commit(git: &Repository, entries: &[(i32, &[u8], &[u8])]) -> String {
    let odb = git.odb().unwrap();
    let mut bytes = Vec::new();
    for (mode, name, content) in entries {
        let kind = if *mode == 0o040_000 { ObjectType::Tree } else { ObjectType::Blob };
        let id = match *mode {
            0o160_000 => Oid::from_bytes(&[9; 20]).unwrap(),
            _ => odb.write(kind, content).unwrap(),
        };
        bytes.extend_from_slice(format!("{mode:o} ").as_bytes());
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(id.as_bytes());
    }
    let tree = odb.write(ObjectType::Tree, &bytes).unwrap();
    let text = format!("tree {tree}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nraw\n");
    odb.write(ObjectType::Commit, text.as_bytes()).unwrap().to_string()
}

#[test]
fn an_export_has_bytes_modes_odd_names_and_no_submodules() {
    let f = fixture(&[("a", "a")]);
    let git = Repository::open(f.dir.path()).unwrap();
    let commit = raw_commit(
        &git,
        &[
            (0o100_644, b"caf\xe9 \xff.py", b"latin"),
            (0o100_755, b"run.sh", b"#!/bin/sh\n"),
            (0o160_000, b"vendored", b""),
            (0o100_644, b"line\nfeed", b"odd"),
        ],
    );
    let out = tempfile::tempdir().unwrap();
    f.repo.export(&commit, out.path()).unwrap();
    let made = fs::read_dir(out.path()).unwrap().map(|e| e.unwrap().file_name().into_encoded_bytes());
    let mut made: Vec<_> = made.collect();
    made.sort();
    assert_eq!(made, [&b"caf\xe9 \xff.py"[..], b"line\nfeed", b"run.sh"]);
    let mode = fs::metadata(out.path().join("run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
    assert_eq!(f.repo.files(&commit).unwrap(), ["line\nfeed", "run.sh"]);
    // An edit beside them leaves their bytes and modes as they were.
    let edited = f.repo.tree_with(&commit, &[("new".to_owned(), Some(b"n".to_vec()))]).unwrap();
    let same = git.find_commit(commit.parse().unwrap()).unwrap().tree().unwrap();
    f.repo.with(|git| write_tree(git, &commit, &[("new".to_owned(), Some(b"n".to_vec()))])).unwrap();
    let edited = git.find_tree(edited.parse().unwrap()).unwrap();
    let entries = |tree: &git2::Tree<'_>| {
        tree.iter().map(|e| (e.name_bytes().to_vec(), e.filemode_raw(), e.id())).collect::<Vec<_>>()
    };
    let after = entries(&edited);
    for entry in entries(&same) {
        assert!(after.contains(&entry));
    }
    assert_eq!(after.len(), 5);
}

#[test]
fn a_link_out_of_the_tree_becomes_a_file() {
    let f = fixture(&[("d/e/real.py", "r\n"), ("top.py", "t\n")]);
    let at = |path: &str| f.dir.path().join(path);
    symlink("../../top.py", at("d/e/up")).unwrap();
    symlink("real.py", at("d/e/beside")).unwrap();
    symlink("../..", at("d/e/top")).unwrap();
    symlink("/etc/passwd", at("absolute")).unwrap();
    symlink("../outside", at("climbs")).unwrap();
    // Each component is inside, yet followed through `top` it would come out above the tree.
    symlink("d/e/top/../outside", at("through")).unwrap();
    let commit = commit_all(&Repository::open(f.dir.path()).unwrap(), "links");
    let out = tempfile::tempdir().unwrap();
    f.repo.export(&commit, out.path()).unwrap();
    let is_link = |path: &str| fs::symlink_metadata(out.path().join(path)).unwrap().is_symlink();
    for path in ["d/e/up", "d/e/beside", "d/e/top"] {
        assert!(is_link(path), "{path}");
    }
    for path in ["absolute", "climbs", "through"] {
        assert!(!is_link(path), "{path}");
    }
    assert_eq!(fs::read_to_string(out.path().join("absolute")).unwrap(), "/etc/passwd");
    assert_eq!(fs::read_to_string(out.path().join("d/e/up")).unwrap(), "t\n");
}

#[test]
fn a_hand_made_tree_cannot_write_outside() {
    let f = fixture(&[("a", "a")]);
    let git = Repository::open(f.dir.path()).unwrap();
    for name in [&b".."[..], b".", b"../up", b".git", b".GIT"] {
        let commit = raw_commit(&git, &[(0o100_644, name, b"x")]);
        let out = tempfile::tempdir().unwrap();
        let inner = out.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let error = f.repo.export(&commit, &inner).unwrap_err();
        assert_eq!(error.code, "git.path", "{}", String::from_utf8_lossy(name));
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
    }
}

#[test]
fn computing_a_tree_writes_nothing_and_agrees_with_writing_it() {
    let f = fixture(&[
        ("a/b/run.sh", "old\n"),
        ("a/gone.py", "g\n"),
        ("keep.py", "k\n"),
        ("a-b", "sorts before a/\n"),
    ]);
    fs::set_permissions(f.dir.path().join("a/b/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let commit = commit_all(&Repository::open(f.dir.path()).unwrap(), "x");
    let edits = [
        ("a/b/run.sh".to_owned(), Some(b"new\n".to_vec())),
        ("a/gone.py".to_owned(), None),
        ("never/was.py".to_owned(), None),
        ("new/deep/file.py".to_owned(), Some(b"n\n".to_vec())),
    ];
    let before = snapshot(f.dir.path());
    let computed = f.repo.tree_with(&commit, &edits).unwrap();
    assert_eq!(snapshot(f.dir.path()), before);
    let written = f.repo.with(|git| write_tree(git, &commit, &edits)).unwrap();
    assert_eq!(computed, written.to_string());

    // What git itself makes of the same change.
    fs::write(f.dir.path().join("a/b/run.sh"), "new\n").unwrap();
    fs::remove_file(f.dir.path().join("a/gone.py")).unwrap();
    fs::create_dir_all(f.dir.path().join("new/deep")).unwrap();
    fs::write(f.dir.path().join("new/deep/file.py"), "n\n").unwrap();
    let git = Repository::open(f.dir.path()).unwrap();
    let mut index = git.index().unwrap();
    index.remove_path(Path::new("a/gone.py")).unwrap();
    index.write().unwrap();
    let by_git = commit_all(&git, "the same");
    assert_eq!(f.repo.tree_of(&by_git).unwrap(), computed);
}

#[test]
fn no_edits_make_the_same_tree_and_all_deletions_the_empty_one() {
    let f = fixture(&[("a/b.py", "b\n")]);
    assert_eq!(f.repo.tree_with(&f.base, &[]).unwrap(), f.repo.tree_of(&f.base).unwrap());
    let empty = f.repo.tree_with(&f.base, &[("a/b.py".to_owned(), None)]).unwrap();
    assert_eq!(empty, "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
}

#[test]
fn edits_that_reach_outside_or_into_git_are_refused() {
    let f = fixture(&[("a/b.py", "b\n")]);
    let bad = [
        "",
        "/etc/x",
        "../x",
        "a/../x",
        "a//x",
        "a/./x",
        ".git/hooks/post-commit",
        ".GIT/config",
        "a/.git/x",
        ".git.",
        ".git ",
        "git~1/x",
        ".g\u{200c}it/x",
        ".git::$INDEX_ALLOCATION/x",
        "a\\b",
        "a/b.py/c",
        "a",
        "x\0y",
    ];
    for path in bad {
        let error = f.repo.tree_with(&f.base, &[(path.to_owned(), Some(Vec::new()))]).unwrap_err();
        assert_eq!(error.code, "git.path", "{path:?}: {error}");
    }
    let deep = "d/".repeat(3000) + "x";
    assert!(f.repo.tree_with(&f.base, &[(deep, Some(Vec::new()))]).is_err());
    let clash = [("n".to_owned(), Some(Vec::new())), ("n/m".to_owned(), Some(Vec::new()))];
    assert!(f.repo.tree_with(&f.base, &clash).is_err());
}

/// Sets up every way by which git would run a program, all touching one file.
pub(crate) fn booby_trap(dir: &Path) -> std::path::PathBuf {
    let proof = dir.join(".git/it-ran");
    let script = format!("#!/bin/sh\ntouch {}\ncat\n", proof.display());
    let hooks = dir.join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    let all = [
        "pre-commit",
        "post-commit",
        "commit-msg",
        "reference-transaction",
        "post-checkout",
        "update",
        "pre-push",
    ];
    for hook in all {
        fs::write(hooks.join(hook), &script).unwrap();
        fs::set_permissions(hooks.join(hook), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let program = hooks.join("pre-commit").display().to_string();
    let mut config = git2::Config::open(&dir.join(".git/config")).unwrap();
    let keys = [
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.evil.textconv",
        "diff.external",
        "gpg.program",
    ];
    for key in keys {
        config.set_str(key, &program).unwrap();
    }
    config.set_bool("commit.gpgSign", true).unwrap();
    proof
}

#[test]
fn no_hook_filter_or_monitor_runs() {
    let f = fixture(&[("a.py", "a\n"), (".gitattributes", "* filter=evil diff=evil\n")]);
    let proof = booby_trap(f.dir.path());
    fs::write(f.dir.path().join("a.py"), "changed\n").unwrap();
    let repo = GitRepo::open(f.dir.path()).unwrap();
    assert!(repo.dirty().unwrap());
    let out = tempfile::tempdir().unwrap();
    repo.export(&f.base, out.path()).unwrap();
    assert_eq!(fs::read(out.path().join("a.py")).unwrap(), b"a\n");
    repo.tree_with(&f.base, &[("a.py".to_owned(), Some(b"b\n".to_vec()))]).unwrap();
    repo.files(&f.base).unwrap();
    assert!(!proof.exists());
}

#[test]
fn a_diff_applies_to_the_base_and_to_nothing_else() {
    let f = fixture(&[("a.py", "one\ntwo\nthree\n"), ("gone.py", "g\n")]);
    let apply = |diff: &str| apply_to_base(&f.repo, &f.base, diff.as_bytes());
    let text = |edit: &FileEdit| edit.1.clone().map(|content| String::from_utf8(content).unwrap());
    let edits = apply("--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n--- /dev/null\n+++ b/n.py\n@@ -0,0 +1 @@\n+new\n--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-g\n").unwrap();
    let names: Vec<_> = edits.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, ["a.py", "gone.py", "n.py"]);
    assert_eq!(
        edits.iter().map(text).collect::<Vec<_>>(),
        [Some("one\n2\nthree\n".into()), None, Some("new\n".into())]
    );
    let git = "diff --git a/a.py b/a.py\nindex 1..2 100644\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n-one\n+1\n two\n";
    assert_eq!(text(&apply(git).unwrap()[0]).unwrap(), "1\ntwo\nthree\n");
    for wrong in [
        "",
        "no diff",
        "--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n one\n-2\n+two\n three\n",
        "--- a/none.py\n+++ b/none.py\n@@ -1 +1 @@\n-a\n+b\n",
        "--- a/../a.py\n+++ b/../a.py\n@@ -1 +1 @@\n-one\n+b\n",
    ] {
        assert!(apply(wrong).is_err(), "{wrong:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn hostile_diffs_and_paths_never_panic(diff in "(--- a/a\n|\\+\\+\\+ b/a\n|@@ -1,[0-9]{1,20} \\+1 @@\n|[-+ ]x\n|diff --git a/a b/a\n|.{0,9}\n){0,12}", path in "[./a-c\\\\:~ ]{0,12}") {
        let f = fixture(&[("a", "x\n")]);
        let _ = apply_to_base(&f.repo, &f.base, diff.as_bytes());
        let _ = f.repo.tree_with(&f.base, &[(path, Some(Vec::new()))]);
    }
}
