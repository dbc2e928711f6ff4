//! Files that somebody made to hurt: each gets an answer, in bounded time and memory, that can be shown.

#[path = "graph_support/kinds.rs"]
mod kinds;

use prunella_engine::graph::{Diagnostic, fmt, load, schema, text};

/// What is found in `source`; each finding lies in the file and can be shown.
fn found(source: &str) -> Vec<Diagnostic> {
    let found = match load("hostile.yaml", source, &kinds::kinds()) {
        Ok((_, warnings)) => warnings,
        Err(found) => {
            assert!(!found.is_empty(), "a refusal has a reason");
            found
        }
    };
    assert!(found.len() <= 200);
    for one in &found {
        assert!(one.span.end <= source.len() && one.line > 0 && one.col > 0);
        // A line of a megabyte is not shown whole, and neither is a message.
        assert!(one.render(source).len() < 16 * 1024, "{}", one.code);
    }
    let _ = fmt("hostile.yaml", source);
    found
}

fn codes(source: &str) -> Vec<&'static str> {
    let mut codes: Vec<&str> = found(source).iter().map(|one| one.code).collect();
    codes.dedup();
    codes
}

fn node(keys: &str) -> String {
    format!(
        "format: 1\nname: g\nends: {{done: success}}\nstart: a\nnodes:\n  a:\n    kind: step\n{keys}    next: done\n"
    )
}

#[test]
fn nesting_is_bounded() {
    for source in [
        "[".repeat(500_000),
        "{a: ".repeat(200_000),
        "- ".repeat(500_000),
        format!("a: {}{}", "[".repeat(40), "]".repeat(40)),
        (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        node(&format!("    with: {{text: {}1{}}}\n", "[".repeat(40), "]".repeat(40))),
    ] {
        let codes = codes(&source);
        assert!(codes.contains(&"E003") || codes == ["E001"] || codes == ["E007"], "{codes:?}");
    }
}

#[test]
fn a_bomb_of_aliases_is_refused_at_its_first_anchor() {
    let mut bomb = String::from("a0: &a0 [x, x]\n");
    for i in 1..60 {
        bomb.push_str(&format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1));
    }
    assert_eq!(codes(&bomb), ["E002"]);
    assert_eq!(codes("a: &a\n  <<: *a\n"), ["E002"]);
}

#[test]
fn large_scalars_and_files_are_bounded() {
    assert_eq!(codes(&"#".repeat(1024 * 1024 + 1)), ["E003"]);
    assert_eq!(codes(&node(&format!("    with: {{text: {}}}\n", "x".repeat(70_000)))), ["E030"]);
    assert_eq!(codes(&node(&format!("    with: {{text: \"={}\"}}\n", "1+".repeat(400_000)))), ["E034"]);
    assert_eq!(codes(&node(&format!("    prompt: \"{}\"\n", "{{ evidence }}".repeat(60_000)))), ["E035"]);
    assert!(!codes(&format!("{}: 1\n", "k".repeat(900_000))).is_empty());
    assert!(!codes(&node(&format!("    {}: 1\n", "k".repeat(900_000)))).is_empty());
    assert!(!codes(&node(&format!("    with: {{{}: 1}}\n", "k".repeat(900_000)))).is_empty());
    // As many mistakes as a file holds are not as many findings.
    let many: String = (0..20_000).map(|i| format!("k{i}: 1\n")).collect();
    assert_eq!(found(&many).len(), 200);
}

#[test]
fn deep_expressions_templates_and_types_are_refused() {
    for cel in [
        format!("{}1{}", "(".repeat(1500), ")".repeat(1500)),
        format!("{}true", "!".repeat(3000)),
        format!("{}1{}", "[".repeat(1500), "]".repeat(1500)),
        format!("{}1", "true ? 1 : ".repeat(300)),
        "inputs".to_owned() + &".a".repeat(1900),
    ] {
        let codes = codes(&node(&format!("    only: \"{cel}\"\n")));
        assert!(
            codes.iter().all(|code| matches!(*code, "E034" | "E030" | "E025" | "E031" | "E023"))
                && !codes.is_empty(),
            "{codes:?}"
        );
    }
    for template in [
        format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000)),
        format!("{}x{}", "{% if attempt %}".repeat(5000), "{% endif %}".repeat(5000)),
        format!("{{{{ attempt{} }}}}", "|upper".repeat(20_000)),
        format!("{{{{ {}attempt }}}}", "not ".repeat(20_000)),
        format!("{{{{ evidence{} }}}}", ".a".repeat(20_000)),
        format!("{{{{ attempt{} }}}}", " + 1".repeat(20_000)),
    ] {
        let _ = found(&node(&format!("    prompt: \"{template}\"\n")));
    }
    let ty = format!("{}int{}", "list<".repeat(5000), ">".repeat(5000));
    assert_eq!(codes(&node(&format!("    interrupt: {{at: before, answer: \"{ty}\"}}\n"))), ["E011"]);
}

#[test]
fn odd_encodings_are_read_or_refused_by_name() {
    let good = node("");
    let utf16 = |big: bool| -> Vec<u8> {
        let mark = std::iter::once(0xfeffu16);
        let units = mark.chain(good.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let latin = [b"# Gr".as_slice(), &[0xfc], good.as_bytes()].concat();
    for (bytes, line) in
        [(utf16(true), 1), (utf16(false), 1), (latin, 1), (vec![0xc3], 1), (b"a\n\0".to_vec(), 2)]
    {
        let found = text("f.yaml", bytes).unwrap_err();
        assert_eq!((found.code, found.line), ("E062", line), "{}", found.render(""));
    }
    assert_eq!(codes("\0"), ["E062"]);
    // A byte order mark, Windows' line ends and a missing last one mean nothing.
    let hash = |source: &str| load("f", source, &kinds::kinds()).unwrap().0.hash;
    let plain = hash(&good);
    assert_eq!(hash(&format!("\u{feff}{good}")), plain);
    assert_eq!(hash(&good.replace('\n', "\r\n")), plain);
    assert_eq!(hash(good.trim_end()), plain);
    // A place behind a mark or a carriage return is where it looks to be.
    let wrong = good.replace("kind: step", "kind: stpe");
    for source in [format!("\u{feff}{wrong}"), wrong.replace('\n', "\r\n")] {
        let found = found(&source);
        assert_eq!((found[0].code, found[0].line, found[0].col), ("E020", 7, 11));
        assert!(found[0].render(&source).contains("    kind: stpe\n"));
    }
    assert_eq!(codes(&good.replace("    kind", "\tkind")), ["E001"]);
    assert!(codes(&good.replace("name: g", "name: \u{202e}g")).contains(&"E007"));
}

#[test]
fn many_graphs_types_and_files_are_bounded() {
    let types: String = (0..3000).map(|i| format!("  T{i}: {{next: T{}}}\n", i + 1)).collect();
    let _ = found(&format!(
        "format: 1\nname: g\ntypes:\n{types}  T3000: {{next: T0}}\nends: {{done: success}}\nstart: a\nnodes: {{a: {{kind: step, next: done}}}}\n"
    ));
    let wide: String = (0..200)
        .map(|i| {
            format!(
                "  a{i}: {{kind: step, next: [{}]}}\n",
                (0..200).map(|j| format!("a{j}")).collect::<Vec<_>>().join(", ")
            )
        })
        .collect();
    let _ = found(&format!("format: 1\nname: g\nends: {{done: success}}\nstart: a0\nnodes:\n{wide}"));
    let long: String = (0..8000).map(|i| format!("  a{i}: {{kind: step, next: a{}}}\n", i + 1)).collect();
    let _ = found(&format!("format: 1\nname: g\nends: {{a8000: success}}\nstart: a0\nnodes:\n{long}"));
    let _ = schema(&kinds::kinds());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]
    /// Bytes of any kind.
    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        match text("f", bytes) {
            Ok(source) => drop(found(&source)),
            Err(one) => drop(one.render("")),
        }
    }

    /// Keys and values of the language in any order.
    #[test]
    fn pieces_never_panic(source in r#"(format: 1\n|name: g\n|nodes:\n|  a:\n|    kind: (step|map|subgraph|need)\n|    next: |done\n|\[a, b\]\n|    with: \{text: =|inputs\.x|'|"|\}\n|    prompt: |\{file: x\}\n|\{\{ text \}\}|\{% for|%\}|defaults:\n|graphs:\n|  graph: \./x\.yaml\n|types:\n|ends: \{done: success\}\n|start: a\n|    writes: |state: |\{x: int\}\n| |\n|#){0,40}"#) {
        let _ = found(&source);
    }

    /// Conditions and templates of random pieces.
    #[test]
    fn expressions_never_panic(cel in r#"(output|\.|ok|count|frame|[a-z]|'|==|!=|&&|\|\||\?|:|\(|\)|\[|\]|null|1|has|all|map| |,|\+|>){0,24}"#, jinja in r"(\{\{|\}\}|\{%|%\}| |text|frame|\.|path|if|for x in|endif|endfor|set a =|\||upper|default|is|not|none|defined|\(|\)|\[|\]|1|,|~|else){0,24}") {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let source = node(&format!("    with: {{text: a}}\n    only: {}\n    prompt: {}\n", quoted(&cel), quoted(&jinja)));
        let _ = found(&source);
    }
}
