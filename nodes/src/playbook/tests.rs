//! The whole of [`propose`]: it is bounded, deterministic and never panics, whatever it is given.

use proptest::prelude::*;

use super::fixture::fixture;
use super::*;

const SOURCE: &str = "import re\n\n\nclass A(B):\n    def __init__(self, x=None, y=[]):\n        self.x = x\n\n    def go(self, key, *rest, **more):\n        \"\"\"Doc.\"\"\"\n        while True:\n            value = self.x[key] / len(rest)\n            if value and not rest or key in more:\n                return {k: v.strip() for k, v in more.items() if k}\n            try:\n                self.x.pop(key)\n            except (KeyError, ValueError) as e:\n                raise Bad(str(e)) from e\n\n\ndef f(a, b=1):\n    for i in range(len(a)):\n        if a[i] > b: a[i] -= 1\n    return max(a), [x for x in a], lambda q: q + b\n";

const EXCEPTIONS: [&str; 14] = [
    "AttributeError",
    "TypeError",
    "KeyError",
    "IndexError",
    "ValueError",
    "ZeroDivisionError",
    "NameError",
    "UnboundLocalError",
    "RuntimeError",
    "RecursionError",
    "StopIteration",
    "AssertionError",
    "ImportError",
    "Failed",
];

const MESSAGES: [&str; 14] = [
    "'NoneType' object has no attribute 'strip'",
    "unsupported operand type(s) for /: 'str' and 'int'",
    "'a'",
    "list index out of range",
    "max() arg is an empty sequence",
    "division by zero",
    "name 'lne' is not defined",
    "cannot access local variable 'i' where it is not associated with a value",
    "unhashable type: 'list'",
    "f() missing 1 required positional argument: 'b'",
    "f() got an unexpected keyword argument 'c'",
    "",
    "too many values to unpack (expected 2)",
    "'",
];

#[test]
fn the_same_input_gives_the_same_proposals() {
    let f = fixture(
        SOURCE,
        "TypeError",
        "unsupported operand type(s) for /: 'str' and 'int'",
        &["self.x[key] / len(rest)"],
    );
    let first = f.proposals();
    assert_eq!(first, f.proposals());
    assert!(!first.is_empty() && first.len() <= MOST);
    let mut trees: Vec<_> = first.iter().map(|p| p.edits.clone()).collect();
    trees.sort();
    trees.dedup();
    assert_eq!(trees.len(), first.len(), "two proposals are the same");
    assert!(first.windows(2).all(|p| p[0].score >= p[1].score));
    assert!(first.iter().all(|p| p.summary.starts_with("m.py:") && p.score > 0.0 && p.score <= 1.0));
}

#[test]
fn a_test_is_never_edited() {
    for p in fixture(
        "def f(x):\n    return x.a\n",
        "AttributeError",
        "'NoneType' object has no attribute 'a'",
        &["x.a"],
    )
    .proposals()
    {
        assert!(p.edits.iter().all(|(path, _)| path == "m.py"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn never_panics_on_any_trace(
        exception in prop::sample::select(EXCEPTIONS.to_vec()),
        message in prop_oneof![prop::sample::select(MESSAGES.to_vec()).prop_map(str::to_owned), ".{0,40}"],
        frames in prop::collection::vec((0_u64..30, 0_u64..60, 0_u64..60), 0..6),
        line in any::<u64>(),
    ) {
        let sources = Sources::from([("m.py".to_owned(), SOURCE.to_owned())]);
        let lines: Vec<&str> = SOURCE.lines().collect();
        let mut frames: Vec<Frame> = frames.into_iter().map(|(at, from, to)| Frame {
            path: Some("m.py".into()),
            repo_line: Some(at),
            code: usize::try_from(at).ok().and_then(|i| lines.get(i.wrapping_sub(1))).map_or("", |l| l.trim()).to_owned(),
            mark_start: Some(from),
            mark_end: Some(to),
            ..Frame::default()
        }).collect();
        frames.push(Frame { path: Some("gone.py".into()), line, ..Frame::default() });
        let failure = Failure { exception: exception.to_owned(), message, frames };
        for p in propose(&failure, &sources) {
            prop_assert!(p.edits.iter().all(|(_, c)| c.is_some()));
        }
    }

    #[test]
    fn never_panics_on_any_source(text in "[a-z =\\n\\t(){}\\[\\]:,.'\"#é+*-]{0,200}", line in 0_u64..12) {
        let sources = Sources::from([("m.py".to_owned(), text)]);
        let frame = Frame { path: Some("m.py".into()), repo_line: Some(line), ..Frame::default() };
        for exception in ["AttributeError", "KeyError", "AssertionError", "IndexError"] {
            let failure = Failure { exception: exception.into(), message: "'x'".into(), frames: vec![frame.clone()] };
            let _ = propose(&failure, &sources);
        }
    }
}
