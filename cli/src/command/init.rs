//! `prunella init`: a graph to begin with, its cases, and an incident to run it on.

use std::path::{Path, PathBuf};

use super::demo::sample;
use super::graph::{schema_beside, write_new};
use crate::args::InitArgs;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::shipped::FOLDER;
use crate::terminal::say;

/// Writes the files into the folder, and says what to do next. Nothing that is there is touched.
pub(super) fn init(args: &InitArgs) -> Result {
    let dir = args.dir.as_deref().unwrap_or(Path::new(""));
    let sample_dir = dir.join("sample");
    if sample_dir.exists() {
        return Err(there(&sample_dir));
    }
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for name in ["heal.yaml", "heal.test.yaml"] {
        let file = FOLDER.get_file(format!("init/{name}")).and_then(include_dir::File::contents_utf8);
        let text = file.ok_or_else(|| Failure::new(exit::BUG, format!("{name} is not compiled in")))?;
        files.push((dir.join(name), text.to_owned()));
    }
    files.extend(schema_beside(dir));
    write_new(&files)?;
    let (repo, log) = sample(&sample_dir)?;
    let graph = dir.join("heal.yaml");
    let word = |path: &Path| {
        let text = path.display().to_string();
        shlex::try_quote(&text).map(|quoted| quoted.into_owned()).unwrap_or(text)
    };
    say(format!("an incident to try it on is in {}; go on with:\n", sample_dir.display()));
    say(format!("  prunella check {}", word(&graph)));
    say(format!("  prunella graph show {}", word(&graph)));
    say(format!("  prunella graph test {}", word(&graph)));
    say(format!("  prunella run {} --incident {} --repo {}", word(&graph), word(&log), word(&repo)));
    Ok(exit::OK)
}

fn there(path: &Path) -> Failure {
    Failure::new(exit::UNREADABLE, format!("{} is there already", path.display()))
        .help("name another folder: `prunella init DIR`")
}
