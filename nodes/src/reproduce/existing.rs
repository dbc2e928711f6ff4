//! A test of the repository that fails because of the incident already.

use crate::effects::FailedTest;
use crate::incident::template;
use crate::types::{Frame, Incident};

/// The failing test that is the incident's: the exception's type is the same, and so are file and function of the
/// innermost frame in the repository, and its message's template or the line that raised. Of several, the one with the same
/// template, then with more frames in common.
pub(super) fn matching<'a>(incident: &Incident, failed: &'a [FailedTest]) -> Option<&'a FailedTest> {
    let place = innermost(&incident.frames)?;
    failed
        .iter()
        .filter(|test| same_exception(&test.exception, &incident.exception))
        .filter(|test| innermost(&test.frames) == Some(place))
        .filter(|test| {
            let raised = line(&incident.frames);
            template(&test.message) == incident.template
                || (!raised.is_empty() && raised == line(&test.frames))
        })
        .max_by(|a, b| {
            let rank = |test: &FailedTest| {
                (template(&test.message) == incident.template, shared(&incident.frames, &test.frames))
            };
            // The first of equals by id.
            rank(a).cmp(&rank(b)).then_with(|| b.id.cmp(&a.id))
        })
}

/// Whether the test failed as the incident did: the same type, and the same message template or innermost place.
pub(super) fn is_same(incident: &Incident, test: &FailedTest) -> bool {
    same_exception(&test.exception, &incident.exception)
        && (template(&test.message) == incident.template
            || innermost(&test.frames).is_some_and(|place| Some(place) == innermost(&incident.frames)))
}

/// Whether two printed types are one: a runner may print `Broken` for `pkg.errors.Broken`.
fn same_exception(a: &str, b: &str) -> bool {
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    a == b
        || (last(a) == last(b) && (!a.contains('.') || !b.contains('.') || a.ends_with(b) || b.ends_with(a)))
}

/// File and function of the innermost frame in the repository.
pub(super) fn innermost(frames: &[Frame]) -> Option<(&str, &str)> {
    frames.iter().rev().find_map(place)
}

fn place(frame: &Frame) -> Option<(&str, &str)> {
    // An environment inside the working tree is no source of ours.
    let ours = |path: &&prunella_engine::types::RepoPath| !path.contains("/site-packages/");
    frame.path.as_ref().filter(ours).map(|path| (path.0.as_str(), frame.function.as_str()))
}

/// What the innermost frame in the repository quotes.
fn line(frames: &[Frame]) -> &str {
    frames.iter().rev().find(|frame| place(frame).is_some()).map_or("", |frame| frame.code.trim())
}

/// How many places of `a` are in `b`.
fn shared(a: &[Frame], b: &[Frame]) -> usize {
    a.iter().filter_map(place).filter(|one| b.iter().filter_map(place).any(|other| other == *one)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(path: Option<&str>, function: &str) -> Frame {
        let code = format!("raise {function}");
        Frame { path: path.map(Into::into), function: function.into(), code, ..Frame::default() }
    }

    fn test(id: &str, exception: &str, message: &str, frames: Vec<Frame>) -> FailedTest {
        FailedTest {
            id: id.into(),
            exception: exception.into(),
            message: message.into(),
            frames,
            ..FailedTest::default()
        }
    }

    fn incident() -> Incident {
        Incident {
            exception: "shop.errors.Broken".into(),
            template: "item <n>".into(),
            frames: vec![frame(None, "<module>"), frame(Some("shop/cart.py"), "total"), frame(None, "loads")],
            ..Incident::default()
        }
    }

    #[test]
    fn type_and_place_must_agree_and_the_message_breaks_ties() {
        let here =
            || vec![frame(Some("tests/test_cart.py"), "test_it"), frame(Some("shop/cart.py"), "total")];
        let failed = [
            test("a", "KeyError", "item 3", here()),
            test("b", "Broken", "other", here()),
            test("d", "shop.errors.Broken", "item 4", here()),
            test("c", "Broken", "item 3", here()),
            test("e", "Broken", "item 3", vec![frame(Some("shop/cart.py"), "mean")]),
            test("f", "other.Broken", "item 3", here()),
        ];
        assert_eq!(matching(&incident(), &failed).unwrap().id, "c");
        assert!(matching(&incident(), &failed[..1]).is_none());
        assert!(matching(&incident(), &failed[4..]).is_none());
        let elsewhere = Frame { code: "raise other".into(), ..frame(Some("shop/cart.py"), "total") };
        assert!(matching(&incident(), &[test("g", "Broken", "other", vec![elsewhere])]).is_none());
        assert!(is_same(&incident(), &failed[4]) && !is_same(&incident(), &failed[0]));
    }
}
