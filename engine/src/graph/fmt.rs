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
    let mut text = once(name, source)?;
    // A comment that came to stand behind a shorter line may leave that one too long: what is laid out stays as it is.
    for _ in 0..3 {
        let again = once(name, &text)?;
        if again == text {
            break;
        }
        text = again;
    }
    Ok(text)
}

fn once(name: &str, source: &str) -> Result<String, Unformatted> {
    let root = read(name, source).map_err(Unformatted::Invalid)?;
    if matches!(root.data, Data::Scalar(..)) {
        // No graph: nothing to lay out.
        return Ok(source.to_owned());
    }
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
        (Data::Scalar(..), Data::Scalar(..)) => {
            let (a, b) = (one.json(), other.json());
            // The parser has several texts for nothing.
            a == b && (a.is_null() || one.text() == other.text())
        }
        (Data::List(a), Data::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Data::Map(a), Data::Map(b)) => {
            let pair = |((k, v), (l, w)): (&(Key, Node), &(Key, Node))| k.name == l.name && same(v, w);
            a.len() == b.len() && a.iter().zip(b).all(pair)
        }
        _ => false,
    }
}
