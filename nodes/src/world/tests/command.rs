//! A test command as a person types it, understood well enough to run it through our harness.

use serde::{Deserialize, Serialize};

use super::runners::Foreign;

/// A test command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// `python -m pytest …`
    Pytest {
        /// Options, each with its value in the same or the next word.
        options: Vec<String>,
        /// Files, folders and test ids.
        paths: Vec<String>,
    },
    /// `python -m unittest …`
    Unittest(Unittest),
    /// A command that our harness is not part of.
    Foreign(Foreign),
}

/// The arguments of `python -m unittest`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unittest {
    /// Modules, classes or tests by dotted name; empty for discovery.
    pub(crate) names: Vec<String>,
    /// Where discovery starts.
    pub(crate) start: String,
    /// The pattern of test files.
    pub(crate) pattern: String,
    /// The top folder of the packages, when it is not `start`.
    pub(crate) top: Option<String>,
    /// `-k` patterns.
    pub(crate) patterns: Vec<String>,
}

/// pytest's options that take a value in the next word.
const VALUED: &[&str] = &[
    "-k",
    "-m",
    "-p",
    "-c",
    "-o",
    "-W",
    "-r",
    "--deselect",
    "--ignore",
    "--ignore-glob",
    "--rootdir",
    "--confcutdir",
    "--tb",
    "--durations",
    "--import-mode",
    "--junitxml",
    "--junit-xml",
    "--log-level",
    "--log-file",
    "--log-format",
    "--log-cli-level",
    "--basetemp",
    "--color",
    "--capture",
    "--override-ini",
    "--config-file",
    "--maxfail",
    "--numprocesses",
    "-n",
    "--dist",
    "--cov-report",
    "--cov-config",
    "--timeout",
    "--asyncio-mode",
    "--doctest-glob",
    "--pythonwarnings",
    "--verbosity",
    "--show-capture",
    "--randomly-seed",
];

/// Options that would hide tests, keep state, or need what we leave out.
fn left_out(option: &str) -> bool {
    let name = option.split('=').next().unwrap_or(option);
    matches!(
        name,
        "-x" | "--exitfirst"
            | "--maxfail"
            | "-n"
            | "--numprocesses"
            | "--dist"
            | "--lf"
            | "--last-failed"
            | "--ff"
            | "--failed-first"
            | "--nf"
            | "--sw"
            | "--stepwise"
            | "--cache-clear"
            | "--pdb"
            | "--junitxml"
            | "--junit-xml"
            | "--cov"
            | "--cov-report"
            | "--cov-config"
            | "--cov-fail-under"
            | "--no-cov"
            | "--cov-branch"
            | "--cov-append"
            | "--collect-only"
            | "--co"
            | "--randomly-seed"
    ) || (name.starts_with("-n") && name.len() > 2 && name.bytes().skip(2).all(|b| b.is_ascii_digit()))
}

/// Understands `argv`: the interpreter when it names one by path, and the command.
///
/// # Errors
/// A sentence, when it is neither pytest nor unittest.
pub(crate) fn parse(argv: &[String]) -> Result<(Option<String>, Command), String> {
    let mut words: &[String] = argv;
    // `poetry run`, `uv run` and their like choose an environment; that is looked for anyway.
    if let [tool, run, rest @ ..] = words
        && ["poetry", "uv", "pipenv", "pdm", "hatch", "rye"].contains(&tool.as_str())
        && run == "run"
    {
        words = rest;
    }
    let refuse = || {
        format!(
            "`{}` is no command of a runner that is known: give `python -m pytest …`, `cargo test`, `node --test`, `go test` or their like, or say where it writes JUnit XML or TAP",
            argv.join(" ")
        )
    };
    let [program, rest @ ..] = words else { return Err("the test command is empty".to_owned()) };
    let name = program.rsplit('/').next().unwrap_or(program);
    if name == "pytest" || name == "py.test" {
        return Ok((None, pytest(rest)));
    }
    if !name.starts_with("python") && !name.starts_with("pypy") {
        return Err(refuse());
    }
    let python = program.contains('/').then(|| program.clone());
    let mut at = 0;
    // Flags of the interpreter itself; those with a value are not expected before `-m`.
    while rest.get(at).is_some_and(|word| {
        matches!(word.as_str(), "-B" | "-E" | "-I" | "-O" | "-OO" | "-s" | "-u" | "-P" | "-S")
    }) {
        at += 1;
    }
    match rest.get(at..) {
        Some([m, module, arguments @ ..]) if m == "-m" && (module == "pytest" || module == "py.test") => {
            Ok((python, pytest(arguments)))
        }
        Some([m, module, arguments @ ..]) if m == "-m" && module == "unittest" => Ok((
            python,
            Command::Unittest(unittest(arguments).map_err(|why| format!("{why} in `{}`", argv.join(" ")))?),
        )),
        _ => Err(refuse()),
    }
}

fn pytest(words: &[String]) -> Command {
    let (mut options, mut paths) = (Vec::new(), Vec::new());
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            paths.extend(words.cloned());
            break;
        }
        if !word.starts_with('-') {
            paths.push(word.clone());
            continue;
        }
        let value = if VALUED.contains(&word.as_str()) { words.next() } else { None };
        if !left_out(word) {
            options.push(word.clone());
            options.extend(value.cloned());
        }
    }
    Command::Pytest { options, paths }
}

fn unittest(words: &[String]) -> Result<Unittest, String> {
    let mut out = Unittest { start: ".".to_owned(), pattern: "test*.py".to_owned(), ..Unittest::default() };
    let discover = words.first().is_some_and(|word| word == "discover");
    let mut positional = Vec::new();
    let mut words = words.iter().skip(usize::from(discover));
    while let Some(word) = words.next() {
        let (name, inline) =
            word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n, Some(v.to_owned())));
        let mut value =
            || inline.clone().or_else(|| words.next().cloned()).ok_or(format!("`{name}` lacks its value"));
        match name {
            "-s" | "--start-directory" => out.start = value()?,
            "-p" | "--pattern" => out.pattern = value()?,
            "-t" | "--top-level-directory" => out.top = Some(value()?),
            "-k" => {
                let pattern = value()?;
                out.patterns.push(if pattern.contains('*') { pattern } else { format!("*{pattern}*") });
            }
            "-v" | "--verbose" | "-q" | "--quiet" | "-f" | "--failfast" | "-b" | "--buffer" | "-c"
            | "--catch" | "--locals" => {}
            name if name.starts_with('-') => return Err(format!("option `{name}` is not understood")),
            _ => positional.push(word.clone()),
        }
    }
    if discover {
        let mut positional = positional.into_iter();
        out.start = positional.next().unwrap_or(out.start);
        out.pattern = positional.next().unwrap_or(out.pattern);
        out.top = positional.next().or(out.top);
    } else {
        // A file's path is a module's name to unittest.
        out.names = positional
            .into_iter()
            .map(|name| name.strip_suffix(".py").map_or(name.clone(), |path| path.replace('/', ".")))
            .collect();
    }
    Ok(out)
}

impl Command {
    /// The foreign runner, when it is one.
    pub(crate) fn foreign(&self) -> Option<&Foreign> {
        match self {
            Self::Foreign(foreign) => Some(foreign),
            _ => None,
        }
    }

    /// The runner's name, such as `pytest`.
    pub(crate) fn runner(&self) -> &'static str {
        match self {
            Self::Foreign(foreign) => foreign.tool.name(),
            Self::Pytest { .. } => "pytest",
            Self::Unittest(_) => "unittest",
        }
    }

    /// The words a person would type at the top.
    pub(crate) fn words(&self) -> Vec<String> {
        if let Self::Foreign(foreign) = self {
            return foreign.words.clone();
        }
        let mut out: Vec<String> = ["python", "-m", self.runner()].map(str::to_owned).to_vec();
        match self {
            Self::Foreign(_) => {}
            Self::Pytest { options, paths } => out.extend(options.iter().chain(paths).cloned()),
            Self::Unittest(unittest) if unittest.names.is_empty() => {
                out.extend(["discover", "-s", &unittest.start, "-p", &unittest.pattern].map(str::to_owned));
                out.extend(unittest.top.iter().flat_map(|top| ["-t".to_owned(), top.clone()]));
                out.extend(unittest.patterns.iter().flat_map(|k| ["-k".to_owned(), k.clone()]));
            }
            Self::Unittest(unittest) => {
                out.extend(unittest.patterns.iter().flat_map(|k| ["-k".to_owned(), k.clone()]));
                out.extend(unittest.names.iter().cloned());
            }
        }
        out
    }
}

/// pytest's `options` without those that choose among tests: what remains when tests are named one by one.
pub(crate) fn without_choice(options: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut options = options.iter();
    while let Some(word) = options.next() {
        let name = word.split('=').next().unwrap_or(word);
        let choice = matches!(name, "-k" | "-m" | "--deselect" | "--ignore" | "--ignore-glob");
        let value = if VALUED.contains(&word.as_str()) { options.next() } else { None };
        if !choice {
            out.push(word.clone());
            out.extend(value.cloned());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn pytest_commands_keep_their_arguments() {
        for (typed, shown) in [
            ("pytest", "python -m pytest"),
            ("python3 -m pytest -q -x tests -k not_slow", "python -m pytest -q -k not_slow tests"),
            (
                "poetry run pytest --deselect tests/test_cli.py tests",
                "python -m pytest --deselect tests/test_cli.py tests",
            ),
            (
                "python -m pytest -n 4 --cov=pkg --maxfail 1 -o addopts= a b",
                "python -m pytest -o addopts= a b",
            ),
        ] {
            let (_, command) = parse(&words(typed)).unwrap();
            assert_eq!(command.words().join(" "), shown, "{typed}");
        }
        assert_eq!(parse(&words("/v/bin/python -m pytest")).unwrap().0.as_deref(), Some("/v/bin/python"));
    }

    #[test]
    fn unittest_commands_keep_their_arguments() {
        let (_, command) = parse(&words("python -m unittest discover -s tests -p *_test.py -v")).unwrap();
        assert_eq!(command.words().join(" "), "python -m unittest discover -s tests -p *_test.py");
        let (_, command) = parse(&words("python -m unittest tests/test_a.py pkg.mod")).unwrap();
        assert_eq!(command.words().join(" "), "python -m unittest tests.test_a pkg.mod");
    }

    #[test]
    fn another_command_is_refused_with_what_to_give() {
        for typed in ["make test", "tox", "python run.py", "sh -c pytest", "python -m unittest --frob"] {
            let why = parse(&words(typed)).unwrap_err();
            assert!(why.contains(typed.split(' ').next_back().unwrap()), "{why}");
        }
    }

    #[test]
    fn what_chooses_among_tests_is_dropped_with_its_value() {
        let options = words("-q --deselect a -k b --ignore=c -o addopts=");
        assert_eq!(without_choice(&options), words("-q -o addopts="));
    }
}
