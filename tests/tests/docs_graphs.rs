//! `docs/graphs.md` has every shipped graph with its drawing, and each is what the binary makes of it now.
//!
//! `UPDATE=1 cargo test --workspace --test docs_graphs` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prunella_tests::Prunella;

/// The files of the page, by path from the repository's top.
fn made() -> BTreeMap<PathBuf, String> {
    let prunella = Prunella::new();
    let listed = prunella.run(&["graph", "list"]).code(0).stdout;
    let mut page = String::from(
        "# The graphs that ship\n\n\
         <!-- Written by `UPDATE=1 cargo test --workspace --test docs_graphs`; the same test fails where it is not what it should be. -->\n\n\
         `prunella run NAME` runs one as it is, `prunella graph copy NAME` makes it one's own, `prunella graph test NAME` plays its\n\
         cases, `prunella graph show NAME --format svg` draws it. A dashed line is a loop with the most passes through it; a dotted\n\
         one is what happens when they are used up, or when a node fails.\n\n\
         | graph | when to choose it |\n|---|---|\n",
    );
    let mut drawn = String::new();
    let mut files = BTreeMap::new();
    for line in listed.lines() {
        let (name, about) = line.split_once(' ').unwrap();
        let about = about.trim();
        page.push_str(&format!("| [{name}](#{name}) | {about} |\n"));
        let (first, rest) = about.split_at(1);
        let sentence = format!("{}{rest}.", first.to_uppercase());
        drawn.push_str(&format!("\n## {name}\n\n{sentence}\n\n![The graph {name}](graphs/{name}.svg)\n"));
        let svg = prunella.run(&["graph", "show", name, "--format", "svg"]).code(0).stdout;
        files.insert(PathBuf::from(format!("docs/graphs/{name}.svg")), svg);
    }
    page.push_str(&drawn);
    files.insert("docs/graphs.md".into(), page);
    files
}

#[test]
fn the_page_and_its_drawings_are_what_the_binary_makes() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let made = made();
    let update = std::env::var_os("UPDATE").is_some();
    for (file, text) in &made {
        if update {
            std::fs::write(top.join(file), text).unwrap();
        }
        let there = std::fs::read_to_string(top.join(file)).unwrap_or_default();
        let hint = "`UPDATE=1 cargo test --workspace --test docs_graphs` writes it";
        assert!(there == *text, "{} is not what it should be: {hint}", file.display());
    }
    // No drawing is left over from a graph that is gone.
    for entry in std::fs::read_dir(top.join("docs/graphs")).unwrap() {
        let file = Path::new("docs/graphs").join(entry.unwrap().file_name());
        assert!(made.contains_key(&file), "{} belongs to no shipped graph", file.display());
    }
}
