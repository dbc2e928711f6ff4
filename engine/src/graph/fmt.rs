//! The canonical layout of graph files: two spaces a level, one blank line at most, flow collections on one line or
//! none. The author's order, quotes and comments stay, and so does the meaning: what was laid out is read again, and
//! anything but the same values and comments is refused.

mod comments;
mod lines;

use super::diagnostic::{Diagnostic, Report};
use super::yaml::{self, Data, Key, Node};
use comments::Comment;

/// Why a file is not laid out.
#[derive(Debug)]
pub enum Unformatted {
    /// It cannot be read as YAML.
    Invalid(Vec<Diagnostic>),
    /// Its layout could not be changed without changing what it says: a mistake of ours. The file is fine as it is.
    Unsafe,
}

/// `source` in its canonical layout; `name` is what findings call the file.
///
/// # Errors
/// When it is no YAML that graph files may use.
pub fn fmt(name: &str, source: &str) -> Result<String, Unformatted> {
    let root = read(name, source).map_err(Unformatted::Invalid)?;
    let comments = comments::of(source, &root);
    let laid_out = lines::lay_out(source, &root, &comments);
    let Ok(again) = read(name, &laid_out) else { return Err(Unformatted::Unsafe) };
    let texts = |comments: &[Comment]| comments.iter().map(|one| one.text.clone()).collect::<Vec<_>>();
    if same(&root, &again) && texts(&comments) == texts(&comments::of(&laid_out, &again)) {
        Ok(laid_out)
    } else {
        Err(Unformatted::Unsafe)
    }
}

fn read(name: &str, source: &str) -> Result<Node, Vec<Diagnostic>> {
    let mut report = Report::new(name, source);
    let root = yaml::parse(&mut report, 0..source.len());
    let found = report.finish();
    match root {
        Some(root) if found.is_empty() => Ok(root),
        _ => Err(found),
    }
}

/// Whether two trees say the same in the same order.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.data, &other.data) {
        (Data::Scalar(..), Data::Scalar(..)) => one.json() == other.json() && one.text() == other.text(),
        (Data::List(a), Data::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Data::Map(a), Data::Map(b)) => {
            let pair = |((k, v), (l, w)): (&(Key, Node), &(Key, Node))| k.name == l.name && same(v, w);
            a.len() == b.len() && a.iter().zip(b).all(pair)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("a: {b: 1, # one\n  c: 2}\n", "a:\n  b: 1  # one\n  c: 2\n"),
            ("a: |  # said\n      one\n        two\n\nb: 1", "a: |  # said\n  one\n    two\n\nb: 1\n"),
            ("a: |+\n one\n\nb: >-\n     x\n     y\n", "a: |+\n  one\n\nb: >-\n  x\n  y\n"),
            ("a: \"x\n  y\"\nb:\nc: {d: , e}\n", "a: \"x y\"\nb:\nc: {d: null, e: null}\n"),
            ("---\na: |2\n   x\n", "a: |2\n   x\n"),
            ("a: 1\r\nb: |\r\n  x\r\n", "a: 1\nb: |\n  x\n"),
        ] {
            let once = laid_out(source);
            assert_eq!(once, expected);
            assert_eq!(laid_out(&once), once);
        }
        assert!(matches!(fmt("f", "a: ["), Err(Unformatted::Invalid(_))));
    }

    #[test]
    fn a_long_flow_collection_is_broken() {
        let long = format!("a: {{b: {0}, c: [{0}, {0}]}}\n", "x".repeat(60));
        let expected = format!("a:\n  b: {0}\n  c: [{0}, {0}]\n", "x".repeat(60));
        assert_eq!(laid_out(&long), expected);
        assert_eq!(laid_out(&expected), expected);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]
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
}
