//! Candidates that run beside each other: none can make another fail, and none learns of another.

use std::time::Duration;

use super::honest::{fix, fixed_cart};
use super::{CART, PYTEST, Shop, UNITTEST, shop};
use crate::types::VerdictStatus;
use crate::world::git::FileEdit;
use crate::world::tests::batch::Tried;
use crate::world::tests::jobs::Start;
use crate::world::tests::{BatchRequest, Wanted};

/// Ways to spoil what others find, each at the top of the shop's code. The names say what is left behind.
const HOSTILE: &[(&str, &str)] = &[
    ("a file in the tree", "open('/repo/shop/__init__.py', 'a').write('1 / 0\\n')"),
    ("a new file in the tree", "open('/repo/json.py', 'a').write('1 / 0\\n')"),
    ("a folder that nobody can enter", "os.chmod('/repo/tests', 0)"),
    ("a folder", "os.mkdir('/repo/out')"),
    ("a file of temporary ones", "open('/tmp/left', 'w').close()"),
    ("a file in the home", "open(os.path.expanduser('~/.left'), 'w').close()"),
    ("a file in shared memory", "open('/dev/shm/left', 'w').close()"),
    ("lower limits", "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (5, 5))"),
    (
        "compiled code",
        "[open(os.path.join(at, name), 'ab').write(b'x') for at, _, names in os.walk('/tmp/prunella-compiled') for name in names] or 1 / 0",
    ),
    (
        "a process that spoils it later",
        "os.fork() or (os.setsid(), os.fork() and os._exit(0), [open('/repo/shop/__init__.py', 'w').write('1 / 0\\n') for _ in range(10**9)])",
    ),
];

fn edit(text: &str) -> Vec<FileEdit> {
    vec![("shop/cart.py".to_owned(), Some(text.as_bytes().to_vec()))]
}

fn tried(shop: &Shop, candidates: Vec<Vec<FileEdit>>) -> Vec<Tried> {
    let request = BatchRequest {
        commit: shop.commit.clone(),
        command: None,
        reproduction: shop.reproduction.clone(),
        candidates,
        per_candidate_limit: Duration::from_secs(20),
    };
    shop.tester.try_all(&request).unwrap()
}

#[test]
fn honest_candidates_share_a_sandbox_and_are_surely_told() {
    for command in [PYTEST, UNITTEST] {
        let shop = shop(command);
        let all =
            [fixed_cart(), CART.to_owned(), CART.replace("order[", "other["), "def total(:\n".to_owned()];
        let tried = tried(&shop, all.iter().map(|text| edit(text)).collect());
        let words: Vec<(bool, bool)> = tried.iter().map(|one| (one.outcome.passed, one.sure)).collect();
        assert_eq!(words, [(true, true), (false, true), (false, true), (false, true)], "{command:?}");
    }
}

#[test]
fn whoever_runs_after_a_hostile_one_is_not_taken_at_its_word() {
    // Each under one runner: the ground is the same.
    let shops = [PYTEST, UNITTEST].map(shop);
    for ((what, code), shop) in HOSTILE.iter().zip(shops.iter().cycle()) {
        let hostile = edit(&format!("import os, resource\n{code}\n{CART}"));
        // However many starts they are spread over, an honest one follows a hostile one in each.
        let all = [&hostile, &edit(&fixed_cart())].into_iter().cycle().take(8).cloned().collect();
        for (i, one) in tried(shop, all).iter().enumerate().skip(1).step_by(2) {
            let honest = one.outcome.passed && one.outcome.problem.is_empty();
            assert!(honest || !one.sure, "{what}, {i}: {:?}", one.outcome);
            // A process may be ended before it did anything, and limits of others may be out of reach.
            let vain = what.starts_with("a process") || what.starts_with("lower");
            assert!(!one.sure || vain, "{what}, {i}: not noticed");
        }
    }
}

#[test]
fn a_hostile_candidate_takes_no_honest_one_with_it() {
    let shop = shop(PYTEST);
    // Nothing here that the gate would see.
    let hostile =
        format!("from pathlib import Path\nPath('/repo/shop/__init__.py').write_text('1 / 0')\n{CART}");
    let hostile = shop.diff(&[("shop/cart.py", Some(&hostile))]);
    let useless = |n: usize| {
        let text = CART.replace("TAXES = {", &format!("N = {n}\nTAXES = {{"));
        shop.diff(&[("shop/cart.py", Some(&text))])
    };
    let diffs = [hostile.clone(), useless(1), fix(&shop), hostile, useless(2), useless(3)];
    let diffs: Vec<&str> = diffs.iter().map(String::as_str).collect();
    let named = Wanted { fail_to_pass: vec![shop.reproduction.test_id.clone()], ..Wanted::default() };
    let judged = shop.tester.judge_many(&shop.commit, None, &diffs, &named).unwrap();
    let words: Vec<VerdictStatus> = judged.iter().map(|one| one.verdict.status).collect();
    assert_eq!(words[2], VerdictStatus::Fixed, "{:#?}", judged[2]);
    for i in [0, 1, 3, 4, 5] {
        assert_eq!(words[i], VerdictStatus::NotFixed, "{i}: {:#?}", judged[i]);
    }
    // What is known is not run again, and the sieve is not asked.
    let again = shop.tester.judge_many(&shop.commit, None, &diffs, &named).unwrap();
    assert!(again.iter().all(|one| one.remembered), "{again:#?}");
}

/// Looks through everything that its process has for what the step after it is given.
const SPY: &str = r#"import glob, os


def spied():
    # Never whole in this process unless it came from elsewhere.
    head, rest = b"the step ", b"eno siht retfa"
    found = [path for path in glob.glob("/prunella/*") if not path.endswith(".py")]
    found += os.read(0, 1000).splitlines()
    for fd in os.listdir("/proc/self/fd"):
        path = os.readlink("/proc/self/fd/" + fd) if os.path.lexists("/proc/self/fd/" + fd) else ""
        if "memfd" in path:
            found.append(path)
    try:
        found += os.listdir("/proc/%d/fd" % os.getppid())
    except OSError:
        pass
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            place, modes = line.split()[:2]
            if not modes.startswith("rw"):
                continue
            start, end = (int(at, 16) for at in place.split("-"))
            try:
                memory.seek(start)
                held = memory.read(end - start)
                at = held.find(head)
                while at >= 0:
                    if held[at + 9:at + 23][::-1] == rest:
                        found.append("memory " + line.strip())
                    at = held.find(head, at + 1)
            except (OSError, ValueError):
                pass
    return found
"#;

#[test]
fn nothing_of_the_plan_can_be_read_by_a_candidate() {
    for command in [PYTEST, UNITTEST] {
        let shop = shop(command);
        let base = shop.tester.prepare(&shop.commit, None).unwrap();
        let step = |cart: &str| {
            let mut step =
                base.one_file("tests/test_cart.py", Some(vec![shop.reproduction.test_id.clone()]), 60.0);
            step.files = vec![("shop/cart.py".to_owned(), cart.into())];
            step
        };
        let spy = CART.replace("    amount = ", "    raise LookupError(spied())\n    amount = ");
        let steps = vec![
            step(&format!("{SPY}\n\n{spy}")),
            step(&format!("# the step {}after this one\n{CART}", "")),
            step(&fixed_cart()),
        ];
        let ran = shop
            .tester
            .launcher
            .run(Start {
                tree: &base.tree,
                settings: &base.settings,
                edits: Vec::new(),
                protect: Vec::new(),
                steps,
                seed: 0,
                warm: None,
            })
            .unwrap();
        assert_eq!(ran.incomplete(), None);
        let failure = ran.steps.step(0).failure(&shop.reproduction.test_id).cloned().unwrap();
        assert_eq!(
            (failure.exception.as_str(), failure.message.as_str()),
            ("LookupError", "[]"),
            "{command:?}"
        );
        assert!(ran.steps.step(2).failure(&shop.reproduction.test_id).is_none());
    }
}
