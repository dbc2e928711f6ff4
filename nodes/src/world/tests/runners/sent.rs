//! What our driver (`harness/prunella_run.sh`) sent over the channel.

/// A file that the driver sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentFile {
    /// Which report, or which stream, it is.
    pub(super) label: String,
    /// Its path in the sandbox.
    pub(super) path: String,
    /// Its content.
    pub(super) content: Vec<u8>,
}

/// Everything that was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// The status of the build, where there was one.
    pub(super) built: Option<i32>,
    /// Files in the order they came.
    pub(super) files: Vec<SentFile>,
    /// Reports that were there before and could not be removed.
    pub(super) stale: Vec<String>,
    /// The command's status; nothing when the driver did not come to its end.
    pub(super) end: Option<i32>,
    /// Whether something else came in between.
    pub(super) nonsense: bool,
}

/// Reads a channel: lines, and after `file SIZE LABEL PATH` so many bytes.
pub(super) fn read(channel: &[u8]) -> Sent {
    let mut out = Sent::default();
    let mut rest = channel;
    while let Some(at) = rest.iter().position(|b| *b == b'\n') {
        let (line, after) = rest.split_at(at);
        rest = after.get(1..).unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.splitn(4, ' ');
        let (word, first) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if out.end.is_some() {
            out.nonsense = true;
            break;
        }
        match (word, first.parse::<usize>()) {
            ("file", Ok(size)) if size <= rest.len() => {
                let (content, after) = rest.split_at(size);
                out.files.push(SentFile {
                    label: words.next().unwrap_or_default().to_owned(),
                    path: words.next().unwrap_or_default().to_owned(),
                    content: content.to_vec(),
                });
                match after.split_first() {
                    Some((b'\n', after)) => rest = after,
                    _ => {
                        out.nonsense = true;
                        return out;
                    }
                }
            }
            ("built", Ok(_)) => out.built = first.parse().ok(),
            ("end", Ok(_)) => out.end = first.parse().ok(),
            ("stale", _) => out.stale.push(line.strip_prefix("stale ").unwrap_or_default().to_owned()),
            _ => {
                out.nonsense = true;
                return out;
            }
        }
    }
    out.nonsense |= !rest.is_empty();
    out
}

impl Sent {
    /// The text of the file with this label.
    pub(super) fn text(&self, label: &str) -> String {
        let found = self.files.iter().find(|file| file.label == label);
        found.map(|file| String::from_utf8_lossy(&file.content).into_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_may_hold_anything() {
        let channel = b"built 0\nfile 6 r0 a b.xml\nend 0\n\nfile 0 r1 c\n\nstale d\nend 3\n";
        let sent = read(channel);
        assert_eq!((sent.built, sent.end, sent.nonsense), (Some(0), Some(3), false));
        assert_eq!(sent.files[0].content, b"end 0\n");
        assert_eq!(sent.files[0].path, "a b.xml");
        assert_eq!(sent.stale, ["d"]);
    }

    #[test]
    fn what_breaks_off_or_goes_on_is_nonsense() {
        for channel in ["file 9 r0 a\nab", "hello\n", "end 0\nend 0\n", "file 1 r0 a\nabc\n", "end 0\nx"] {
            assert!(read(channel.as_bytes()).nonsense, "{channel}");
        }
        assert_eq!(read(b"built 0\n").end, None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(channel in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = read(&channel);
        }
    }
}
