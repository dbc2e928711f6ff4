//! A picture as a reader sees it: boxes, words and lines read from the SVG's text, and what may not be among them.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
}

impl Rect {
    /// Whether both have more than a seam in common.
    fn overlaps(&self, other: &Self) -> bool {
        let apart = |a: f64, aw: f64, b: f64, bw: f64| a + aw <= b + 0.2 || b + bw <= a + 0.2;
        !apart(self.x, self.w, other.x, other.w) && !apart(self.y, self.h, other.y, other.h)
    }

    fn holds(&self, other: &Self) -> bool {
        let within = |a: f64, aw: f64, b: f64, bw: f64| a <= b + 0.2 && b + bw <= a + aw + 0.2;
        within(self.x, self.w, other.x, other.w) && within(self.y, self.h, other.y, other.h)
    }

    /// Whether the point lies within, not on the border.
    fn has(&self, (x, y): (f64, f64)) -> bool {
        x > self.x + 1.0 && x < self.x + self.w - 1.0 && y > self.y + 1.0 && y < self.y + self.h - 1.0
    }
}

/// Words with the place that they take.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    at: Rect,
}

/// What is in a picture.
#[derive(Debug, Default)]
pub(crate) struct Look {
    view: (f64, f64),
    nodes: Vec<Rect>,
    /// Nodes and frames with a graph inside.
    frames: Vec<Rect>,
    node_frames: usize,
    ends: Vec<Rect>,
    labels: Vec<Rect>,
    pub(crate) texts: Vec<Text>,
    pub(crate) titles: Vec<String>,
    /// Points along each line.
    pub(crate) lines: Vec<Vec<(f64, f64)>>,
}

/// An element that is open.
struct Open {
    name: String,
    class: String,
    shift: (f64, f64),
    text: Option<(f64, f64, f64, bool)>,
}

impl Look {
    pub(crate) fn at(svg: &str) -> Self {
        let mut look = Self::default();
        let mut reader = Reader::from_str(svg);
        let mut open: Vec<Open> = Vec::new();
        let mut words = String::new();
        loop {
            match reader.read_event().expect("well-formed XML") {
                Event::Eof => break,
                Event::Start(tag) => {
                    let one = look.element(&tag, open.last());
                    words.clear();
                    open.push(one);
                }
                Event::Empty(tag) => {
                    let _ = look.element(&tag, open.last());
                }
                Event::Text(text) => words.push_str(&text.into_inner()),
                Event::GeneralRef(name) => words.push_str(match name.as_ref() {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "#39" => "'",
                    other => panic!("an entity {other:?}"),
                }),
                Event::End(_) => {
                    let one = open.pop().expect("an element ends that began");
                    if one.name == "title" {
                        look.titles.push(words.clone());
                    }
                    if let Some((x, y, size, middle)) = one.text {
                        // In the usual fonts a monospaced character is 0.6 ems wide, a proportional one hardly more.
                        let w = words.chars().count() as f64 * size * 0.602;
                        let at =
                            Rect { x: if middle { x - w / 2.0 } else { x }, y: y - size * 0.78, w, h: size };
                        look.texts.push(Text { text: words.clone(), at });
                    }
                    words.clear();
                }
                _ => {}
            }
        }
        assert!(open.is_empty());
        look
    }

    fn element(&mut self, tag: &BytesStart<'_>, parent: Option<&Open>) -> Open {
        let name = tag.name().as_ref().to_owned();
        let attribute = |name: &str| {
            tag.attributes()
                .map(|one| one.expect("an attribute"))
                .find_map(|one| (one.key.as_ref() == name).then(|| one.value.into_owned()))
        };
        let number = |name: &str| attribute(name).map_or(0.0, |text| text.parse().expect("a number"));
        let class = attribute("class").unwrap_or_default();
        let inherited = parent.map_or((0.0, 0.0), |parent| parent.shift);
        let shift = attribute("transform").map_or(inherited, |text| {
            let inner =
                text.strip_prefix("translate(").and_then(|text| text.strip_suffix(')')).expect("a move");
            let (x, y) = inner.split_once(' ').expect("two numbers");
            (x.parse().expect("a number"), y.parse().expect("a number"))
        });
        let of = parent.map(|parent| parent.class.as_str()).unwrap_or_default();
        match name.as_str() {
            "svg" => self.view = (number("width"), number("height")),
            "rect" => {
                let at = Rect { x: number("x"), y: number("y"), w: number("width"), h: number("height") };
                match (of.split(' ').next().unwrap_or_default(), class.as_str()) {
                    ("node", "panel") => {
                        self.frames.push(at);
                        self.node_frames += 1;
                    }
                    ("node", _) => self.nodes.push(at),
                    ("frame", _) => self.frames.push(at),
                    ("end", _) => self.ends.push(at),
                    ("label", _) => self.labels.push(at),
                    _ => {}
                }
            }
            "path" if class == "line" && of.starts_with("way") => {
                let d = attribute("d").expect("a path");
                let points = points(&d).into_iter().map(|(x, y)| (x + shift.0, y + shift.1));
                self.lines.push(points.collect());
            }
            _ => {}
        }
        let text = (name == "text").then(|| {
            let size = if class.contains("sans h") {
                18.0
            } else if class.contains("sans p") {
                13.0
            } else if class == "name" {
                14.0
            } else {
                11.0
            };
            let middle = attribute("text-anchor").is_some_and(|anchor| anchor == "middle");
            (number("x"), number("y"), size, middle)
        });
        Open { name, class, shift, text }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len() + self.node_frames
    }

    pub(crate) fn ends(&self) -> usize {
        self.ends.len()
    }

    /// Fails where something covers another thing or leaves the picture.
    pub(crate) fn must_be_clear(&self, name: &str) {
        let view = Rect { x: 0.0, y: 0.0, w: self.view.0, h: self.view.1 };
        let boxes: Vec<Rect> = self.nodes.iter().chain(&self.ends).copied().collect();
        let solid: Vec<Rect> = boxes.iter().chain(&self.labels).copied().collect();
        for (i, a) in solid.iter().enumerate() {
            assert!(view.holds(a), "{name}: {a:?} leaves the picture {view:?}");
            for b in &solid[i + 1..] {
                assert!(!a.overlaps(b), "{name}: {a:?} and {b:?} overlap");
            }
            for frame in &self.frames {
                assert!(
                    frame.holds(a) || !frame.overlaps(a),
                    "{name}: {a:?} stands on the border of {frame:?}"
                );
            }
        }
        for (i, a) in self.frames.iter().enumerate() {
            assert!(view.holds(a), "{name}: the frame {a:?} leaves the picture");
            for b in &self.frames[i + 1..] {
                assert!(a.holds(b) || b.holds(a) || !a.overlaps(b), "{name}: frames {a:?} and {b:?} overlap");
            }
        }
        for (i, a) in self.texts.iter().enumerate() {
            assert!(view.holds(&a.at), "{name}: {a:?} leaves the picture");
            for b in &self.texts[i + 1..] {
                assert!(!a.at.overlaps(&b.at), "{name}: {a:?} and {b:?} overlap");
            }
            let around = solid.iter().filter(|one| one.overlaps(&a.at));
            for one in around {
                assert!(one.holds(&a.at), "{name}: {a:?} leaves its box {one:?}");
            }
        }
        for line in &self.lines {
            for point in line {
                assert!(view.has(*point), "{name}: a line leaves the picture at {point:?}");
                let hit = boxes.iter().find(|one| one.has(*point));
                assert!(hit.is_none(), "{name}: a line runs through {hit:?} at {point:?}");
            }
            for frame in &self.frames {
                let inside = line.iter().filter(|point| frame.has(**point)).count();
                let outside = line.iter().filter(|(x, y)| {
                    let (right, bottom) = (frame.x + frame.w, frame.y + frame.h);
                    *x < frame.x - 1.0 || *x > right + 1.0 || *y < frame.y - 1.0 || *y > bottom + 1.0
                });
                assert!(
                    inside == 0 || outside.count() == 0,
                    "{name}: a line crosses the border of {frame:?}"
                );
            }
        }
    }
}

/// Points along a path of absolute commands.
fn points(d: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut rest = d;
    while let Some(command) = rest.chars().next() {
        rest = &rest[1..];
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let numbers: Vec<f64> =
            rest[..end].split_whitespace().map(|text| text.parse().expect("a number")).collect();
        rest = &rest[end..];
        let from = points.last().copied().unwrap_or_default();
        let bend = |controls: [(f64, f64); 4]| {
            (1..=24).map(move |i| {
                let t = f64::from(i) / 24.0;
                let u = 1.0 - t;
                let weights = [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t];
                let sum =
                    |of: fn(&(f64, f64)) -> f64| controls.iter().zip(weights).map(|(p, w)| of(p) * w).sum();
                (sum(|p| p.0), sum(|p| p.1))
            })
        };
        let straight = |to: (f64, f64)| {
            (1..=24).map(move |i| {
                let t = f64::from(i) / 24.0;
                (from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t)
            })
        };
        match (command, numbers.as_slice()) {
            ('M', [x, y]) => points.push((*x, *y)),
            ('L', [x, y]) => points.extend(straight((*x, *y))),
            ('V', [y]) => points.extend(straight((from.0, *y))),
            ('C', [ax, ay, bx, by, x, y]) => points.extend(bend([from, (*ax, *ay), (*bx, *by), (*x, *y)])),
            ('Q', [cx, cy, x, y]) => {
                let third = |a: f64, c: f64| a + (c - a) * 2.0 / 3.0;
                let one = (third(from.0, *cx), third(from.1, *cy));
                let two = (third(*x, *cx), third(*y, *cy));
                points.extend(bend([from, one, two, (*x, *y)]));
            }
            other => panic!("a path with {other:?}"),
        }
    }
    points
}
