//! What the words of a template tell before it is parsed: the filters and tests that it names, and how deep it goes.

use std::ops::Range;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// The most words and signs in one tag: each may be a level of an expression, and Jinja walks those by recursion.
const MAX_TAG: usize = 500;
/// The most blocks in each other, each branch of an `if` counted.
const MAX_BLOCKS: usize = 64;
/// What begins a block.
const BLOCKS: [&str; 8] = ["if", "for", "with", "filter", "autoescape", "block", "macro", "call"];

/// What a name in a template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// After `|`.
    Filter,
    /// After `is`.
    Test,
}

/// The filters and tests that a template names, with their places. What is no template is left to its parser.
///
/// # Errors
/// Where it goes too deep.
pub(super) fn named(source: &str) -> Result<Vec<(Range<usize>, Named)>, Range<usize>> {
    let mut found = Vec::new();
    // The branches of each block that is open.
    let mut open: Vec<usize> = Vec::new();
    let mut in_tag = 0;
    let (mut statement, mut set) = (false, false);
    // What stands before a name: `|`, `is`, `is not`, or something else.
    let mut before = "";
    for token in tokenize(source, false, SyntaxConfig::default()) {
        let Ok((token, span)) = token else { break };
        let at = span.start_offset as usize..span.end_offset as usize;
        if in_tag > MAX_TAG || open.iter().sum::<usize>() > MAX_BLOCKS {
            return Err(at);
        }
        in_tag += 1;
        let last = std::mem::take(&mut before);
        match token {
            Token::TemplateData(_) => {}
            Token::BlockStart | Token::VariableStart => {
                in_tag = 0;
                (statement, set) = (matches!(token, Token::BlockStart), false);
            }
            Token::Ident(word) if statement && in_tag == 1 => match word {
                // `{% set x = 1 %}` is no block, `{% set x %}` is one.
                "set" => {
                    set = true;
                    open.push(1);
                }
                "elif" => {
                    if let Some(branches) = open.last_mut() {
                        *branches += 1;
                    }
                }
                word if BLOCKS.contains(&word) => open.push(1),
                word if word.starts_with("end") => drop(open.pop()),
                _ => {}
            },
            Token::Assign if set => {
                set = false;
                open.pop();
            }
            Token::Pipe => before = "|",
            Token::Dot => before = ".",
            Token::Ident(word) => match (last, word) {
                ("|", _) => found.push((at, Named::Filter)),
                ("is", "not") => before = "is not",
                ("is" | "is not", _) => found.push((at, Named::Test)),
                (".", _) => {}
                (_, "is") => before = "is",
                _ => {}
            },
            _ => {}
        }
    }
    Ok(found)
}
