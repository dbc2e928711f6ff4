//! For tests: a git repository in an empty folder.

use std::path::Path;

/// Makes `dir` a repository with these files in one commit, and gives the commit.
pub(crate) fn repository(dir: &Path, files: &[(&str, &str)]) -> String {
    let repo = git2::Repository::init(dir).unwrap();
    let mut index = repo.index().unwrap();
    for (path, content) in files {
        let file = dir.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, content).unwrap();
        index.add_path(Path::new(path)).unwrap();
    }
    index.write().unwrap();
    let tree = repo.find_tree(index.write_tree().unwrap()).unwrap();
    let who = git2::Signature::new("Test", "test@example.org", &git2::Time::new(1_700_000_000, 0)).unwrap();
    repo.commit(Some("HEAD"), &who, &who, "first", &tree, &[]).unwrap().to_string()
}
