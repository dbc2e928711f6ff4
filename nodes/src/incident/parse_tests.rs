use super::*;

fn only(log: &str) -> Trace {
    let parsed = parse(log);
    assert_eq!(parsed.traces.len(), 1, "{parsed:#?}");
    parsed.traces.into_iter().next().unwrap()
}

fn functions(trace: &Trace) -> Vec<&str> {
    trace.frames.iter().map(|frame| frame.function.as_str()).collect()
}

const PLAIN: &str = r#"2024-05-01T10:00:00.000Z	b88b2f70-7893-9771-0116-320dae2c732a	ERROR	Unhandled exception in job shop
Traceback (most recent call last):
  File "/srv/app/main.py", line 9, in <module>
    print(shop.total(["a", "b"]))
          ^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/app/shop/cart.py", line 22, in total
    return prices[item] + tax
           ~~~~~~^^^^^^
KeyError: 'b'
"#;

fn check_plain(trace: &Trace) {
    assert_eq!((trace.exception.as_str(), trace.message.as_str()), ("KeyError", "'b'"));
    assert_eq!(functions(trace), ["<module>", "total"]);
    let last = &trace.frames[1];
    assert_eq!((last.file.as_str(), last.line), ("/srv/app/shop/cart.py", 22));
    assert_eq!(last.code, "return prices[item] + tax");
}

#[test]
fn plain_with_marks_and_time() {
    let trace = only(PLAIN);
    check_plain(&trace);
    assert_eq!((trace.frames[1].mark_start, trace.frames[1].mark_end), (Some(7), Some(19)));
    assert_eq!(trace.stamp, "2024-05-01T10:00:00.000Z");
    assert!(trace.excerpt.starts_with("2024-05-01") && trace.excerpt.ends_with("KeyError: 'b'\n"));
}

#[test]
fn carriage_returns_colours_and_no_break_spaces() {
    check_plain(&only(&PLAIN.replace('\n', "\r\n")));
    check_plain(&only(&PLAIN.replace('\n', "\r")));
    check_plain(&only(&PLAIN.replace("  ", "\u{a0}\u{a0}")));
    check_plain(&only(&PLAIN.replace("File", "\u{1b}[35mFile").replace("line", "line\u{1b}[0m")));
}

#[test]
fn every_line_with_a_prefix() {
    for prefix in [
        "2024-05-01T10:00:00.123456789Z stderr F ",
        "web_1  | ",
        "[pod/web-5d9/app] ",
        "May  1 10:00:00 host shop[312]: ",
        "        ",
    ] {
        let log: String = PLAIN.lines().map(|line| format!("{prefix}{line}\n")).collect();
        check_plain(&only(&log));
    }
}

#[test]
fn prefixes_with_a_time_that_moves_and_lines_of_others_between() {
    let mut log = String::new();
    for (i, line) in PLAIN.lines().skip(1).enumerate() {
        log.push_str(&format!("web_1 | 10:00:0{i}.{} {line}\nweb_2 | 10:00:0{i}.5 GET /health 200\n", i * 7));
    }
    let trace = only(&log);
    check_plain(&trace);
    assert_eq!(trace.message, "'b'");
}

#[test]
fn lambda_announces_the_exception_first() {
    let log = "START RequestId: 6549cc7d-2938 Version: 1\n[ERROR] KeyError: 'order_items'\nTraceback (most recent call last):\n\u{a0}\u{a0}File \"/var/task/app.py\", line 5, in handler\n\u{a0}\u{a0}\u{a0}\u{a0}return event['order_items']\nEND RequestId: 6549cc7d-2938\n";
    let trace = only(log);
    assert_eq!((trace.exception.as_str(), trace.message.as_str()), ("KeyError", "'order_items'"));
    assert_eq!(trace.frames[0].code, "return event['order_items']");
    let stamped =
        log.replace("[ERROR] ", "[ERROR]\t2024-05-01T10:00:00.000Z\t6549cc7d-2938-2246-d914-9f382d1a5021\t");
    assert_eq!(only(&stamped).exception, "KeyError");
    let prefixed: String = log.lines().map(|line| format!("2024-05-01T10:00:00 {line}\n")).collect();
    assert_eq!(only(&prefixed).message, "'order_items'");
}

#[test]
fn escaped_newlines_on_one_line() {
    let line = r#"2024-05-01T10:00:00.000Z [ERROR] KeyError: 'order_items'\nTraceback (most recent call last):\n  File \"/var/task/app.py\", line 5, in handler\n    return f(\"a\\n\", event['order_items'])\n"#;
    let trace = only(line);
    assert_eq!(trace.exception, "KeyError");
    assert_eq!(trace.frames[0].code, r#"return f("a\n", event['order_items'])"#);
    assert_eq!(trace.stamp, "2024-05-01T10:00:00.000Z");
    let line = r#"[ERROR] KeyError: 'order_items' Traceback (most recent call last):\n  File "/var/task/app.py", line 5, in handler\n    return event['order_items']"#;
    assert_eq!(only(line).message, "'order_items'");
    let pair = r#"level=error exc="Traceback (most recent call last):\n  File \"/srv/a.py\", line 5, in f\n    g(\"x\")\nKeyError: \"b\"" id=7"#;
    let trace = only(pair);
    assert_eq!((trace.frames[0].code.as_str(), trace.message.as_str()), (r#"g("x")"#, r#""b""#));
}

#[test]
fn newlines_that_became_spaces() {
    let line = r#"[ERROR] KeyError: 'order_items' Traceback (most recent call last):   File "/var/task/app.py", line 5, in handler     return get(event)   File "/var/task/shop/db.py", line 7, in get     return event['order_items']"#;
    let trace = only(line);
    assert_eq!(functions(&trace), ["handler", "get"]);
    assert_eq!(trace.frames[1].code, "return event['order_items']");
    assert_eq!(trace.exception, "KeyError");
}

#[test]
fn json_records() {
    let text = PLAIN.split_once('\n').unwrap().1;
    let line = serde_json::json!({"timestamp": "2024-05-01T10:00:00Z", "level": "error", "error": {"exc_info": text}});
    let trace = only(&format!("info\n{line}\ninfo\n"));
    check_plain(&trace);
    assert_eq!(trace.stamp, "2024-05-01T10:00:00Z");
    let lambda = serde_json::json!({"errorMessage": "'b'", "errorType": "KeyError", "stackTrace": ["  File \"/srv/app/main.py\", line 9, in <module>\n    print(total())\n", "  File \"/srv/app/shop/cart.py\", line 22, in total\n    return prices[item] + tax\n"]});
    check_plain(&only(&lambda.to_string()));
    let docker: String = text
        .lines()
        .map(|line| {
            serde_json::json!({"log": format!("{line}\n"), "stream": "stderr", "time": "t"}).to_string()
                + "\n"
        })
        .collect();
    assert!(docker.starts_with("{\"log\":"));
    check_plain(&only(&docker));
}

#[test]
fn chains_end_in_what_surfaced() {
    let log = "Traceback (most recent call last):\n  File \"/a/x.py\", line 1, in f\n    g()\nKeyError: 'a'\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File \"/a/x.py\", line 3, in f\n    h()\nValueError: b\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/a/main.py\", line 3, in main\n    f()\nshop.errors.Broken: c\n";
    for prefix in ["", "app | "] {
        let log: String =
            log.lines().map(|line| format!("{prefix}{line}").trim_end().to_owned() + "\n").collect();
        let trace = only(&log);
        assert_eq!(trace.exception, "shop.errors.Broken");
        let causes: Vec<_> = trace.causes.iter().map(|c| c.exception.as_str()).collect();
        assert_eq!(causes, ["KeyError", "ValueError"]);
        assert_eq!(functions(&trace), ["main"]);
        assert!(trace.excerpt.contains("KeyError"));
    }
}

#[test]
fn groups_name_their_members() {
    let log = r#"  + Exception Group Traceback (most recent call last):
  |   File "/a/x.py", line 9, in main
  |     raise ExceptionGroup("two", errors)
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/a/x.py", line 3, in one
    |     int("x")
    | ValueError: invalid literal
    +---------------- 2 ----------------
    | TypeError: no
    +------------------------------------
done
"#;
    let trace = only(log);
    assert_eq!(
        (trace.exception.as_str(), trace.message.as_str()),
        ("ExceptionGroup", "two (2 sub-exceptions)")
    );
    assert_eq!(functions(&trace), ["main"]);
    let causes: Vec<_> = trace.causes.iter().map(|c| c.exception.as_str()).collect();
    assert_eq!(causes, ["ValueError", "TypeError"]);
}

#[test]
fn repeated_lines_frames_without_code_and_long_messages() {
    let log = "Traceback (most recent call last):\n  File \"/a/x.py\", line 1, in f\n    return f()\n  [Previous line repeated 980 more times]\n  File \"<string>\", line 2, in g\n  File \"/a/y.py\", line 2, in h\nshop.Bad: 2 errors\nname\n  field required\n\n2024-05-01 10:00:00 INFO next\n";
    let trace = only(log);
    assert_eq!(functions(&trace), ["f", "g", "h"]);
    assert_eq!(trace.frames[1].code, "");
    assert_eq!(trace.message, "2 errors\nname\n  field required");
    let log = log.replace("name\n  field required\n\n", "");
    assert_eq!(only(&log).message, "2 errors");
}

#[test]
fn calls_over_several_lines_keep_their_first() {
    let log = "Traceback (most recent call last):\n  File \"/a/x.py\", line 1, in f\n    g(\n    ~^\n        1,\n        ^^\n    )\n    ^\n  File \"/a/x.py\", line 9, in g\n    1 / 0\n    ~~^~~\nZeroDivisionError: division by zero\n";
    let trace = only(log);
    assert_eq!(functions(&trace), ["f", "g"]);
    assert_eq!((trace.frames[0].code.as_str(), trace.frames[0].mark_end), ("g(", Some(2)));
}

#[test]
fn syntax_errors_with_and_without_a_header() {
    let bare = "  File \"/a/x.py\", line 3\n    foo(\n       ^\nSyntaxError: '(' was never closed\n";
    let trace = only(bare);
    assert_eq!((trace.exception.as_str(), trace.frames[0].line), ("SyntaxError", 3));
    assert_eq!((trace.frames[0].mark_start, trace.frames[0].mark_end), (Some(3), Some(4)));
    let whole = format!(
        "Traceback (most recent call last):\n  File \"/a/m.py\", line 1, in <module>\n    import x\n{bare}"
    );
    assert_eq!(functions(&only(&whole)), ["<module>", ""]);
}

#[test]
fn what_breaks_off_is_counted_and_the_rest_is_read() {
    let torn = "Traceback (most recent call last):\n  File \"/a/x.py\", line 3, in f\n    g(";
    assert_eq!(parse(torn), Parsed { traces: Vec::new(), broken_off: 1 });
    let parsed = parse(&format!("{torn}\n{PLAIN}"));
    assert_eq!((parsed.traces.len(), parsed.broken_off), (1, 1));
    check_plain(&parsed.traces[0]);
    assert_eq!(parse("nothing broke\n"), Parsed::default());
}

#[test]
fn a_deep_stack_keeps_its_ends() {
    let mut log = String::from("Traceback (most recent call last):\n");
    for i in 0..1000 {
        log.push_str(&format!("  File \"/a/x.py\", line {i}, in f{i}\n    f()\n"));
    }
    log.push_str("RecursionError: maximum recursion depth exceeded\n");
    let trace = only(&log);
    assert_eq!(trace.frames.len(), MOST_FRAMES);
    assert_eq!((trace.frames[0].line, trace.frames[MOST_FRAMES - 1].line), (0, 999));
    assert!(trace.excerpt.len() <= LONGEST_EXCERPT + 100);
}

#[test]
fn a_very_long_line_costs_no_more_than_its_length() {
    let log = format!(
        "{PLAIN}{}\n{}",
        "'".repeat(1 << 20),
        PLAIN.replace("KeyError: 'b'", &format!("KeyError: {}", "'x".repeat(1 << 20)))
    );
    let parsed = parse(&log);
    assert_eq!(parsed.traces.len(), 2);
    assert!(parsed.traces[1].message.len() <= LONGEST_MESSAGE);
}

mod never_panics {
    use proptest::prelude::*;

    use super::super::*;

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("Traceback (most recent call last):".to_owned()),
            Just("  File \"/a/é.py\", line 3, in f".to_owned()),
            Just("    f(é)\n    ~~^^^".to_owned()),
            Just("KeyError: 'a'".to_owned()),
            Just("  | ".to_owned()),
            Just("  +-+--- 1 ---".to_owned()),
            Just("[ERROR] ".to_owned()),
            Just("\\n".to_owned()),
            Just("\n".to_owned()),
            Just("\u{1b}[".to_owned()),
            Just("\u{a0}\u{2003}".to_owned()),
            Just("{\"log\":\"".to_owned()),
            Just("During handling of the above exception, another exception occurred:".to_owned()),
            Just("2024-05-01T10:00:00.000Z ".to_owned()),
            "\\PC{0,12}",
        ]
    }

    proptest! {
        #[test]
        fn on_pieces_in_any_order(pieces in proptest::collection::vec(piece(), 0..40)) {
            let log = pieces.concat();
            for trace in parse(&log).traces {
                prop_assert!(!trace.exception.is_empty());
                prop_assert!(crate::incident::template(&trace.message).len() < 20_000);
            }
        }

        #[test]
        fn on_any_text(text in any::<String>()) {
            prop_assert_eq!(parse(&text), parse(&text));
            prop_assert!(crate::incident::template(&text).len() < 20_000);
        }
    }
}
