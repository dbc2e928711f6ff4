//! The layout of graph files.

use prunella_engine::graph::{Unformatted, fmt};

fn laid_out(source: &str) -> String {
    match fmt("f", source) {
        Ok(text) => text,
        Err(error) => panic!("{error:?}\n{source}"),
    }
}

#[test]
fn layout_changes_and_nothing_else() {
    for (source, expected) in [
        ("a:   1\n\n\n\nb:\n      c: 'x'   # why\n", "a: 1\n\nb:\n  c: 'x'   # why\n"),
        ("a: {b: 1,   c: [x ,y],}\n", "a: {b: 1, c: [x, y]}\n"),
        ("a:\n- b: 1\n  c: 2\n- [ ]\n", "a:\n  - b: 1\n    c: 2\n  - []\n"),
        ("# top\n\na: 1\n# end\n", "# top\n\na: 1\n# end\n"),
        ("a:\n    b: 1\n    # of b\nc: 2\n", "a:\n  b: 1\n  # of b\nc: 2\n"),
        ("a: {a: , b}\n", "a: {a: , b: }\n"),
        ("- >-\n  |\n- |\n  'q'# x\n- \"q\" # y\n", "- >-\n  |\n- |\n  'q'# x\n- \"q\"  # y\n"),
        ("a: {b: [1,2]}  # one\nc:\n  - {d: e}   # two\n", "a: {b: [1, 2]}  # one\nc:\n  - {d: e}   # two\n"),
        ("a: {b: 1, # one\n  c: 2}\n", "a:\n  b: 1  # one\n  c: 2\n"),
        ("a: |  # said\n      one\n        two\n\nb: 1", "a: |  # said\n  one\n    two\n\nb: 1\n"),
        ("a: |+\n one\n\nb: >-\n     x\n     y\n", "a: |+\n  one\n\nb: >-\n  x\n  y\n"),
        ("a: \"x\n  y\"\nb:\n", "a: \"x y\"\nb:\n"),
        ("---\na: |2\n   x\n", "a: |2\n   x\n"),
        ("a: 1\r\nb: |\r\n  x\r\n", "a: 1\nb: |\n  x\n"),
    ] {
        let once = laid_out(source);
        assert_eq!(once, expected);
        assert_eq!(laid_out(&once), once);
    }
    assert!(matches!(fmt("f", "a: ["), Err(Unformatted::Invalid(_))));
    assert!(matches!(fmt("f", "a: [|\n  x\n]"), Err(Unformatted::Invalid(_))));
}

#[test]
fn a_long_flow_collection_is_broken() {
    let long = format!("a: {{b: {0}, c: [{0}, {0}]}}\n", "x".repeat(60));
    let expected = format!("a:\n  b: {0}\n  c: [{0}, {0}]\n", "x".repeat(60));
    assert_eq!(laid_out(&long), expected);
    assert_eq!(laid_out(&expected), expected);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 1024, failure_persistence: None, ..Default::default() })]
    /// Whatever YAML it is: laid out once, it stays as it is, and says the same.
    #[test]
    fn what_is_laid_out_stays(source in r#"(a: |b: |[cd]: 1\n|e:\n|  |    |- |\{|\}|\[|\]|, |# x\n|\n|'q'|"w\\n"|\|\n|>-\n|\|\+\n|plain text|~|  # y\n){0,24}"#) {
        match fmt("f", &source) {
            Ok(once) => {
                let again = fmt("f", &once);
                assert!(matches!(&again, Ok(twice) if *twice == once), "{source:?}\n{once:?}\n{again:?}");
            }
            Err(Unformatted::Invalid(found)) => assert!(!found.is_empty()),
            Err(Unformatted::Unsafe) => panic!("{source:?}"),
        }
    }
}
