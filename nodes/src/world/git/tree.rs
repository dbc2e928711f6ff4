//! Trees: listing one, and laying edits over one. Computing a tree and writing it go through the same code, so
//! the hash that was judged is the hash that is committed.

use std::collections::BTreeMap;

use git2::{ObjectType, Oid, Repository, Tree};
use prunella_engine::EffectError;

use super::{FileEdit, UNREADABLE, failed, tree};

/// The most files a repository may have. A tree of a few hundred bytes can unfold to billions of paths.
const MOST_FILES: usize = 1_000_000;
/// The deepest path that an edit may have.
const DEEPEST: usize = 64;

/// The mode of a folder, a submodule, a symbolic link, a file and an executable file, as git writes them.
const FOLDER: i32 = 0o040_000;
const SUBMODULE: i32 = 0o160_000;
pub(super) const LINK: i32 = 0o120_000;
const FILE: i32 = 0o100_644;
pub(super) const EXECUTABLE: i32 = 0o100_755;

/// A file of a commit.
pub(super) struct TreeFile {
    /// Its path in bytes; git does not demand UTF-8.
    pub(super) path: Vec<u8>,
    pub(super) id: Oid,
    pub(super) mode: i32,
}

/// All files of `commit` but submodules, in tree order.
pub(super) fn files_below(repo: &Repository, commit: &str) -> Result<Vec<TreeFile>, EffectError> {
    let mut files = Vec::new();
    let mut folders = vec![(Vec::new(), tree(repo, commit)?.id())];
    while let Some((prefix, id)) = folders.pop() {
        let folder = repo.find_tree(id).map_err(failed("list files"))?;
        for entry in &folder {
            let mut path = prefix.clone();
            path.extend_from_slice(entry.name_bytes());
            match entry.filemode_raw() {
                SUBMODULE => {}
                FOLDER => {
                    path.push(b'/');
                    folders.push((path, entry.id()));
                }
                mode => files.push(TreeFile { path, id: entry.id(), mode }),
            }
            if files.len() + folders.len() > MOST_FILES {
                return Err(EffectError::new(
                    "git.too_many_files",
                    UNREADABLE,
                    format!("commit {commit} has more than {MOST_FILES} files"),
                ));
            }
        }
    }
    Ok(files)
}

/// Edits by path component.
enum Edit<'e> {
    /// New content, or nothing for a deletion.
    File(Option<&'e [u8]>),
    Folder(Edits<'e>),
}

type Edits<'e> = BTreeMap<&'e str, Edit<'e>>;

/// Where finished objects go: to the object database, or only through the hash.
type Sink<'s> = dyn FnMut(ObjectType, &[u8]) -> Result<Oid, git2::Error> + 's;

/// Writes the tree of `commit` with `edits` laid over it to the repository's object database. A file that was
/// executable stays so; all else about a new or changed file is plain.
///
/// # Errors
/// When the commit cannot be read or a path is no path of a tree.
pub fn write_tree(repo: &Repository, commit: &str, edits: &[FileEdit]) -> Result<Oid, EffectError> {
    let odb = repo.odb().map_err(failed("open the object database"))?;
    lay_over(repo, commit, edits, &mut |kind, bytes| odb.write(kind, bytes))
}

/// The id that [`write_tree`] would return, without writing anything.
pub(super) fn hash_tree(repo: &Repository, commit: &str, edits: &[FileEdit]) -> Result<Oid, EffectError> {
    lay_over(repo, commit, edits, &mut Oid::hash_object)
}

fn lay_over(
    repo: &Repository,
    commit: &str,
    edits: &[FileEdit],
    sink: &mut Sink<'_>,
) -> Result<Oid, EffectError> {
    let mut by_component = Edits::new();
    for (path, content) in edits {
        insert(&mut by_component, path, path, content.as_deref(), 0)?;
    }
    let base = tree(repo, commit)?;
    match build(repo, Some(&base), &by_component, sink)? {
        Some(id) => Ok(id),
        None => sink(ObjectType::Tree, b"").map_err(failed("write a tree")),
    }
}

fn insert<'e>(
    edits: &mut Edits<'e>,
    whole: &str,
    rest: &'e str,
    content: Option<&'e [u8]>,
    depth: usize,
) -> Result<(), EffectError> {
    let refused =
        |why: &str| EffectError::new("git.path", UNREADABLE, format!("the path {whole:?} is refused: {why}"));
    if depth >= DEEPEST {
        return Err(refused("it is too deep"));
    }
    let (name, below) = rest.split_once('/').map_or((rest, None), |(name, below)| (name, Some(below)));
    if !is_plain(name) {
        return Err(refused("it leaves the repository or reaches into .git"));
    }
    match below {
        None => {
            if edits.insert(name, Edit::File(content)).is_some() {
                return Err(refused("it is edited twice"));
            }
        }
        Some(below) => match edits.entry(name).or_insert_with(|| Edit::Folder(Edits::new())) {
            Edit::Folder(inner) => insert(inner, whole, below, content, depth + 1)?,
            Edit::File(_) => return Err(refused("it is a file and a folder")),
        },
    }
    Ok(())
}

/// Whether `name` can be one component of a path: not empty, no way up, not `.git`.
pub(super) fn is_component(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && !name.eq_ignore_ascii_case(b".git")
        && !name.iter().any(|b| matches!(b, 0 | b'/'))
}

/// Whether an edit may name this component: besides the above, no spelling that some file system takes for
/// `.git` (HFS+ ignores some characters, NTFS dots and spaces at the end, and it has short names and streams).
fn is_plain(name: &str) -> bool {
    let invisible = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let text: String = name.chars().filter(|c| !invisible(c)).collect();
    let bare = text.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    is_component(name.as_bytes())
        && !name.contains(['\\', '\n', '\r'])
        && !["", ".git", "git~1"].iter().any(|git| bare.eq_ignore_ascii_case(git))
}

/// The tree of `base` with `edits`, or nothing when no entry is left.
fn build(
    repo: &Repository,
    base: Option<&Tree<'_>>,
    edits: &Edits<'_>,
    sink: &mut Sink<'_>,
) -> Result<Option<Oid>, EffectError> {
    let mut entries: BTreeMap<Vec<u8>, (i32, Oid)> = BTreeMap::new();
    for entry in base.into_iter().flat_map(Tree::iter) {
        entries.insert(entry.name_bytes().to_vec(), (entry.filemode_raw(), entry.id()));
    }
    for (name, edit) in edits {
        let old = entries.get(name.as_bytes()).copied();
        let clash = |what: &str| {
            EffectError::new("git.path", UNREADABLE, format!("{name:?} is {what} at the base commit"))
        };
        let new = match edit {
            Edit::File(None) => None,
            Edit::File(Some(content)) => {
                let mode = match old {
                    Some((FOLDER | SUBMODULE, _)) => return Err(clash("a folder")),
                    Some((EXECUTABLE, _)) => EXECUTABLE,
                    _ => FILE,
                };
                Some((mode, sink(ObjectType::Blob, content).map_err(failed("write a file"))?))
            }
            Edit::Folder(inner) => {
                let below = match old {
                    Some((FOLDER, id)) => Some(repo.find_tree(id).map_err(failed("read a tree"))?),
                    Some(_) => return Err(clash("no folder")),
                    None => None,
                };
                build(repo, below.as_ref(), inner, sink)?.map(|id| (FOLDER, id))
            }
        };
        match new {
            Some(entry) => entries.insert(name.as_bytes().to_vec(), entry),
            None => entries.remove(name.as_bytes()),
        };
    }
    if entries.is_empty() {
        return Ok(None);
    }
    // Git sorts a folder as if its name ended in a slash.
    let mut sorted: Vec<_> = entries.into_iter().collect();
    let key = |(name, (mode, _)): &(Vec<u8>, (i32, Oid))| {
        let mut key = name.clone();
        if *mode == FOLDER {
            key.push(b'/');
        }
        key
    };
    sorted.sort_by_cached_key(key);
    let mut bytes = Vec::new();
    for (name, (mode, id)) in sorted {
        bytes.extend_from_slice(format!("{mode:o} ").as_bytes());
        bytes.extend_from_slice(&name);
        bytes.push(0);
        bytes.extend_from_slice(id.as_bytes());
    }
    sink(ObjectType::Tree, &bytes).map(Some).map_err(failed("write a tree"))
}
