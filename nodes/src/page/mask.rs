//! Values of the log stay out of the page. Models and test output may quote them in what they say; a mask
//! finds them there again.

use std::collections::BTreeSet;

use crate::types::Incident;

/// What stands for a value.
const MASKED: &str = "<value>";
/// The most values that a mask looks for.
const MOST: usize = 4000;

/// The values that only the log knows: what its messages hold beside their template, and all that looks like an
/// id, a number, an address or quoted text, unless the code itself has it.
pub struct Mask {
    /// Longest first, so that a value within another does not break that one up.
    values: Vec<String>,
}

impl Mask {
    /// The mask for an incident. `excerpt` is its part of the log, `public` the texts that are no secret: the
    /// diff, the names of tests.
    #[must_use]
    pub fn new(incident: &Incident, messages: &[&str], excerpt: &str, public: &[&str]) -> Self {
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let frames = incident.frames.iter();
        let code = frames.flat_map(|f| [f.file.as_str(), f.function.as_str(), f.code.as_str()]);
        let facts = [&incident.exception, &incident.template, &incident.first_seen, &incident.last_seen];
        for text in code.chain(facts.map(String::as_str)).chain(public.iter().copied()) {
            known.extend(parts(text));
            known.extend(text.split_whitespace());
            // The trace quotes the same lines: a literal of the code is no value of the log.
            known.extend(quoted(text));
        }
        let causes = incident.causes.iter().map(|cause| cause.message.as_str());
        let mut values = BTreeSet::new();
        for message in causes.chain([incident.message.as_str()]).chain(messages.iter().copied()) {
            values.extend(parts(message).filter(|part| part.chars().count() > 1));
        }
        let telling =
            |part: &&str| part.len() >= 4 && part.contains(|c: char| c.is_ascii_digit() || c == '@');
        values.extend(parts(excerpt).filter(telling));
        values.extend(quoted(excerpt).filter(|part| part.len() >= 4));
        values.retain(|value| !known.contains(value) && !value.trim().is_empty());
        let mut values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        values.sort_by_key(|value| (std::cmp::Reverse(value.len()), value.clone()));
        values.truncate(MOST);
        Self { values }
    }

    /// `text` with every value replaced.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for value in &self.values {
            if out.contains(value.as_str()) {
                out = replace_words(&out, value);
            }
        }
        out
    }
}

/// The words of a text: what stands between white space, quotes and brackets, without punctuation at its end.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "'\"`,;()[]{}<>=|".contains(c))
        .map(|part| part.trim_matches(|c: char| ".:!?".contains(c)))
        .filter(|part| !part.is_empty())
}

/// What stands between two quotes of a kind on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| ['\'', '"'].into_iter().flat_map(move |quote| line.split(quote).skip(1).step_by(2)))
}

/// Replaces `value` where no letter, digit or underscore touches it.
fn replace_words(text: &str, value: &str) -> String {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in text.match_indices(value) {
        let after = at + value.len();
        if word(text[..at].chars().next_back()) || word(text[after..].chars().next()) {
            continue;
        }
        out.push_str(&text[done..at]);
        out.push_str(MASKED);
        done = after;
    }
    out.push_str(&text[done..]);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::Frame;

    fn mask() -> Mask {
        let incident = Incident {
            exception: "KeyError".to_owned(),
            message: "'ada' for order 1042".to_owned(),
            template: "<str> for order <n>".to_owned(),
            frames: vec![Frame { code: "total(order['discount'])".to_owned(), ..Frame::default() }],
            ..Incident::default()
        };
        let excerpt = "user=ada@example.com req 7f3a-99 card \"4111 1111\"\nKeyError: 'discount' in 1042";
        Mask::new(&incident, &[], excerpt, &["+    if 'vip42' in order:"])
    }

    #[test]
    fn values_of_the_log_are_masked_and_names_of_the_code_are_not() {
        let said = "order 1042 of ada (ada@example.com, 7f3a-99, 4111 1111) has no 'discount'; vip42 has";
        assert_eq!(
            mask().apply(said),
            "order <value> of <value> (<value>, <value>, <value>) has no 'discount'; vip42 has"
        );
    }

    #[test]
    fn a_literal_of_the_code_stays() {
        let code = r#"return f"{contact['street']}, {contact['city']}""#;
        let frames = vec![Frame { code: code.to_owned(), ..Frame::default() }];
        let incident = Incident { frames, ..Incident::default() };
        let excerpt = format!("    {code}\nTypeError: \"Ada Lovelace\"");
        let mask = Mask::new(&incident, &[], &excerpt, &[]);
        assert_eq!(mask.apply(code), code);
        assert_eq!(mask.apply("of Ada Lovelace"), "of <value>");
    }

    #[test]
    fn parts_of_other_words_stay() {
        assert_eq!(mask().apply("adapter canada x1042"), "adapter canada x1042");
    }

    proptest! {
        #[test]
        fn nothing_panics(excerpt in any::<String>(), text in any::<String>()) {
            let _ = Mask::new(&Incident::default(), &[&text], &excerpt, &[]).apply(&text);
        }
    }
}
