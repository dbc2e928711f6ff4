//! The files of a graph: its own, and those beside it that it names. All of them are read before anything is checked,
//! and stand in one text one after the other, so that a place is one span of bytes whatever file it is in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use super::diagnostic::{Diagnostic, Report};
use super::yaml::{self, Node};
use super::{keys, lower};
use crate::{Kinds, SettingType};

/// Most files beside a graph.
const MAX_FILES: usize = 64;
/// The most bytes that all of them have together.
const MAX_TOTAL: usize = 4 * 1024 * 1024;

/// The folder that a graph file stands in.
pub trait Beside {
    /// What the file at `path` holds; the path is relative to the folder, with `/` and without `..`. Whoever reads it
    /// follows no links, and reads no more than a little over [`super::MAX_BYTES`].
    ///
    /// # Errors
    /// Why it cannot be read, a lowercase fragment.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// The texts of a graph, as a run keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The graph file.
    pub source: String,
    /// The files beside it that it names, by path.
    pub files: BTreeMap<String, String>,
}

impl From<&str> for Stored {
    fn from(source: &str) -> Self {
        Self { source: source.to_owned(), files: BTreeMap::new() }
    }
}

/// No folder: the graph is a text alone.
pub(super) struct Alone;

impl Beside for Alone {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("this graph is read as a text, without a folder".to_owned())
    }
}

/// Files by path, as they are stored with a run.
impl Beside for BTreeMap<String, String> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.get(path)
            .map(|text| text.clone().into_bytes())
            .ok_or_else(|| "it is not stored with the graph".to_owned())
    }
}

/// Why a path names no file of a graph.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It leads out of the folder, or is no path.
    Path(String),
    /// There is no such file, or it cannot be used.
    File(String),
    /// It is the graph's own file.
    Itself,
}

/// One of the files in the text.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// What findings call it.
    pub(crate) name: String,
    /// Its path from the graph's folder.
    pub(crate) path: String,
    /// Where it stands in the text of all.
    pub(crate) at: Range<usize>,
}

/// All files of a graph.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// One after the other, a line break between them.
    pub(crate) text: String,
    /// The graph's own file is the first.
    pub(crate) sources: Vec<Source>,
    /// Why others cannot be read, by path.
    missing: BTreeMap<String, String>,
    /// Those that are graphs, the first one left out.
    graphs: BTreeSet<String>,
}

impl Files {
    /// A text alone.
    pub(crate) fn alone(name: &str, text: &str) -> Self {
        let path = name.rsplit('/').next().unwrap_or(name).to_owned();
        let first = Source { name: name.to_owned(), path, at: 0..text.len() };
        Self { text: text.to_owned(), sources: vec![first], ..Self::default() }
    }

    /// The graph file `text` and all that it names beside it, directly or through other graphs.
    pub(crate) fn gather(name: &str, text: &str, kinds: &Kinds, beside: &dyn Beside) -> Self {
        let mut files = Self::alone(name, text);
        if !text.contains("file:")
            && !text.contains("graph:")
            && !text.contains("file\"")
            && !text.contains("graph\"")
        {
            return files;
        }
        let folder = name.rfind('/').map_or("", |end| &name[..=end]).to_owned();
        let mut open = VecDeque::from([(String::new(), text.to_owned())]);
        while let Some((within, text)) = open.pop_front() {
            for (written, graph) in references(&text, kinds) {
                let Ok(path) = below(&within, &written) else { continue };
                if files.missing.contains_key(&path) || files.sources.iter().any(|known| known.path == path) {
                    continue;
                }
                match files.read(&path, beside) {
                    Ok(text) => {
                        files.add(format!("{folder}{path}"), path.clone(), &text);
                        if graph {
                            files.graphs.insert(path.clone());
                            open.push_back((folder_of(&path).to_owned(), text));
                        }
                    }
                    Err(why) => {
                        files.missing.insert(path, why);
                    }
                }
            }
        }
        files
    }

    fn read(&self, path: &str, beside: &dyn Beside) -> Result<String, String> {
        if self.sources.len() > MAX_FILES {
            return Err(format!("a graph has at most {MAX_FILES} files beside it"));
        }
        let bytes = beside.read(path)?;
        if bytes.len() > yaml::MAX_BYTES || self.text.len() + bytes.len() > MAX_TOTAL {
            let each = yaml::MAX_BYTES;
            return Err(format!("a file has at most {each} bytes, all of a graph's at most {MAX_TOTAL}"));
        }
        decode(bytes).map_err(|(_, why)| why)
    }

    fn add(&mut self, name: String, path: String, text: &str) {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(text);
        self.sources.push(Source { name, path, at: start..self.text.len() });
    }

    /// Those that are graphs, in the order in which they were found; the first file is left out.
    pub(crate) fn graphs(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().skip(1).filter(|source| self.graphs.contains(&source.path))
    }

    /// The files beside the graph by path.
    pub(crate) fn beside(&self) -> BTreeMap<String, String> {
        let beside = self.sources.iter().skip(1);
        beside
            .map(|source| {
                (source.path.clone(), self.text.get(source.at.clone()).unwrap_or_default().to_owned())
            })
            .collect()
    }

    /// The file in which the byte `at` stands.
    pub(crate) fn at(&self, at: usize) -> Option<&Source> {
        let after = self.sources.partition_point(|source| source.at.start <= at);
        self.sources.get(after.checked_sub(1)?)
    }

    /// The file that the text `written` at byte `at` names.
    pub(crate) fn find(&self, at: usize, written: &str) -> Result<&Source, Refused> {
        let within = match self.at(at) {
            Some(source) if source.at.start > 0 => folder_of(&source.path),
            _ => "",
        };
        let path = below(within, written).map_err(Refused::Path)?;
        if let Some(why) = self.missing.get(&path) {
            return Err(Refused::File(format!("`{path}` cannot be read: {why}")));
        }
        match self.sources.iter().position(|source| source.path == path) {
            Some(0) => Err(Refused::Itself),
            Some(found) => Ok(&self.sources[found]),
            None => Err(Refused::File(format!("`{path}` was not read"))),
        }
    }
}

/// The text that a file holds, UTF-8 without NUL.
///
/// # Errors
/// The byte up to which it is one, and why not further, a lowercase fragment.
fn decode(bytes: Vec<u8>) -> Result<String, (usize, String)> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err((0, "it is UTF-16: save it as UTF-8".to_owned()));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err((at, "it is no text: it holds a NUL byte".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        (at, "it is not UTF-8: save it in that encoding".to_owned())
    })
}

/// The text of a graph file that holds `bytes`; `name` is what findings call it.
///
/// # Errors
/// That it is no text, with its place.
pub fn text(name: &str, bytes: Vec<u8>) -> Result<String, Box<Diagnostic>> {
    let lossy = String::from_utf8_lossy(&bytes).into_owned();
    decode(bytes).map_err(|(at, why)| {
        let mut report = Report::new(name, &lossy);
        report.error("E062", &(at..at + 1), why);
        let mut found = report.finish();
        let mut found = found.remove(0);
        found.beside = Some(lossy.as_str().into());
        Box::new(found)
    })
}

/// Whether what `graph:` says is the path of a file; a name has neither a dot nor a slash.
pub(crate) fn is_file(graph: &str) -> bool {
    graph.contains(['/', '.', '\\'])
}

/// The folder of a path, without the last slash.
fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |end| &path[..end])
}

/// `written` as a path from the graph's folder, for a file in the folder `within`.
fn below(within: &str, written: &str) -> Result<String, String> {
    if written.is_empty() || written.len() > 1024 {
        return Err("this is no path".to_owned());
    }
    if written.starts_with('/') || written.contains(['\\', '\0', '\n', ':']) {
        return Err(format!("`{}` is no path below the graph's folder", written.escape_debug()));
    }
    let mut parts: Vec<&str> = within.split('/').filter(|part| !part.is_empty()).collect();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err(format!("`{written}` leads out of the graph's folder"));
                }
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() || written.ends_with('/') {
        return Err(format!("`{written}` is a folder"));
    }
    Ok(parts.join("/"))
}

/// The files that a graph file names, and whether each is a graph. What cannot be read names none: reading it again
/// says why.
fn references(text: &str, kinds: &Kinds) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let Ok(Some(root)) = yaml::tree("", text) else { return found };
    let inner = get(&root, "graphs").and_then(Node::entries).unwrap_or_default();
    for graph in std::iter::once(&root).chain(inner.iter().map(|(_, graph)| graph)) {
        for (name, node) in get(graph, "nodes").and_then(Node::entries).unwrap_or_default() {
            let kind = get(node, "kind").and_then(Node::text).unwrap_or(&name.name);
            of_node(kind, node, kinds, &mut found);
        }
    }
    for (kind, default) in get(&root, "defaults").and_then(Node::entries).unwrap_or_default() {
        of_node(&kind.name, default, kinds, &mut found);
    }
    found
}

fn of_node(kind: &str, node: &Node, kinds: &Kinds, found: &mut Vec<(String, bool)>) {
    if keys::CALLS.iter().any(|call| call.name == kind) {
        if let Some(graph) = get(node, "graph").and_then(Node::text).filter(|graph| is_file(graph)) {
            found.push((graph.to_owned(), true));
        }
        return;
    }
    let Some(kind) = kinds.kinds.get(kind) else { return };
    for setting in kind.settings.iter().filter(|setting| matches!(setting.ty, SettingType::Template(_))) {
        if let Some(path) = get(node, setting.name).and_then(lower::file_of).and_then(Node::text) {
            found.push((path.to_owned(), false));
        }
    }
}

fn get<'y>(node: &'y Node, key: &str) -> Option<&'y Node> {
    node.entries()?.iter().find(|(known, _)| known.name == key).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_folder() {
        let good = |within, written| below(within, written).unwrap();
        assert_eq!(good("", "./a/b.md"), "a/b.md");
        assert_eq!(good("a", "../c.md"), "c.md");
        assert_eq!(good("a/b", ".//x"), "a/b/x");
        for (within, written) in [
            ("", ""),
            ("", "/etc/passwd"),
            ("", "../x"),
            ("a", "../../x"),
            ("", "a/../../x"),
            ("", "a\\b"),
            ("", "C:/x"),
            ("", "a/.."),
            ("", "a/"),
            ("", "."),
        ] {
            assert!(below(within, written).is_err(), "{within} {written}");
        }
    }

    #[test]
    fn a_byte_is_in_one_file() {
        let mut files = Files::alone("dir/m.yaml", "ab");
        files.add("dir/p.md".to_owned(), "p.md".to_owned(), "cd");
        assert_eq!(files.text, "ab\ncd");
        let path = |at| files.at(at).map(|source| source.path.as_str());
        assert_eq!(
            (path(0), path(2), path(3), path(99)),
            (Some("m.yaml"), Some("m.yaml"), Some("p.md"), Some("p.md"))
        );
        assert_eq!(files.find(0, "p.md").map(|source| source.at.clone()), Ok(3..5));
        assert_eq!(files.find(0, "./m.yaml").unwrap_err(), Refused::Itself);
        assert_eq!(files.beside(), BTreeMap::from([("p.md".to_owned(), "cd".to_owned())]));
    }
}
