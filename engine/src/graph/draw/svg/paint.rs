//! Shapes as SVG's text.

use std::fmt::Write as _;

use super::boxes::{NAME, SMALL};
use super::metric::mono;
use super::route::number as n;
use super::shape::{Points, Rect, Shape, Stroke, Tone};
use crate::graph::Outcome;

/// Colours of both themes, and what uses them. No colour stands anywhere else.
pub(super) const STYLE: &str = "\
svg{--bg:#ffffff;--ink:#1f2328;--soft:#59636e;--line:#6e7781;--box:#f6f8fa;--edge:#c3cad2;\
--blue:#2563a8;--violet:#7a46c2;--amber:#9a6700;--teal:#12766c;\
--good:#1a7f37;--good-bg:#dafbe1;--bad:#c1272d;--bad-bg:#ffebe9;--idle:#59636e;--idle-bg:#eaeef2;--no-bg:#fff8c5}\
@media(prefers-color-scheme:dark){svg{--bg:#0d1117;--ink:#e6edf3;--soft:#9198a1;--line:#8b949e;--box:#161b22;\
--edge:#3d444d;--blue:#58a6ff;--violet:#b98eff;--amber:#d9a634;--teal:#3cc5b5;\
--good:#3fb950;--good-bg:#12261e;--bad:#ff7b72;--bad-bg:#2d1517;--idle:#9198a1;--idle-bg:#21262d;--no-bg:#2b2310}}\
text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace;\
font-size:11px;fill:var(--ink)}\
.sans{font-family:system-ui,-apple-system,'Segoe UI','Helvetica Neue',Arial,'DejaVu Sans',sans-serif}\
.h{font-size:18px;font-weight:600}.p{font-size:13px;fill:var(--soft)}.soft{fill:var(--soft)}\
.name{font-size:14px;font-weight:600}\
.back{fill:var(--bg)}\
.box{fill:var(--box);stroke:var(--edge)}.panel{fill:var(--bg);stroke:var(--edge)}\
.stripe{fill:var(--blue)}.model .stripe{fill:var(--violet)}.person .stripe{fill:var(--amber)}.call .stripe{fill:var(--teal)}\
.line{fill:none;stroke:var(--line);stroke-width:1.5}.tip{fill:var(--line)}.bar{fill:var(--line)}\
.retry .line{stroke:var(--violet);stroke-dasharray:5 4}.retry .tip{fill:var(--violet)}.retry text{fill:var(--violet);font-weight:600}\
.exhausted .line{stroke:var(--soft);stroke-dasharray:1.5 3.5;stroke-linecap:round}.exhausted .tip{fill:var(--soft)}\
.failure .line{stroke:var(--bad);stroke-dasharray:1.5 3.5;stroke-linecap:round}.failure .tip,.failure text{fill:var(--bad)}\
.label rect{fill:var(--bg)}.label text{fill:var(--soft)}\
.retry.label text{fill:var(--violet)}.failure.label text{fill:var(--bad)}\
.success rect{fill:var(--good-bg);stroke:var(--good)}.success .name{fill:var(--good)}\
.nothing rect{fill:var(--idle-bg);stroke:var(--idle)}.nothing .name{fill:var(--ink)}\
.failed rect{fill:var(--bad-bg);stroke:var(--bad)}.failed .name{fill:var(--bad)}\
.declined rect{fill:var(--no-bg);stroke:var(--amber)}.declined .name{fill:var(--amber)}";

/// `text` where XML takes text. What XML cannot hold becomes a replacement character.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Paints a shape, moved by `dx` and `dy`.
pub(super) fn paint(shape: &Shape, (dx, dy): (f64, f64), out: &mut String) {
    let moved = |at: &Rect| Rect { x: at.x + dx, y: at.y + dy, ..*at };
    // Writing to a string does not fail.
    let _ = match shape {
        Shape::Node { at, name, lines, tone, title, frame } => {
            node(moved(at), name, lines, (*tone, *frame), title, out);
            Ok(())
        }
        Shape::Panel { at, name } => {
            let at = moved(at);
            writeln!(
                out,
                "<g class=\"frame\"><rect class=\"panel\" {} rx=\"10\"/><text class=\"name\" x=\"{}\" y=\"{}\">{}</text></g>",
                rect(at),
                n(at.x + 16.0),
                n(at.y + 24.0),
                escaped(name)
            )
        }
        Shape::End { at, name, outcome, title } => {
            let (at, class) = (moved(at), outcome_class(*outcome));
            let y = n(at.middle() + 4.5);
            writeln!(
                out,
                "<g class=\"end {class}\"><title>{}</title><rect {} rx=\"{}\"/><text class=\"name\" x=\"{}\" y=\"{y}\">{}</text>\
                 <text class=\"soft\" x=\"{}\" y=\"{y}\">{}</text></g>",
                escaped(title),
                rect(at),
                n(at.h / 2.0),
                n(at.x + 16.0),
                escaped(name),
                n(at.x + 24.0 + mono(name, NAME)),
                outcome.word(),
            )
        }
        Shape::Line { path, tip, points, stroke, title } => {
            let (x, y) = *tip;
            let head = match points {
                Points::Down => format!("M{} {}l-4 -7.5q4 1.6 8 0z", n(x), n(y)),
                Points::Right => format!("M{} {}l-7.5 -4q1.6 4 0 8z", n(x), n(y)),
                Points::Left => format!("M{} {}l7.5 -4q-1.6 4 0 8z", n(x), n(y)),
            };
            let shift = if dx == 0.0 && dy == 0.0 {
                String::new()
            } else {
                format!(" transform=\"translate({} {})\"", n(dx), n(dy))
            };
            writeln!(
                out,
                "<g class=\"way {}\"{shift}><title>{}</title><path class=\"line\" d=\"{path}\"/><path class=\"tip\" d=\"{head}\"/></g>",
                stroke_class(*stroke),
                escaped(title)
            )
        }
        Shape::Label { at, text, stroke, title } => {
            let at = moved(at);
            writeln!(
                out,
                "<g class=\"label {}\"><title>{}</title><rect {} rx=\"4\"/><text text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text></g>",
                stroke_class(*stroke),
                escaped(title),
                rect(at),
                n(at.centre()),
                n(at.middle() + SMALL * 0.35),
                escaped(text)
            )
        }
        Shape::Bar { at, title } => {
            let at = moved(at);
            writeln!(
                out,
                "<rect class=\"bar\" {} rx=\"2\"><title>{}</title></rect>",
                rect(at),
                escaped(title)
            )
        }
        Shape::Start { x, y, to } => {
            let (x, y, to) = (x + dx, y + dy, to + dy);
            writeln!(
                out,
                "<g class=\"start\"><title>a run begins here</title><circle class=\"tip\" cx=\"{0}\" cy=\"{1}\" r=\"5\"/>\
                 <path class=\"line\" d=\"M{0} {1}V{2}\"/><path class=\"tip\" d=\"M{0} {2}l-4 -7.5q4 1.6 8 0z\"/></g>",
                n(x),
                n(y),
                n(to)
            )
        }
    };
}

fn node(at: Rect, name: &str, lines: &[String], (tone, frame): (Tone, bool), title: &str, out: &mut String) {
    let class = match tone {
        Tone::Plain => "plain",
        Tone::Model => "model",
        Tone::Person => "person",
        Tone::Call => "call",
    };
    let x = n(at.x + 18.0);
    // In a frame the stripe stands beside the words alone.
    let stripe = if frame { 28.0 + 15.0 * lines.len() as f64 } else { at.h - 12.0 };
    let _ = write!(
        out,
        "<g class=\"node {class}\"><title>{}</title><rect class=\"{}\" {} rx=\"7\"/>\
         <path class=\"stripe\" d=\"M{} {}v{}h-1a4 4 0 0 1 -4 -4v-{}a4 4 0 0 1 4 -4z\"/>\
         <text class=\"name\" x=\"{x}\" y=\"{}\">{}</text>",
        escaped(title),
        if frame { "panel" } else { "box" },
        rect(at),
        n(at.x + 9.0),
        n(at.y + 6.0),
        n(stripe),
        n(stripe - 8.0),
        n(at.y + 23.0),
        escaped(name)
    );
    for (i, line) in lines.iter().enumerate() {
        let y = n(at.y + 39.0 + 15.0 * i as f64);
        let _ = write!(out, "<text class=\"soft\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(line));
    }
    out.push_str("</g>\n");
}

fn rect(at: Rect) -> String {
    format!("x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", n(at.x), n(at.y), n(at.w), n(at.h))
}

fn stroke_class(stroke: Stroke) -> &'static str {
    match stroke {
        Stroke::Plain => "plain",
        Stroke::Retry => "retry",
        Stroke::Exhausted => "exhausted",
        Stroke::Failure => "failure",
    }
}

fn outcome_class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Nothing => "nothing",
        Outcome::Failure => "failed",
        Outcome::Declined => "declined",
    }
}
