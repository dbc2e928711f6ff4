//! Rust keeps unit tests in the files of the code under test: a fix may change such a file, and not the tests in it.
//!
//! Tests are every item under `#[cfg(test)]` and every function with an attribute that ends in `test`. Those of the base
//! must all be there, token for token; functions with `#[test]` may be added to them, and nothing else. Outside of them
//! nothing new may ask whether it is compiled for tests, or stand in for the macros that tests assert with.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, Meta};

use super::{Refusal, Refused};

/// Macros that a test trusts.
const TRUSTED: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "panic",
    "matches",
    "vec",
    "unreachable",
    "todo",
    "assert_matches",
];
/// Largest file that is looked into, in bytes.
const MAX_BYTES: usize = 2 << 20;

/// What a file says about its tests.
#[derive(Debug, Default, PartialEq, Eq)]
struct Oracle {
    /// Test items as tokens, and whether each is a test function.
    tests: Vec<(String, bool)>,
    /// Conditions outside of them that ask for tests.
    asks: Vec<String>,
    /// Trusted macros that are defined or imported outside of them.
    stand_ins: Vec<String>,
}

/// Refuses a change of the tests in Rust files. `edits` are new contents by path; `read` gives a file of the base.
///
/// # Errors
/// The refusal, which reaches for the judge.
pub fn check_rust(
    edits: &[(String, Option<Vec<u8>>)],
    mut read: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Result<(), Refusal> {
    let (mut before, mut after) = (Oracle::default(), Oracle::default());
    let mut place = String::new();
    for (path, content) in edits.iter().filter(|(path, _)| path.ends_with(".rs")) {
        let refuse = |why: &str| Err(Refusal::new(Refused::Tests, path, format!("{path} {why}")));
        let old = read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let new = content.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        if let Some(old) = &old {
            let Some(()) = look(old, &mut before) else {
                if old.contains("test") {
                    return refuse("holds tests that cannot be told from its code");
                }
                continue;
            };
        }
        // What is no Rust does not build either.
        if let Some(new) = &new
            && look(new, &mut after).is_none()
        {
            if old.is_some_and(|old| old.contains("#[cfg(test)]")) && !new.contains("#[cfg(test)]") {
                return refuse("loses its tests");
            }
            return Ok(());
        }
        if place.is_empty() {
            place.clone_from(path);
        }
    }
    let refuse = |why: String| Err(Refusal::new(Refused::Tests, &place, why));
    for (test, _) in &before.tests {
        match after.tests.iter().position(|(other, _)| other == test) {
            Some(at) => {
                after.tests.remove(at);
            }
            None => return refuse(format!("{place} changes a test: `{}`", shown(test))),
        }
    }
    if let Some((item, _)) = after.tests.iter().find(|(_, function)| !function) {
        return refuse(format!("{place} adds to the tests what is no test: `{}`", shown(item)));
    }
    if let Some(ask) = beyond(&before.asks, after.asks) {
        return refuse(format!("{place} would behave otherwise under test: `{}`", shown(&ask)));
    }
    if let Some(name) = beyond(&before.stand_ins, after.stand_ins) {
        return refuse(format!("{place} would stand in for the macro `{name}` that tests trust"));
    }
    Ok(())
}

/// Something of `after` that `before` has not as often.
fn beyond(before: &[String], mut after: Vec<String>) -> Option<String> {
    for known in before {
        if let Some(at) = after.iter().position(|other| other == known) {
            after.remove(at);
        }
    }
    after.into_iter().next()
}

fn shown(tokens: &str) -> String {
    tokens.chars().take(120).collect()
}

fn look(text: &str, oracle: &mut Oracle) -> Option<()> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let file = syn::parse_file(text).ok()?;
    items(&file.items, false, oracle);
    for attribute in &file.attrs {
        scan(attribute.to_token_stream(), oracle);
    }
    Some(())
}

fn items(items: &[Item], in_tests: bool, oracle: &mut Oracle) {
    for item in items {
        let attributes = attributes(item);
        let function = matches!(item, Item::Fn(_)) && attributes.iter().any(is_test_attribute);
        let ours = in_tests || function || attributes.iter().any(asks_for_tests);
        match item {
            Item::Mod(module) if module.content.is_some() => {
                if ours {
                    // The module itself, without what is in it.
                    let mut head = module.clone();
                    head.content = None;
                    oracle.tests.push((head.to_token_stream().to_string(), false));
                }
                let inner = module.content.as_ref().map(|(_, inner)| inner.as_slice()).unwrap_or_default();
                self::items(inner, ours, oracle);
            }
            _ if ours => oracle.tests.push((item.to_token_stream().to_string(), function)),
            Item::Use(_) => {
                names(item.to_token_stream(), &mut |name| {
                    if TRUSTED.contains(&name) {
                        oracle.stand_ins.push(name.to_owned());
                    }
                });
            }
            _ => scan(item.to_token_stream(), oracle),
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[test]`, `#[tokio::test]`, `#[rstest]`
fn is_test_attribute(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident.to_string().ends_with("test"))
}

/// `#[cfg(test)]` and whatever else asks for `test`.
fn asks_for_tests(attribute: &Attribute) -> bool {
    let cfg = attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr");
    let mut found = false;
    if let Meta::List(list) = &attribute.meta {
        names(list.tokens.clone(), &mut |name| found |= name == "test");
    }
    cfg && found
}

/// Looks for `cfg(…test…)`, `cfg!(…test…)` and `macro_rules! assert_eq` at any depth.
fn scan(tokens: TokenStream, oracle: &mut Oracle) {
    let mut last: Vec<String> = Vec::new();
    for token in tokens {
        match &token {
            TokenTree::Group(group) => {
                let word = last.iter().rev().find(|word| word.as_str() != "!").map_or("", String::as_str);
                if matches!(word, "cfg" | "cfg_attr") && group.delimiter() == Delimiter::Parenthesis {
                    let mut found = false;
                    names(group.stream(), &mut |name| found |= name == "test");
                    if found {
                        oracle.asks.push(format!("{word}{group}"));
                    }
                }
                scan(group.stream(), oracle);
                last.clear();
            }
            TokenTree::Ident(name) => {
                let name = name.to_string();
                if last.ends_with(&["macro_rules".to_owned(), "!".to_owned()])
                    && TRUSTED.contains(&name.as_str())
                {
                    oracle.stand_ins.push(name.clone());
                }
                last.push(name);
            }
            TokenTree::Punct(point) => {
                if point.as_char() == '!' {
                    last.push("!".to_owned())
                } else {
                    last.clear()
                }
            }
            TokenTree::Literal(_) => last.clear(),
        }
    }
}

/// Every name in `tokens`, at any depth.
fn names(tokens: TokenStream, each: &mut dyn FnMut(&str)) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => names(group.stream(), each),
            TokenTree::Ident(name) => each(&name.to_string()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "use a::b;\npub fn f(x: i32) -> i32 { x }\n#[cfg(test)]\nmod tests {\n    use super::*;\n    fn helper() {}\n    #[test]\n    fn one() { assert_eq!(f(1), 1); }\n}\n";

    fn verdict(new: Option<&str>) -> Result<(), String> {
        let edits = vec![("src/lib.rs".to_owned(), new.map(|new| new.as_bytes().to_vec()))];
        check_rust(&edits, |_| Some(BASE.as_bytes().to_vec())).map_err(|refusal| {
            assert!(refusal.tampering());
            refusal.reason
        })
    }

    #[test]
    fn code_may_change_and_tests_be_added_beside_the_old_ones() {
        for new in [
            BASE.replace("{ x }", "{ x + 1 }"),
            BASE.replace("    #[test]\n", "    // A remark.\n    #[test]\n"),
            BASE.replace(
                "    #[test]\n",
                "    #[test]\n    fn two() { assert_eq!(f(2), 2); }\n    #[test]\n",
            ),
            BASE.replace("{ x }", "{ x"),
        ] {
            assert_eq!(verdict(Some(&new)), Ok(()), "{new}");
        }
    }

    #[test]
    fn tests_may_not_change_nor_code_ask_for_them() {
        for (from, to, why) in [
            ("f(1), 1", "1, 1", "changes a test"),
            ("#[test]\n", "#[test]\n    #[ignore]\n", "changes a test"),
            ("#[cfg(test)]", "#[cfg(all(test, nothing))]", "changes a test"),
            ("fn helper() {}", "fn helper() {}\n    macro_rules! assert_eq { ($($t:tt)*) => {} }", "no test"),
            ("use super::*;", "use super::*;\n    use crate::lies::f;", "no test"),
            ("{ x }", "{ if cfg!(test) { 1 } else { x } }", "otherwise under test"),
            ("pub fn f", "#[cfg(not(test))]\npub fn g() {}\npub fn f", "no test"),
            ("{ x }", "{ #[cfg(test)] return 1; x }", "otherwise under test"),
            ("use a::b;", "use a::b;\nmacro_rules! assert_eq { ($($t:tt)*) => {} }", "stand in"),
            ("use a::b;", "use a::b;\nuse a::lax as assert_eq;", "stand in"),
        ] {
            let new = BASE.replacen(from, to, 1);
            assert_ne!(new, BASE);
            let reason = verdict(Some(&new)).unwrap_err();
            assert!(reason.contains(why), "{to}: {reason}");
        }
        assert!(verdict(None).unwrap_err().contains("changes a test"));
        assert!(verdict(Some("pub fn f(")).unwrap_err().contains("loses its tests"));
    }

    #[test]
    fn a_file_may_move_with_its_tests() {
        let edits =
            vec![("src/a.rs".to_owned(), None), ("src/b.rs".to_owned(), Some(BASE.as_bytes().to_vec()))];
        let read = |path: &str| (path == "src/a.rs").then(|| BASE.as_bytes().to_vec());
        assert!(check_rust(&edits, read).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(#\\[cfg\\(test\\)\\]|mod t|\\{|\\}|fn f\\(\\)|#\\[test\\]|macro_rules!|assert_eq|use a;|\n| |cfg!\\(test\\)|'|\"){0,40}") {
            let edits = vec![("a.rs".to_owned(), Some(text.clone().into_bytes()))];
            let _ = check_rust(&edits, |_| Some(text.clone().into_bytes()));
        }
    }
}
