//! The Test Anything Protocol, <https://testanything.org/tap-version-14-specification.html>: versions 12 to 14, with
//! subtests (indented by four spaces) and the YAML blocks after a test point.

use super::{Case, MAX_MESSAGE, Outcome, Report, clip, millis, split_kind};

/// Deepest nesting of subtests.
const MAX_DEPTH: usize = 32;

/// One level of the document: the top, or a subtest.
#[derive(Default)]
struct Level {
    /// How far its lines are indented.
    indent: usize,
    /// Test points so far.
    points: usize,
    /// The plan, when it was given.
    plan: Option<usize>,
    /// Where its tests begin in the report.
    from: usize,
}

pub(super) fn read(text: &str) -> Report {
    let mut out = Report::default();
    let mut levels = vec![Level::default()];
    let mut lines = text.lines().peekable();
    let mut bail = false;
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let body = line.trim();
        if let Some(why) = body.strip_prefix("Bail out!") {
            out.problem(format!("the run was given up: {}", clip(why.trim(), 300)));
            bail = true;
            break;
        }
        let point = point(body);
        let plan = plan(body);
        if point.is_none() && plan.is_none() {
            continue;
        }
        // A deeper line opens a subtest; the shallower point that closes it gives its name.
        let deepest = levels.last().map_or(0, |level| level.indent);
        if indent > deepest {
            if levels.len() >= MAX_DEPTH {
                out.problem("subtests nested too deeply");
                return out;
            }
            levels.push(Level { indent, from: out.cases.len(), ..Level::default() });
        }
        if let Some(count) = plan {
            if let Some(level) = levels.iter_mut().find(|level| level.indent == indent) {
                level.plan = Some(count);
            }
            continue;
        }
        let Some(point) = point else { continue };
        // The subtests that end with this point belong to it.
        while levels.last().is_some_and(|level| level.indent > indent) {
            let Some(level) = levels.pop() else { break };
            check(&level, &mut out);
            let prefix = point.name();
            for case in out.cases.iter_mut().skip(level.from) {
                case.id = clip(&format!("{prefix} > {}", case.id), super::MAX_ID);
            }
        }
        let Some(level) = levels.last_mut() else { break };
        level.points += 1;
        let mut case = Case::new(&point.name_or(level.points), point.outcome);
        // The block of details.
        if lines.peek().is_some_and(|next| next.trim() == "---") {
            lines.next();
            let mut block = Vec::new();
            for line in lines.by_ref() {
                if line.trim() == "..." {
                    break;
                }
                if block.len() < 200 {
                    block.push(line);
                }
            }
            details(&block, &mut case);
        }
        out.push(case);
    }
    while let Some(level) = levels.pop() {
        if levels.is_empty() {
            if level.plan.is_none() && !bail {
                out.problem(if level.points == 0 {
                    "no TAP"
                } else {
                    "TAP without a plan: it may break off"
                });
            }
        } else {
            out.problem("TAP that breaks off in a subtest");
        }
        check(&level, &mut out);
    }
    out
}

fn check(level: &Level, out: &mut Report) {
    if let Some(plan) = level.plan
        && plan != level.points
    {
        out.problem(format!("{} of {plan} planned tests were reported", level.points));
    }
}

/// A line `ok 1 - name # SKIP why`.
struct Point {
    number: Option<usize>,
    description: String,
    outcome: Outcome,
}

impl Point {
    fn name(&self) -> String {
        self.name_or(0)
    }

    fn name_or(&self, counted: usize) -> String {
        if self.description.is_empty() {
            format!("test {}", self.number.unwrap_or(counted))
        } else {
            self.description.clone()
        }
    }
}

fn point(body: &str) -> Option<Point> {
    let (rest, passed) = match body.strip_prefix("not ok") {
        Some(rest) => (rest, false),
        None => (body.strip_prefix("ok")?, true),
    };
    // `okay` is no test point.
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let rest = rest.trim_start();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = rest.split_at(digits);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("- ").or_else(|| rest.strip_prefix('-')).unwrap_or(rest);
    let (description, directive) = directive(rest);
    let upper = directive.to_uppercase();
    let outcome = if upper.starts_with("SKIP") || upper.starts_with("TODO") {
        Outcome::Skipped
    } else if passed {
        Outcome::Passed
    } else {
        Outcome::Failed
    };
    let description =
        description.trim().trim_end_matches('{').trim().replace("\\#", "#").replace("\\\\", "\\");
    Some(Point { number: number.parse().ok(), description, outcome })
}

/// The description and what follows its first unescaped ` #`.
fn directive(rest: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            '\\' => escaped = !escaped,
            '#' if !escaped => {
                let after = rest.get(at + 1..).unwrap_or_default().trim_start();
                let upper = after.get(..4).unwrap_or_default().to_uppercase();
                if upper == "SKIP" || upper == "TODO" {
                    return (rest.get(..at).unwrap_or_default(), after);
                }
            }
            _ => escaped = false,
        }
    }
    (rest, "")
}

fn plan(body: &str) -> Option<usize> {
    let rest = body.strip_prefix("1..")?;
    let count = rest.split(['#', ' ']).next()?;
    count.parse().ok()
}

/// Message, kind, time and file in a YAML block; other keys are left out.
fn details(block: &[&str], case: &mut Case) {
    let mut at = 0;
    while let Some(line) = block.get(at) {
        at += 1;
        let Some((key, value)) = line.trim().split_once(':') else { continue };
        let value = value.trim();
        let mut text = unquote(value);
        if matches!(value, "|" | "|-" | ">" | ">-" | "|+") {
            let indent = line.len() - line.trim_start().len();
            let mut inner = Vec::new();
            while let Some(next) = block.get(at) {
                if !next.trim().is_empty() && next.len() - next.trim_start().len() <= indent {
                    break;
                }
                inner.push(next.trim());
                at += 1;
            }
            text = inner.join("\n");
        }
        match key.trim() {
            "message" | "error" if case.message.is_empty() => case.message = clip(text.trim(), MAX_MESSAGE),
            "name" | "type" if case.kind.is_empty() && text != "test" && text != "suite" => {
                case.kind = clip(&text, 200);
            }
            "duration_ms" => case.ms = text.parse::<f64>().ok().and_then(|ms| millis(ms / 1000.0)),
            "file" if case.file.is_empty() => case.file = clip(&text, 1000),
            "location" if case.file.is_empty() => {
                // `path:line:column`
                let mut parts = text.rsplitn(3, ':');
                let numbers = parts.next().is_some_and(|p| p.parse::<u64>().is_ok())
                    && parts.next().is_some_and(|p| p.parse::<u64>().is_ok());
                if numbers {
                    case.file = clip(parts.next().unwrap_or_default(), 1000);
                }
            }
            _ => {}
        }
    }
    if case.kind.is_empty() && case.outcome == Outcome::Failed {
        (case.kind, case.message) = split_kind(&case.message);
    }
}

fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.to_owned();
        }
    }
    value.to_owned()
}
