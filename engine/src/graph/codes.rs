//! The codes of diagnostics, in one table. A code keeps its meaning for ever; a retired one is not used again.

/// A code and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `E001`, `W001`, …
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    /// Why it is refused, and what to do.
    pub explanation: &'static str,
}

/// The code of a secret in a file; what it points at is not shown.
pub(crate) const SECRET: &str = "E048";

const fn code(code: &'static str, title: &'static str, explanation: &'static str) -> Code {
    Code { code, title, explanation }
}

/// What `code` means, whatever its case.
#[must_use]
pub fn explain(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.code.eq_ignore_ascii_case(code))
}

/// All codes, in order.
pub const CODES: &[Code] = &[
    code(
        "E001",
        "not YAML",
        "The file cannot be read as YAML. The place is where the reader gave up; the mistake is often a line or two above it: an indentation, a missing colon, a quote that is not closed.",
    ),
    code(
        "E002",
        "part of YAML that graph files do not use",
        "Anchors, aliases, tags, merge keys and several documents make a file mean something else than it shows, so graph files have none of them. A text that starts with `!`, `&` or `*` must be quoted.",
    ),
    code(
        "E003",
        "too large or nested too deeply",
        "A graph file has at most 1 MiB and 32 levels of nesting, a type at most 10,000 parts when all that it mentions is written out. Large prompts belong in a file of their own.",
    ),
    code("E004", "the same key twice", "One of the two would be lost. Rename or remove one."),
    code(
        "E005",
        "missing key",
        "A graph needs `format`, `name`, `ends`, `start` and `nodes`; a node needs `next`, and what its kind requires.",
    ),
    code(
        "E006",
        "unknown key",
        "Nothing reads this key here. It is probably misspelt, or belongs one level up or down.",
    ),
    code(
        "E007",
        "not what is expected here",
        "The value has another shape than this place takes: a list where a map is meant, a number out of range, a name with characters that names do not have.",
    ),
    code(
        "E008",
        "unknown format",
        "`format` names the version of the graph language. This program reads version 1.",
    ),
    code(
        "E009",
        "not supported yet",
        "The language has this, this program does not run it yet. It is refused rather than ignored.",
    ),
    code(
        "E010",
        "unknown type",
        "Types are `string`, `text`, `diff`, `int`, `float`, `bool`, `path`, `duration`, `list<T>`, `map<T>`, `enum<a, b>`, `{field: T}`, records of `types:` and built-in records. `T?` may be null.",
    ),
    code(
        "E011",
        "malformed type",
        "The text is no type expression. Examples: `list<path>`, `map<int>?`, `enum<low, high>`, `{file: path, line: int}`.",
    ),
    code(
        "E012",
        "a type that contains itself",
        "Values are finite and have no references, so a type cannot hold itself, directly or through another one.",
    ),
    code(
        "E013",
        "the name is taken",
        "A name means one thing: nodes and ends share their names, state keys may not be called `inputs`, `output`, `attempt` or `max_attempts`, and types may not hide built-in ones.",
    ),
    code(
        "E020",
        "unknown kind",
        "A node's kind is its name unless `kind:` says another. The kind must be one that this program has.",
    ),
    code(
        "E021",
        "unknown target",
        "`start`, `next`, `to`, `else`, `retry` and `exhausted` name a node or an end of this file.",
    ),
    code("E022", "unknown state key", "`writes` can only set keys that are declared under `state:`."),
    code("E023", "unknown input", "`inputs.x` needs an `x` under `inputs:`."),
    code(
        "E024",
        "unknown variable",
        "In `with` there are `inputs` and the state keys; in `writes` also `output`; in `when` also what the node itself wrote. A template sees the keys of the node's `with`, what its kind gathers, and `attempt` and `max_attempts`; it does not see the state.",
    ),
    code("E025", "unknown field", "The record has no such field. `prunella explain NAME` lists what it has."),
    code("E026", "unknown model role", "`model:` names a role that is declared under `models:`."),
    code(
        "E027",
        "unknown function",
        "CEL's standard functions are there: `size`, `contains`, `startsWith`, `endsWith`, `matches`, `string`, `int`, `double`, `has`, and `all`, `exists`, `exists_one`, `map`, `filter` over lists and maps.",
    ),
    code("E028", "missing input of a node", "The kind requires this key under `with`."),
    code(
        "E029",
        "unknown input of a node",
        "The kind takes no such key under `with`. `prunella explain KIND` lists what it takes.",
    ),
    code(
        "E030",
        "type mismatch",
        "The value has another type than the place takes, or an operator got operands it does not have.",
    ),
    code(
        "E031",
        "a condition that is no bool",
        "What decides between paths is true or false; nothing else is taken for one of them.",
    ),
    code(
        "E032",
        "may be null",
        "The value is optional, and used without a test. Write `x != null && x.y`, or `x == null ? … : x.y`.",
    ),
    code(
        "E033",
        "a blob is not read in CEL",
        "`text` and `diff` are stored beside the state. CEL knows their size and whether two are equal; a template renders them.",
    ),
    code(
        "E034",
        "not CEL",
        "The expression cannot be parsed. In `with` and `writes` an expression starts with `=`; in `when` it does not.",
    ),
    code(
        "E035",
        "not a template",
        "The text cannot be parsed as Jinja. There are no includes, imports or inheritance.",
    ),
    code(
        "E040",
        "not every case is covered",
        "The last arm of `next` is an `else` or a `retry`, which always match, so that a run never stands at a node without a way on.",
    ),
    code("E041", "an arm that is never taken", "An arm before it always matches."),
    code("E042", "a node that is never reached", "No path leads from `start` to this node."),
    code("E043", "no way to an end", "From this node no path leads to an end."),
    code(
        "E044",
        "a loop without a bound",
        "A loop that only plain edges close could run for ever. Close it with `{retry: HEAD, max_attempts: N, exhausted: TARGET}`.",
    ),
    code(
        "E045",
        "a retry that does not go back",
        "A retry starts its loop again, so every path from `start` to the node must lead through its target.",
    ),
    code(
        "E046",
        "a retry without a bound",
        "`retry` takes `max_attempts`, the first pass included, and `exhausted`: where to go when they are used up.",
    ),
    code(
        "E047",
        "read before it is written",
        "On some path from `start` the key has no value yet. Write it earlier, or give it a reducer with a start of its own (`reduce: append`).",
    ),
    code(
        "E048",
        "a secret in the file",
        "Graph files are committed, stored with every run and travel in traces. Secrets are named in the configuration and enter where a credential is meant.",
    ),
    code(
        "E049",
        "a word that never comes",
        "The expression of a `switch` is one of the words of its enum; a case for another word is never taken.",
    ),
    code(
        "E050",
        "branches that never meet",
        "All branches of a fan-out come together at one node, through which every path of each of them leads; what they wrote lands there. A branch cannot come to an end by itself.",
    ),
    code(
        "E051",
        "a branch without a node",
        "The branch begins where the branches meet, so there is nothing in it. The node follows the fan-out anyway.",
    ),
    code(
        "E052",
        "a retry that leaves its branch",
        "A branch has a state and counters of its own, so a loop begins and ends inside it. To go back behind the fan-out, lead to the node where the branches meet, and retry there.",
    ),
    code(
        "E053",
        "parallel writers of a plain key",
        "Branches run side by side, and a key without a reducer keeps one value: which one would depend on who was last. Give the key a reducer, or each branch a key of its own.",
    ),
    code(
        "E054",
        "an overwrite beside another write",
        "An overwrite replaces whatever is there, so what a branch beside it wrote would be lost or not, by chance.",
    ),
    code(
        "E055",
        "a graph that calls itself",
        "Directly or through others: a run of it would never end. A loop is closed by a retry edge, which has a bound.",
    ),
    code("E056", "unknown graph", "`graph:` names one of the graphs under `graphs:` of the same file."),
    code(
        "E057",
        "an end that gives nothing",
        "A graph that says what it `returns` gives it at every end that means success; a map collects what its graph gives.",
    ),
    code(
        "E058",
        "a failed item that nobody takes",
        "With `failed: fail` an item that comes to an end of failure fails the map, and a map that fails needs somewhere to go.",
    ),
    code(
        "E059",
        "a secret where none is meant",
        "Secrets are names, and only a credential is given by one. No expression and no template reads a secret: what it makes is stored with the run, and sent to models.",
    ),
    code(
        "E060",
        "a file that cannot be read",
        "A prompt and a graph may stand in files beside the graph. They are read when it is checked, and stored with its runs: text in UTF-8, at most 1 MiB each, 64 of them. Links are not followed.",
    ),
    code(
        "E061",
        "a path that leads out of the folder",
        "What a graph names stands in its folder or below, so that the folder can be moved and reviewed as a whole. Paths are relative, with `/`.",
    ),
    code(
        "E062",
        "not a text in UTF-8",
        "A graph and the files beside it are texts in UTF-8. Editors call it so, or `encoding`; a byte order mark does no harm.",
    ),
    code("W001", "a state key that is not used", "Nothing writes it, or nothing reads it."),
    code("W002", "an input that is not used", "Nothing reads it, yet every run must give it."),
    code("W003", "a type that is not used", "No input, state key or node mentions it."),
    code("W004", "a model role that is not used", "No node names it."),
    code("W005", "an end that is not reached", "No edge, limit or retry leads to it."),
    code("W006", "a graph that is not called", "No node of the file calls it."),
    code("W007", "a default that nothing takes", "No node of the file is of this kind."),
    code("W008", "a condition that is always the same", "It reads nothing, so it decides nothing."),
    code(
        "W009",
        "a condition that was asked before",
        "The arms are tried in order and the first that matches is taken: one that asks the same as an earlier one never is.",
    ),
    code(
        "W010",
        "attempts that cannot be had",
        "The first pass through a loop is attempt 1, so `max_attempts: 1` never goes back; and a loop that takes more supersteps than `limits.steps` allows ends before its last attempt.",
    ),
    code(
        "W011",
        "a target that is never named",
        "The expression of a `goto` gives one of a few words, and this target is none of them.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_code_twice() {
        assert!(CODES.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert_eq!(explain("e001").map(|c| c.title), Some("not YAML"));
        assert!(explain("E999").is_none());
    }
}
