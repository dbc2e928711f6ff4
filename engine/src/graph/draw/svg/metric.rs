//! How wide text is, without a font at hand: never less than it will be.

/// Width of a monospaced character, in ems: that of the widest of the usual fonts.
const MONO: f64 = 0.61;
/// Line height, in ems.
pub(super) const LINE: f64 = 1.3;

/// Width of `text` in a monospaced font of this size.
pub(super) fn mono(text: &str, size: f64) -> f64 {
    let ems: f64 = text.chars().map(|c| if c.is_ascii() { MONO } else { foreign(c) }).sum();
    ems * size
}

/// Width of `text` in a proportional font of this size, in bold.
pub(super) fn sans(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ';' | ':' | '\'' | '|' | '!' | ' ' => 0.42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 1.12,
        c if c.is_ascii_uppercase() => 0.88,
        c if c.is_ascii() => 0.76,
        c => foreign(c),
    };
    text.chars().map(em).sum::<f64>() * size
}

/// A character that may come from another font than its neighbours.
fn foreign(c: char) -> f64 {
    if c < '\u{2e80}' { 0.9 } else { 1.35 }
}

/// `text` on one line without control characters, cut so that a monospaced font of this size keeps it within `most`.
pub(super) fn cut(text: &str, size: f64, most: f64) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if mono(&text, size) <= most {
        return text;
    }
    let mut kept = String::new();
    for c in text.chars() {
        if mono(&kept, size) + mono("….", size) > most {
            break;
        }
        kept.push(c);
    }
    format!("{}…", kept.trim_end())
}

/// `text` in lines that a proportional font of this size keeps within `most`, so many at most.
pub(super) fn wrap(text: &str, size: f64, most: f64, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if sans(&longer, size) <= most || line.is_empty() {
            line = longer;
        } else {
            out.push(std::mem::replace(&mut line, word.to_owned()));
        }
    }
    if !line.is_empty() {
        out.push(line);
    }
    let more = out.len() > lines;
    out.truncate(lines);
    for (i, line) in out.iter_mut().enumerate() {
        let last = more && i + 1 == lines;
        if !last && sans(line, size) <= most {
            continue;
        }
        while sans(line, size) + sans("…", size) > most && line.pop().is_some() {}
        line.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{cut, mono, sans, wrap};

    #[test]
    fn text_is_cut_and_wrapped_to_its_width() {
        assert_eq!(cut("short", 10.0, 100.0), "short");
        let text = cut(&"long ".repeat(40), 10.0, 100.0);
        assert!(text.ends_with('…') && mono(&text, 10.0) <= 100.0, "{text}");
        let lines = wrap("one two three four five six", 10.0, 100.0, 9);
        assert_eq!(lines.join(" "), "one two three four five six");
        assert!(lines.len() > 1 && lines.iter().all(|line| sans(line, 10.0) <= 100.0), "{lines:?}");
        let lines = wrap(&"word ".repeat(40), 10.0, 100.0, 2);
        assert!(lines.len() == 2 && !lines[0].ends_with('…') && lines[1].ends_with('…'), "{lines:?}");
        let lines = wrap(&"x".repeat(200), 10.0, 100.0, 2);
        assert!(lines.len() == 1 && sans(&lines[0], 10.0) <= 100.0, "{lines:?}");
    }
}
