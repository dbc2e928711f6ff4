//! `prunella demo`: the shipped example, laid out and healed.

use std::path::{Path, PathBuf};

use include_dir::Dir;
use prunella_nodes::world::git::create;

use super::run::run;
use crate::args::{Cli, Command, DemoArgs};
use crate::exit;
use crate::failure::{Failure, Result};
use crate::shipped::FOLDER;
use crate::terminal::say;

/// Lays the example out as a git repository, prints the command that a user would type, and runs it.
pub(super) fn demo(args: &DemoArgs, store: Option<PathBuf>) -> Result {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => free_folder()?,
    };
    let (repo, log) = sample(&dir)?;
    let (repo, log) = (repo.display().to_string(), log.display().to_string());
    let mut words = vec!["prunella".to_owned()];
    if let Some(store) = &store {
        words.extend(["--store".to_owned(), store.display().to_string()]);
    }
    words.extend(["run", "self-heal", "--incident", &log, "--repo", &repo].map(str::to_owned));
    say(format!("the example is in {}; this is what you would type:\n", dir.display()));
    say(format!(
        "  {}\n",
        shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
    ));
    let cli =
        <Cli as clap::Parser>::try_parse_from(&words).map_err(|e| Failure::new(exit::BUG, e.to_string()))?;
    match cli.command {
        Command::Run(args) => run(&args, cli.store),
        _ => Err(Failure::new(exit::BUG, "the demo's command is no `run`")),
    }
}

/// `prunella-demo`, or the first free `prunella-demo-N`.
fn free_folder() -> Result<PathBuf> {
    std::iter::once("prunella-demo".to_owned())
        .chain((2..1000).map(|n| format!("prunella-demo-{n}")))
        .map(PathBuf::from)
        .find(|dir| !dir.exists())
        .ok_or_else(|| Failure::usage("there are a thousand demos here").help("name a folder"))
}

/// The example in a new folder: its repository, with one commit, and its log.
///
/// # Errors
/// Exit 5 when the folder holds something, or cannot be written.
pub(super) fn sample(dir: &Path) -> Result<(PathBuf, PathBuf)> {
    let refused = |e: std::io::Error| {
        Failure::new(exit::UNREADABLE, format!("{} cannot be written: {e}", dir.display()))
    };
    if dir.exists() && std::fs::read_dir(dir).map_err(refused)?.next().is_some() {
        return Err(Failure::new(exit::UNREADABLE, format!("{} is not empty", dir.display()))
            .help("name a new folder"));
    }
    let repo = dir.join("repo");
    std::fs::create_dir_all(&repo).map_err(refused)?;
    write(FOLDER.get_dir("demo/repo"), &repo).map_err(refused)?;
    let log = dir.join("incident.log");
    let text = FOLDER.get_file("demo/incident.log").map(include_dir::File::contents).unwrap_or_default();
    std::fs::write(&log, text).map_err(refused)?;
    create(&repo, "The billing service of the demo")?;
    Ok((repo, log))
}

fn write(from: Option<&Dir<'_>>, to: &Path) -> std::io::Result<()> {
    let Some(from) = from else { return Ok(()) };
    for file in from.files() {
        std::fs::write(to.join(file.path().file_name().unwrap_or_default()), file.contents())?;
    }
    for folder in from.dirs() {
        let to = to.join(folder.path().file_name().unwrap_or_default());
        std::fs::create_dir_all(&to)?;
        write(Some(folder), &to)?;
    }
    Ok(())
}
