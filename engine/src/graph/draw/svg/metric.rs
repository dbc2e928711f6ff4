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
        let dots = more && i + 1 == lines;
        while sans(line, size) + sans("…", size) > most && line.chars().count() > 1 {
            line.pop();
            if sans(line, size) + sans("…", size) <= most {
                line.push('…');
                break;
            }
        }
        if dots && !line.ends_with('…') {
            line.push('…');
        }
    }
    out
}
