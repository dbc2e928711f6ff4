//! What a repository needs and this machine has not, and what its working tree has.

use std::sync::Arc;

use prunella_sandbox::testing::sandbox;

use crate::effects::BaselineRequest;
use crate::world::git::GitRepo;
use crate::world::tests::trials::{HostSettings, Tester, commit as commit_files, lay_out};

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
    let repo = Arc::new(GitRepo::open(&root).unwrap());
    let sandbox = Arc::new(sandbox());
    let tester =
        Tester::new(Arc::clone(&repo), sandbox, &folder.path().join("cache"), HostSettings::default())
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
        let host = HostSettings { network_prepare: true, ..HostSettings::default() };
        let sandbox = Arc::new(sandbox());
        Tester::new(Arc::clone(&shop.repo), sandbox, folder.path(), host).unwrap()
    };
    assert_eq!(allowed().baseline(&request).unwrap().passed, 1);
    let kept = std::fs::read_dir(folder.path().join("prepared")).unwrap().next().unwrap().unwrap().path();
    let made = std::fs::read(kept.join("made")).unwrap();
    assert_eq!(allowed().baseline(&request).unwrap().passed, 1);
    assert_eq!(std::fs::read(kept.join("made")).unwrap(), made);
}
