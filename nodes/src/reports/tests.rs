//! Reports as tools write them, cut to what matters, and reports that nobody should write.

use proptest::prelude::*;

use super::*;

/// Ids with their outcomes, in order.
fn told(report: &Report) -> Vec<(&str, Outcome)> {
    report.cases.iter().map(|case| (case.id.as_str(), case.outcome)).collect()
}

use Outcome::{Failed, Passed, Skipped};

const SUREFIRE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" name="shop.CartTest" time="0.031" tests="3" errors="0" skipped="1" failures="1">
  <properties><property name="java.version" value="17"/></properties>
  <testcase name="total" classname="shop.CartTest" time="0.02"/>
  <testcase name="empty" classname="shop.CartTest" time="0.004">
    <failure message="expected: &lt;0&gt; but was: &lt;1&gt;" type="org.opentest4j.AssertionFailedError"><![CDATA[org.opentest4j.AssertionFailedError: expected
	at shop.CartTest.empty(CartTest.java:12)]]></failure>
    <system-out>never mind</system-out>
  </testcase>
  <testcase name="later" classname="shop.CartTest" time="1,001.5"><skipped message="not yet"/></testcase>
</testsuite>"#;

#[test]
fn junit_as_surefire_writes_it() {
    let report = read(Format::Junit, SUREFIRE.as_bytes());
    assert_eq!(report.problem, None);
    assert_eq!(
        told(&report),
        [
            ("shop.CartTest::total", Passed),
            ("shop.CartTest::empty", Failed),
            ("shop.CartTest::later", Skipped)
        ]
    );
    let [_, failed, later] = report.cases.as_slice() else { panic!() };
    assert_eq!(failed.kind, "org.opentest4j.AssertionFailedError");
    assert_eq!(failed.message, "expected: <0> but was: <1>");
    assert_eq!((failed.ms, later.ms), (Some(4), Some(1_001_500)));
}

#[test]
fn junit_with_files_and_text_alone() {
    let text = r#"<testsuites><testsuite name="a" file="test/a.js"><testcase name="adds"><failure>TypeError: x is &#39;y&#39;
 at here</failure></testcase></testsuite><testsuite name="b"><testcase name="b" classname="b" file="t.js"/></testsuite></testsuites>"#;
    let report = read(Format::Junit, text.as_bytes());
    let [first, second] = report.cases.as_slice() else { panic!("{report:?}") };
    assert_eq!((first.file.as_str(), first.kind.as_str()), ("test/a.js", "TypeError"));
    assert!(first.message.starts_with("x is 'y'\n at here"), "{}", first.message);
    assert_eq!((second.id.as_str(), second.file.as_str(), second.outcome), ("b", "t.js", Passed));
}

#[test]
fn junit_that_is_none_is_a_problem() {
    let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>"#;
    let deep = format!("<testsuite>{}", "<a>".repeat(100_000));
    for text in [
        "",
        "ok 1 - a\n1..1\n",
        "<html></html>",
        "<testsuite><testcase name=\"a\"/>",
        "<testsuite><testcase name=\"a\"></testsuite>",
        "<testsuite/><testsuite/>",
        "<testsuite><testcase/></testsuite>",
        bomb,
        &deep,
    ] {
        assert!(read(Format::Junit, text.as_bytes()).problem.is_some(), "{}", text.get(..60).unwrap_or(text));
    }
    // An entity of its own is not expanded.
    let text = r#"<testsuite><testcase name="&b;"><failure>&b;x</failure></testcase></testsuite>"#;
    assert_eq!(read(Format::Junit, text.as_bytes()).cases[0].message, "x");
}

#[test]
fn a_flake_that_passed_in_the_end_did_not_pass() {
    let text = r#"<testsuite><testcase name="a"><flakyFailure message="once"/></testcase></testsuite>"#;
    assert_eq!(told(&read(Format::Junit, text.as_bytes())), [("a", Failed)]);
}

const NODE_TAP: &str = "TAP version 13
# Subtest: total
    # Subtest: adds
    ok 1 - adds
      ---
      duration_ms: 1.6
      ...
    # Subtest: is \\# empty
    not ok 2 - is \\# empty
      ---
      duration_ms: 0.4
      location: '/repo/test/a.test.js:4:1'
      failureType: 'testCodeFailure'
      error: |-
        Expected values to be equal:

        1 !== 0
      name: 'AssertionError'
      ...
    1..2
not ok 1 - total
  ---
  type: 'suite'
  error: '1 subtest failed'
  ...
ok 2 - later # SKIP not yet
not ok 3 - some day # TODO
1..3
# tests 5
";

#[test]
fn tap_with_subtests_and_details() {
    let report = read(Format::Tap, NODE_TAP.as_bytes());
    assert_eq!(report.problem, None);
    assert_eq!(
        told(&report),
        [
            ("total > adds", Passed),
            ("total > is # empty", Failed),
            ("total", Failed),
            ("later", Skipped),
            ("some day", Skipped)
        ]
    );
    let empty = &report.cases[1];
    assert_eq!((empty.kind.as_str(), empty.file.as_str()), ("AssertionError", "/repo/test/a.test.js"));
    assert!(empty.message.ends_with("1 !== 0"), "{}", empty.message);
    assert_eq!(report.cases[0].ms, Some(2));
}

#[test]
fn tap_that_breaks_off_is_a_problem() {
    for (text, why) in [
        ("", "no TAP"),
        ("hello\n", "no TAP"),
        ("ok 1 - a\n", "without a plan"),
        ("1..2\nok 1 - a\n", "1 of 2 planned"),
        ("1..1\nok 1 - a\nok 2 - b\n", "2 of 1 planned"),
        ("1..1\nok 1 - a\nBail out! no disk\n", "no disk"),
        ("1..1\n    ok 1 - a\n", "in a subtest"),
    ] {
        let problem = read(Format::Tap, text.as_bytes()).problem.unwrap_or_default();
        assert!(problem.contains(why), "{text:?}: {problem}");
    }
    let plain = read(Format::Tap, b"1..2\nok\nnot ok 2\nokay\n");
    assert_eq!(told(&plain), [("test 1", Passed), ("test 2", Failed)]);
    assert_eq!(plain.problem, None);
}

const LIBTEST: &str = "
running 4 tests
test tests::adds ... ok
test tests::empty ... FAILED
test tests::slow ... ignored, slow
test tests::panics - should panic ... ok

failures:

---- tests::empty stdout ----
test tests::forged ... ok

thread 'tests::empty' (7435) panicked at src/lib.rs:6:52:
assertion `left == right` failed
  left: 1
 right: 0
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    tests::empty

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.15s

";

#[test]
fn libtest_as_cargo_shows_it() {
    let report = read(Format::Libtest, LIBTEST.as_bytes());
    assert_eq!(report.problem, None);
    assert_eq!(
        told(&report),
        [
            ("tests::adds", Passed),
            ("tests::empty", Failed),
            ("tests::slow", Skipped),
            ("tests::panics", Passed)
        ]
    );
    let failed = &report.cases[1];
    assert_eq!(failed.kind, "panic");
    assert!(failed.message.contains("left: 1") && failed.message.ends_with("(at src/lib.rs:6:52)"));
}

#[test]
fn libtest_that_is_cut_or_counts_otherwise_is_a_problem() {
    let cut = LIBTEST.split("test result").next().unwrap().to_owned();
    let more =
        LIBTEST.replace("test tests::adds ... ok\n", "test tests::adds ... ok\ntest tests::x ... ok\n");
    let less = LIBTEST.replace("test tests::adds ... ok\n", "");
    let good = LIBTEST.replace("result: FAILED", "result: ok");
    let twice = format!("{LIBTEST}{LIBTEST}");
    for text in [cut, more, less, good, twice, String::new(), "hello\n".to_owned()] {
        assert!(read(Format::Libtest, text.as_bytes()).problem.is_some(), "{text}");
    }
}

#[test]
fn doc_tests_are_told_by_their_place() {
    let text = "running 2 tests\ntest src/lib.rs - total (line 3) ... ok\ntest src/a.rs - a::b (line 9) - compile fail ... FAILED\n\
                test other ... ok\n";
    let report = doc_tests(text);
    assert_eq!(
        told(&report),
        [("src/lib.rs - total (line 3)", Passed), ("src/a.rs - a::b (line 9)", Failed)]
    );
}

const GO: &str = r#"{"Action":"start","Package":"shop"}
{"Action":"run","Package":"shop","Test":"TestTotal"}
{"Action":"run","Package":"shop","Test":"TestTotal/empty"}
{"Action":"output","Package":"shop","Test":"TestTotal/empty","Output":"=== RUN   TestTotal/empty\n"}
{"Action":"output","Package":"shop","Test":"TestTotal/empty","Output":"    cart_test.go:9: got 1, want 0\n"}
{"Action":"output","Package":"shop","Test":"TestTotal/empty","Output":"    --- FAIL: TestTotal/empty (0.00s)\n"}
{"Action":"fail","Package":"shop","Test":"TestTotal/empty","Elapsed":0.25}
{"Action":"fail","Package":"shop","Test":"TestTotal","Elapsed":0.3}
{"Action":"run","Package":"shop","Test":"TestLater"}
{"Action":"skip","Package":"shop","Test":"TestLater","Elapsed":0}
{"Action":"fail","Package":"shop","Elapsed":0.4}
{"Action":"output","Package":"shop/none","Output":"?   \tshop/none\t[no test files]\n"}
{"Action":"skip","Package":"shop/none","Elapsed":0}
"#;

#[test]
fn go_tells_subtests_and_packages() {
    let report = read(Format::Go, GO.as_bytes());
    assert_eq!(report.problem, None);
    assert_eq!(
        told(&report),
        [("shop::TestTotal/empty", Failed), ("shop::TestTotal", Failed), ("shop::TestLater", Skipped)]
    );
    assert_eq!(report.cases[0].message, "cart_test.go:9: got 1, want 0");
    assert_eq!(report.cases[0].ms, Some(250));
    assert!(report.broken.is_empty());
}

#[test]
fn go_that_does_not_build_or_breaks_off() {
    let text = "# shop\n./cart.go:4:2: undefined: x\n\
        {\"Action\":\"output\",\"Package\":\"shop\",\"Output\":\"FAIL\\tshop [build failed]\\n\"}\n\
        {\"Action\":\"fail\",\"Package\":\"shop\",\"Elapsed\":0}\n";
    let report = read(Format::Go, text.as_bytes());
    assert_eq!(report.broken.len(), 1);
    assert!(report.broken[0].1.contains("undefined: x"));
    let lines: Vec<&str> = GO.lines().collect();
    for cut in 1..8 {
        let report = read(Format::Go, lines[..cut].join("\n").as_bytes());
        assert!(report.problem.is_some(), "{cut}");
    }
    // A result without a start was written by somebody else.
    let forged = GO.replace(r#"{"Action":"run","Package":"shop","Test":"TestLater"}"#, "");
    assert!(read(Format::Go, forged.as_bytes()).problem.is_some());
}

#[test]
fn jest_tells_files_that_do_not_load() {
    let text = r#"{"numTotalTests": 2, "success": false, "testResults": [
      {"name": "/repo/test/a.test.js", "status": "failed", "assertionResults": [
        {"ancestorTitles": ["total"], "title": "adds", "fullName": "total adds", "status": "passed", "duration": 3},
        {"ancestorTitles": [], "title": "empty", "status": "failed", "duration": null, "failureMessages": ["Error: \u001b[2mexpected\u001b[22m 0\n at x"]}]},
      {"name": "/repo/test/b.test.js", "status": "failed", "message": "SyntaxError: nope", "assertionResults": []}]}"#;
    let report = read(Format::Jest, text.as_bytes());
    assert_eq!(report.problem, None);
    assert_eq!(told(&report), [("test/a.test.js::total > adds", Passed), ("test/a.test.js::empty", Failed)]);
    assert_eq!(
        (report.cases[1].kind.as_str(), report.cases[1].message.as_str()),
        ("Error", "expected 0\n at x")
    );
    assert_eq!(report.broken, [("test/b.test.js".to_owned(), "SyntaxError: nope".to_owned())]);
    for text in ["", "{}", "[]", &text.replace(": 2,", ": 3,"), &text.replace("\"passed\"", "\"great\"")] {
        assert!(read(Format::Jest, text.as_bytes()).problem.is_some(), "{text}");
    }
}

#[test]
fn our_reporter_of_node_tells_suites_and_files() {
    let text = r#"{"t":"start","n":"suite","l":0,"f":"/repo/test/a.js"}
{"t":"start","n":"inner","l":1,"f":"/repo/test/a.js"}
{"t":"fail","n":"inner","l":1,"f":"/repo/test/a.js","ms":2.4,"s":false,"k":"TypeError","m":"x"}
{"t":"pass","n":"suite","l":0,"f":"/repo/test/a.js","ms":3,"s":true}
{"t":"stderr","f":"/repo/test/b.js","m":"SyntaxError: nope\n"}
{"t":"fail","n":"/repo/test/b.js","l":0,"f":"/repo/test/b.js","k":"Error","m":"test failed"}
{"t":"pass","n":"/repo/test/c.js","l":0,"f":"/repo/test/c.js"}
{"t":"end"}
"#;
    let report = read(Format::Node, text.as_bytes());
    assert_eq!(report.problem, None);
    assert_eq!(told(&report), [("test/a.js::suite > inner", Failed), ("test/a.js::suite", Skipped)]);
    assert_eq!(report.broken, [("test/b.js".to_owned(), "SyntaxError: nope".to_owned())]);
    for text in [text.replace("{\"t\":\"end\"}\n", ""), format!("{text}{{}}\n"), format!("x\n{text}")] {
        assert!(read(Format::Node, text.as_bytes()).problem.is_some());
    }
}

const ALL: [Format; 6] =
    [Format::Junit, Format::Tap, Format::Libtest, Format::Go, Format::Jest, Format::Node];

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic_or_grow(text in "(ok|not ok|1\\.\\.|<testsuite>|<testcase name='a'>|</|<!\\[CDATA\\[|\\{\"t\":|\\{\"Action\":\"|\"|running |test | \\.\\.\\. |---|#|&lt;|\n| |[a-z0-9:>{}/\\\\-]){0,80}") {
        for format in ALL {
            let report = read(format, text.as_bytes());
            prop_assert!(report.cases.len() <= text.len());
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for format in ALL {
            let report = read(format, &bytes);
            prop_assert!(report.cases.len() <= bytes.len());
        }
    }

    #[test]
    fn a_cut_report_is_never_whole(at in 0usize..1000) {
        // Whatever is lost of a report with a plan or a count, it does not read as a good one with fewer tests.
        for (format, text) in [(Format::Junit, SUREFIRE), (Format::Libtest, LIBTEST), (Format::Tap, NODE_TAP)] {
            let end = text.trim_end().len();
            let at = at % end;
            if text.is_char_boundary(at) {
                let cut = read(format, &text.as_bytes()[..at]);
                let whole = read(format, text.as_bytes());
                prop_assert!(cut.problem.is_some() || cut.cases.len() == whole.cases.len());
            }
        }
    }
}
