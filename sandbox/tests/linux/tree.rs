//! The tree: what the command may do to it, and what is told of that.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use prunella_sandbox::{Edit, End, Sandbox};

use super::common::{changes, sandbox, shell, state};

fn edit(path: &str, content: Option<&str>) -> Edit {
    Edit { path: path.into(), content: content.map(|text| text.as_bytes().to_vec()), executable: false }
}

const BUSY: &str = "echo more >> a.txt; rm pkg/b.txt; mkdir -p new/deep; echo n > new/deep/n.txt; rm -r pkg/inner; \
                    mkdir pkg/inner; echo d > pkg/inner/d.txt; chmod 600 tests/t.txt; ln -s /etc/passwd link";

#[test]
fn the_host_s_tree_stays_as_it_is_and_changes_are_told() {
    for copies in [false, true] {
        let case = shell(BUSY);
        let before = state(case.tree.path());
        let sandbox = if copies { sandbox().with_copies() } else { sandbox() };
        let report = sandbox.run(&case.job);
        assert_eq!(report.end, End::Exited { code: 0 }, "{}", report.stderr.text());
        let expected = [
            "changed a.txt",
            "added link",
            "added new/deep/n.txt",
            "removed pkg/b.txt",
            "removed pkg/inner/c.txt",
            "added pkg/inner/d.txt",
            "changed tests/t.txt",
        ];
        assert_eq!(changes(&report), expected, "copies: {copies}");
        assert_eq!(state(case.tree.path()), before);
    }
}

#[test]
fn edits_are_laid_over_and_are_no_changes() {
    for copies in [false, true] {
        let mut case = shell("cat a.txt new/folder/x.sh; ls pkg; ./new/folder/x.sh; echo y >> tests/t.txt");
        case.job.edits = vec![
            edit("a.txt", Some("edited\n")),
            edit("pkg/b.txt", None),
            edit("tests/t.txt", Some("other\n")),
            Edit { executable: true, ..edit("new/folder/x.sh", Some("#!/bin/sh\necho ran\n")) },
        ];
        let sandbox = if copies { sandbox().with_copies() } else { sandbox() };
        let report = sandbox.run(&case.job);
        assert_eq!(
            report.stdout.text(),
            "edited\n#!/bin/sh\necho ran\ninner\nran\n",
            "{}",
            report.stderr.text()
        );
        assert_eq!(changes(&report), ["changed tests/t.txt"], "copies: {copies}");
    }
}

#[test]
fn an_edit_never_follows_a_link() {
    for path in ["link/x.txt", "../x", "/x", ".git/config", ""] {
        let mut case = shell("cat a.txt");
        symlink("/tmp", case.tree.path().join("link")).unwrap();
        case.job.edits = vec![edit(path, Some("x"))];
        let End::CouldNotStart { step, .. } = case.run().end else { panic!("{path} was edited") };
        assert!(step == "edits" || step == "job", "{step}");
    }
    let mut case = shell("cat link; cat a.txt");
    symlink("a.txt", case.tree.path().join("link")).unwrap();
    case.job.edits = vec![edit("link", Some("a file\n"))];
    assert_eq!(case.output(), "a file\nalpha\n");
}

#[test]
fn what_is_protected_stays() {
    let script = "
echo x >> tests/t.txt; rm -f tests/t.txt; mv tests elsewhere; rm -rf tests; echo x > tests/new.txt
mv pkg/inner/c.txt pkg/inner/d.txt; mv pkg/inner pkg/other; mv pkg other; chmod 777 tests/t.txt pkg/inner/c.txt
cp a.txt replacement; mv replacement pkg/inner/c.txt; ln -sf a.txt tests/t.txt
cat tests/t.txt pkg/inner/c.txt; ls; echo free > pkg/free.txt; echo free > a.txt";
    for copies in [false, true] {
        let mut case = shell(script);
        case.job.protect =
            ["tests", "pkg/inner/c.txt", "absent/file.txt", "tests/t.txt"].map(String::from).to_vec();
        let sandbox = if copies { sandbox().with_copies() } else { sandbox() };
        let report = sandbox.run(&case.job);
        assert_eq!(
            report.stdout.text(),
            "test\ngamma\na.txt\npkg\nreplacement\ntests\n",
            "copies: {copies}: {}",
            report.stderr.text()
        );
        assert_eq!(changes(&report), ["changed a.txt", "added pkg/free.txt", "added replacement"]);
    }
}

#[test]
fn a_protected_file_is_the_edited_one() {
    let mut case = shell("echo x > tests/t.txt; cat tests/t.txt");
    case.job.edits = vec![edit("tests/t.txt", Some("ours\n"))];
    case.job.protect = vec!["tests/t.txt".into()];
    assert_eq!(case.output(), "ours\n");
}

#[test]
fn a_protected_link_is_refused() {
    let mut case = shell("true");
    symlink("a.txt", case.tree.path().join("link")).unwrap();
    case.job.protect = vec!["link".into()];
    let End::CouldNotStart { step, message, .. } = case.run().end else { panic!("it ran") };
    assert_eq!((step.as_str(), message.contains("link")), ("protect", true));
}

#[test]
fn the_repository_itself_is_not_shown() {
    for copies in [false, true] {
        let case = shell("ls -A .git 2>/dev/null; cat .git/config 2>/dev/null; true");
        fs::create_dir(case.tree.path().join(".git")).unwrap();
        fs::write(case.tree.path().join(".git/config"), "[core]").unwrap();
        let sandbox = if copies { sandbox().with_copies() } else { sandbox() };
        let report = sandbox.run(&case.job);
        assert_eq!((report.end, report.stdout.kept.len()), (End::Exited { code: 0 }, 0));
    }
}

#[test]
fn files_of_any_mode_can_be_used_as_their_owner_could() {
    let case = shell("echo x > a.txt; ./run; cat private");
    for (name, mode) in [("run", 0o755), ("private", 0o600)] {
        let path = case.tree.path().join(name);
        fs::write(&path, "#!/bin/sh\necho run\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(case.output(), "run\n#!/bin/sh\necho run\n");
}

#[test]
fn strange_names_and_closed_folders_do_no_harm() {
    let script = "
printf x > \"$(printf 'new\\nline')\"; printf x > \"$(printf 'bad\\377name')\"; printf x > \"$(printf 'red\\033[31m')\"
mkdir closed; echo x > closed/in; chmod 000 closed
mkfifo pipe
i=0; while [ $i -lt 200 ]; do mkdir d && cd d || exit 9; i=$((i+1)); done; echo x > end";
    let report = shell(script).run();
    assert_eq!(report.end, End::Exited { code: 0 }, "{}", report.stderr.text());
    let changes = changes(&report);
    assert!(changes.contains(&"added closed/in".into()), "{changes:?}");
    assert!(changes.contains(&"added bad\u{fffd}name".into()), "{changes:?}");
    assert!(changes.iter().any(|change| change.ends_with("d/d/end")), "{changes:?}");
}
