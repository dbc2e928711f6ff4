//! What a diff can hide: attacks 101 to 112, each refused with its kind or flagged for a person.

use super::{BASE, HUNK, base, pass, read};
use crate::gate::{Limits, MAX_LINE, Refused, check, flags, parse, parse_within};

/// What must become of a diff.
enum Must {
    /// It is refused, so.
    Refuse(Refused),
    /// It is let through, and a person is told this.
    Flag(&'static str),
}

use Must::{Flag, Refuse};
use Refused::{
    Binary, BuildHook, Ci, Clash, Config, Dependencies, DoesNotApply, Instructions, Lock, Malformed, Mode,
    Outside, Submodule, Symlink, TooLarge,
};

struct Case {
    number: u16,
    name: &'static str,
    diff: String,
    must: Must,
}

/// A diff that adds one file.
fn add(path: &str) -> String {
    format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+a\n")
}

/// A git header with mode lines, and a file of one line.
fn moded(path: &str, modes: &str) -> String {
    format!("diff --git a/{path} b/{path}\n{modes}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+a\n")
}

/// A change of `pkg/b.py` that adds a line.
fn line(text: &str) -> String {
    format!("--- a/pkg/b.py\n+++ b/pkg/b.py\n@@ -1 +1,2 @@\n x\n+{text}\n")
}

fn cases() -> Vec<Case> {
    let mut out = Vec::new();
    let mut case = |number, name, diff: String, must| out.push(Case { number, name, diff, must });
    let head = "--- a/pkg/a.py\n+++ b/pkg/a.py\n";

    case(101, "up and out", add("../x.py"), Refuse(Outside));
    case(101, "up in the middle", add("pkg/../../x.py"), Refuse(Outside));
    case(101, "absolute", "--- /dev/null\n+++ /etc/cron.d/x\n@@ -0,0 +1 @@\n+a\n".into(), Refuse(Outside));
    case(
        101,
        "quoted octal",
        "--- /dev/null\n+++ \"b/\\056\\056/x\"\n@@ -0,0 +1 @@\n+a\n".into(),
        Refuse(Outside),
    );
    case(
        101,
        "quoted slash",
        "--- /dev/null\n+++ \"b/..\\057x\"\n@@ -0,0 +1 @@\n+a\n".into(),
        Refuse(Outside),
    );
    case(101, "backslash", add("..\\x.py"), Refuse(Outside));
    case(101, "drive", add("C:/x.py"), Refuse(Outside));
    case(101, "drive without a slash", add("c:x.py"), Refuse(Outside));
    case(101, "network share", add("//host/share/x"), Refuse(Outside));
    case(
        101,
        "headers that differ",
        format!("diff --git a/pkg/b.py b/pkg/b.py\n{head}{HUNK}"),
        Refuse(Malformed),
    );
    case(101, "sides that differ", format!("--- a/pkg/b.py\n+++ b/pkg/a.py\n{HUNK}"), Refuse(Malformed));
    case(101, "prefix on one side", format!("--- a/pkg/a.py\n+++ pkg/a.py\n{HUNK}"), Refuse(Malformed));

    for spelling in [
        ".git/config",
        ".GIT/config",
        ".Git/hooks/pre-commit",
        "pkg/.git/config",
        ".git./config",
        ".git /config",
        "git~1/config",
        ".git::$INDEX_ALLOCATION/config",
        ".g\u{200c}it/config",
        ".git",
    ] {
        case(102, "the folder of git", add(spelling), Refuse(Outside));
    }

    case(103, "a link", moded("x", "new file mode 120000"), Refuse(Symlink));
    case(
        103,
        "a link, and a file through it",
        format!("{}{}", moded("x", "new file mode 120000"), add("x/passwd")),
        Refuse(Symlink),
    );
    case(
        103,
        "a file turned into a link",
        format!("diff --git a/pkg/a.py b/pkg/a.py\nold mode 100644\nnew mode 120000\n{head}{HUNK}"),
        Refuse(Mode),
    );
    case(
        103,
        "an index line of a link",
        format!("diff --git a/pkg/a.py b/pkg/a.py\nindex 1..2 120000\n{head}{HUNK}"),
        Refuse(Symlink),
    );
    case(
        103,
        "a deleted link",
        "diff --git a/x b/x\ndeleted file mode 120000\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n".into(),
        Refuse(Symlink),
    );

    case(104, "a submodule", moded("sub", "new file mode 160000"), Refuse(Submodule));
    case(104, "its address", add(".gitmodules"), Refuse(BuildHook));

    for mode in ["104755", "102755", "100777", "060660", "020666", "010644", "040000", "140755", "100755"] {
        case(105, "a mode", moded("x", &format!("new file mode {mode}")), Refuse(Mode));
    }
    case(
        105,
        "a mode that changes",
        "diff --git a/pkg/a.py b/pkg/a.py\nold mode 100644\nnew mode 104755\n".into(),
        Refuse(Mode),
    );

    case(
        106,
        "renamed from outside",
        "diff --git a/../x b/y\nrename from ../x\nrename to y\n".into(),
        Refuse(Outside),
    );
    case(
        106,
        "copied from outside",
        "diff --git a/../../etc/passwd b/y\ncopy from ../../etc/passwd\ncopy to y\n".into(),
        Refuse(Outside),
    );
    case(
        106,
        "copied from another place than it says",
        "diff --git a/a b/b\ncopy from /etc/passwd\ncopy to b\n".into(),
        Refuse(Malformed),
    );
    case(
        106,
        "renamed out",
        "diff --git a/pkg/a.py b/../a.py\nrename from pkg/a.py\nrename to ../a.py\n".into(),
        Refuse(Outside),
    );
    case(
        106,
        "copied from nowhere",
        "diff --git a/no.py b/y.py\ncopy from no.py\ncopy to y.py\n".into(),
        Refuse(DoesNotApply),
    );
    case(
        106,
        "renamed, and the old one changed",
        format!("diff --git a/pkg/a.py b/pkg/c.py\nrename from pkg/a.py\nrename to pkg/c.py\n{head}{HUNK}"),
        Refuse(Malformed),
    );
    case(
        106,
        "renamed, and the old one changed apart",
        format!(
            "diff --git a/pkg/a.py b/pkg/c.py\nrename from pkg/a.py\nrename to pkg/c.py\ndiff --git a/pkg/a.py b/pkg/a.py\n{head}{HUNK}"
        ),
        Refuse(Clash),
    );

    case(
        107,
        "binary content",
        "diff --git a/x b/x\nnew file mode 100644\nindex 0..1\nGIT binary patch\nliteral 9\nQcmZ\n".into(),
        Refuse(Binary),
    );
    case(
        107,
        "a size that lies",
        "diff --git a/x b/x\nGIT binary patch\nliteral 99999999999\nzcmZ\n\ndelta 4\n".into(),
        Refuse(Binary),
    );
    case(
        107,
        "binary files differ",
        "diff --git a/x b/x\nBinary files a/x and b/x differ\n".into(),
        Refuse(Binary),
    );
    case(107, "a NUL byte", "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\0b\n".into(), Refuse(Binary));

    case(
        108,
        "2,000,000 lines",
        format!("{head}@@ -0,0 +1,2000000 @@\n{}", "+\n".repeat(2_000_000)),
        Refuse(TooLarge),
    );
    case(
        108,
        "300,000 hunks",
        format!("{head}{}", "@@ -1 +1 @@\n-a\n+b\n".repeat(300_000)),
        Refuse(TooLarge),
    );
    case(108, "20,000 files", (0..20_000).map(|i| add(&format!("f{i}"))).collect(), Refuse(TooLarge));
    case(
        108,
        "many files in few bytes",
        (0..2_000).map(|i| add(&format!("f{i}"))).collect(),
        Refuse(TooLarge),
    );
    case(
        108,
        "a line of 8 MB",
        format!("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+{}\n", "a".repeat(8 << 20)),
        Refuse(TooLarge),
    );
    case(
        108,
        "a long line",
        format!("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+{}\n", "a".repeat(MAX_LINE)),
        Refuse(TooLarge),
    );
    case(108, "2,000 folders deep", add(&format!("{}x", "d/".repeat(2_000))), Refuse(TooLarge));
    case(108, "a long name", add(&"n".repeat(10_000)), Refuse(TooLarge));

    case(109, "more than is said", format!("{head}@@ -1,1 +1,1 @@\n-one\n+x\n+y\n"), Refuse(Malformed));
    case(109, "less than is said", format!("{head}@@ -1,9 +1,9 @@\n one\n-two\n+x\n"), Refuse(Malformed));
    case(
        109,
        "a number without end",
        format!("{head}@@ -1,99999999999999999999 +1 @@\n-one\n+x\n"),
        Refuse(Malformed),
    );
    case(109, "a negative number", format!("{head}@@ -1,-1 +1 @@\n-one\n+x\n"), Refuse(Malformed));
    case(109, "another line than it says", format!("{head}@@ -1 +1 @@\n-other\n+x\n"), Refuse(DoesNotApply));
    case(
        109,
        "hunks over each other",
        format!("{head}@@ -1,2 +1,2 @@\n one\n-two\n+x\n@@ -1,2 +1,2 @@\n-one\n+y\n two\n"),
        Refuse(DoesNotApply),
    );
    case(109, "nothing", format!("{head}@@ -1 +1 @@\n one\n"), Refuse(Malformed));
    case(109, "far behind the end", format!("{head}@@ -9999,0 +9999,1 @@\n+x\n"), Refuse(DoesNotApply));

    case(110, "the same file twice", format!("{head}{HUNK}{head}{HUNK}"), Refuse(Clash));
    case(110, "the same but for case", format!("{}{}", add("pkg/new.py"), add("pkg/NEW.py")), Refuse(Clash));
    case(110, "one of the base but for case", add("Pkg/A.py"), Refuse(Clash));
    case(110, "a file, and one below it", format!("{}{}", add("x/y"), add("x")), Refuse(Clash));
    case(110, "added over one that is there", add("pkg/a.py"), Refuse(DoesNotApply));

    case(111, "an ANSI escape", line("y = 1  # \u{1b}[2K\u{1b}[1A"), Flag("control characters"));
    case(111, "a carriage return in a line", line("y = 1  # \rimport os"), Flag("end of a line"));
    case(111, "a line separator", line("y = 1  # \u{2028}import os"), Flag("end of a line"));
    case(
        111,
        "line ends that change",
        "--- a/pkg/b.py\n+++ b/pkg/b.py\n@@ -1 +1 @@\n-x\n+x\r\n".into(),
        Flag("how lines end"),
    );
    case(111, "a byte order mark", line("\u{feff}y = 1"), Flag("invisible"));
    case(111, "a change of direction", line("if a: # \u{202e} } esle"), Flag("bidirectional"));
    case(111, "no width", line("admin\u{200b} = 1"), Flag("invisible"));
    case(111, "look-alikes", line("p\u{430}ssword = 1"), Flag("look alike"));
    case(111, "a name of look-alikes", add("pkg/d\u{430}ta.py"), Flag("look alike"));
    case(111, "a name with a change of direction", add("pkg/\u{202e}yp.a"), Refuse(Outside));
    case(111, "a name with an escape", add("pkg/\u{1b}[31m.py"), Refuse(Outside));
    case(111, "a name with no width", add("pkg/a\u{200b}.py"), Refuse(Outside));
    case(
        111,
        "a name that ends with a blank",
        "--- /dev/null\n+++ \"b/pkg/a.py \"\n@@ -0,0 +1 @@\n+a\n".into(),
        Refuse(Outside),
    );

    for (path, kind) in [
        (".github/workflows/x.yml", Ci),
        (".gitlab-ci.yml", Ci),
        (".circleci/config.yml", Ci),
        ("Jenkinsfile", Ci),
        (".pre-commit-config.yaml", Ci),
        ("poetry.lock", Lock),
        ("uv.lock", Lock),
        ("Cargo.lock", Lock),
        ("package-lock.json", Lock),
        ("pnpm-lock.yaml", Lock),
        ("go.sum", Lock),
        ("requirements.txt", Dependencies),
        ("go.mod", Dependencies),
        ("package.json", Config),
        ("pyproject.toml", Config),
        ("Cargo.toml", Config),
        ("jest.config.js", Config),
        (".mocharc.yml", Config),
        (".cargo/config.toml", Config),
        ("setup.py", BuildHook),
        ("build.rs", BuildHook),
        ("pom.xml", BuildHook),
        ("Makefile", BuildHook),
        (".gitattributes", BuildHook),
        (".husky/pre-commit", BuildHook),
        (".envrc", BuildHook),
        ("AGENTS.md", Instructions),
        ("CLAUDE.md", Instructions),
        ("docs/.cursor/rules/x.mdc", Instructions),
        (".github/copilot-instructions.md", Ci),
        (".vscode/tasks.json", Instructions),
        (".devcontainer/devcontainer.json", Instructions),
        (".mcp.json", Instructions),
    ] {
        case(112, "a file that others obey", add(path), Refuse(kind));
    }
    out
}

/// Runs the cases of one attack.
fn attack(number: u16) {
    let mut seen = 0;
    for case in cases().into_iter().filter(|case| case.number == number) {
        seen += 1;
        let shown: String = case.diff.chars().take(160).collect();
        let told = format!("{number} {}: {shown:?}", case.name);
        match (pass(&case.diff), case.must) {
            (Err(refusal), Refuse(kind)) => {
                assert_eq!(refusal.kind, kind, "{told}: {refusal}");
                // The reason is one line that a terminal may print.
                assert!(refusal.reason.chars().all(|c| !c.is_control()), "{told}: {refusal:?}");
                assert!(refusal.reason.len() < 2_000, "{told}");
            }
            (Ok(_), Flag(words)) => {
                let found = flags(&parse(&case.diff).unwrap()).join("; ");
                assert!(found.contains(words), "{told}: {found:?}");
            }
            (Err(refusal), Flag(_)) => panic!("{told}: refused: {refusal}"),
            (Ok(_), Refuse(kind)) => panic!("{told}: let through, and not {kind:?}"),
        }
    }
    assert!(seen > 0, "no case of attack {number}");
}

macro_rules! attacks {
    ($($name:ident = $number:literal,)*) => {
        $(#[test] fn $name() { attack($number); })*
        /// The attacks that have a test here.
        pub(crate) const NUMBERS: &[u16] = &[$($number),*];
    };
}

attacks! {
    attack_101_paths_that_lead_out = 101,
    attack_102_the_folder_of_git = 102,
    attack_103_links = 103,
    attack_104_submodules = 104,
    attack_105_modes = 105,
    attack_106_renames_and_copies_from_outside = 106,
    attack_107_binary_content = 107,
    attack_108_sizes = 108,
    attack_109_hunks_that_lie = 109,
    attack_110_clashes = 110,
    attack_111_what_reads_otherwise_than_it_runs = 111,
    attack_112_files_that_others_obey = 112,
}

#[test]
fn a_policy_opens_and_shuts() {
    let policy = "policy:\n  allow: [dependencies]\n  protect: [pkg/b.py]\n  limits: {lines: 10}\n";
    let mut known = base();
    known.policy = crate::gate::Policy::read(policy).unwrap();
    let run = |diff: &str| {
        let patches = parse_within(diff, known.policy.limits)?;
        check(&patches, &known, read)
    };
    let admitted =
        run("--- a/requirements.txt\n+++ b/requirements.txt\n@@ -1 +1 @@\n-x==1\n+x==2\n").unwrap();
    assert!(admitted.notes.join(" ").contains("requirements.txt changes dependencies"));
    assert!(admitted.aside.is_empty());
    let refusal = run(&line("y = 1")).unwrap_err();
    assert_eq!((refusal.kind, refusal.tampering()), (Refused::Protected, false));
    assert!(refusal.reason.contains("`pkg/b.py`"), "{refusal}");
    assert_eq!(run(&"+\n".repeat(11)).unwrap_err().kind, TooLarge);
    // Lock files stay shut whatever a policy says.
    assert_eq!(run(&add("poetry.lock")).unwrap_err().kind, Lock);
    assert!(BASE.iter().any(|(path, _)| *path == "requirements.txt"));
    assert!(Limits::most().lines > Limits::default().lines);
}
