//! The keys of a graph file, place by place: what each is for and what it takes. Reading a file, the JSON Schema and
//! `prunella explain` go by this one table.

use super::model::{At, Failed, Outcome, Reducer};

/// A map of the file with a fixed set of keys.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its name in the JSON Schema.
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [Key],
}

/// A key of a [`Place`].
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    pub(crate) needed: bool,
    /// One sentence on what it is for.
    pub(crate) doc: &'static str,
}

/// What a key takes.
#[derive(Debug)]
pub(crate) enum Takes {
    /// The number of the format.
    Format,
    /// A name of letters, digits, `_` and `-`.
    Name,
    /// A list of names.
    Names,
    /// A name of a graph, or the path of a file.
    Graph,
    /// Any scalar.
    Text,
    /// A whole number of at least this.
    Whole(u64),
    /// A number between these.
    Number(u32, u32),
    /// Such as `90s` or `30m`.
    Duration,
    /// A type expression, or a map of fields.
    Type,
    /// CEL without a leading `=`.
    Cel,
    /// A literal, or CEL after a leading `=`.
    Value,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A name, or a list of names for a fan-out.
    Step,
    /// This or a retry.
    Case,
    /// Where a node leads.
    Next,
    /// A node, by its kind.
    Node,
    /// What the nodes of a kind have unless they say otherwise.
    Default,
    /// A map with these keys.
    Map(&'static Place),
    /// A map of names to this.
    Each(&'static Self),
    /// One or the other.
    Or(&'static Self, &'static Self),
}

impl Place {
    /// The names of its keys.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// Whether it has a key of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The names of the keys that it needs.
    pub(crate) fn needed(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().filter(|key| key.needed).map(|key| key.name)
    }
}

const fn key(name: &'static str, takes: Takes, doc: &'static str) -> Key {
    Key { name, takes, needed: false, doc }
}

const fn needed(name: &'static str, takes: Takes, doc: &'static str) -> Key {
    Key { name, takes, needed: true, doc }
}

static DECLARED: Takes = Takes::Or(&Takes::Type, &Takes::Map(&STATE_KEY));
static ENDING: Takes = Takes::Or(&Takes::Words(&OUTCOMES), &Takes::Map(&END));
static WRITTEN: Takes = Takes::Or(&Takes::Value, &Takes::Map(&OVERWRITE));

const DESCRIPTION: Key = key("description", Takes::Text, "What it is for, for people.");
const INPUTS: Key = key("inputs", Takes::Each(&Takes::Type), "What a run is given, by name and type.");
const STATE: Key = key(
    "state",
    Takes::Each(&DECLARED),
    "What the nodes know together, by name and type; only `writes` changes it.",
);
const ENDS: Key = needed("ends", Takes::Each(&ENDING), "How a run may come out: each end and what it means.");
const LIMIT: Key = key("limits", Takes::Map(&LIMITS), "How long a run may go on, and where it goes then.");
const START: Key = needed("start", Takes::Name, "The first node.");
const NODES: Key = needed("nodes", Takes::Each(&Takes::Node), "The steps, by name.");
const RETURNS: Key = key("returns", Takes::Type, "The type of what its ends give, for who calls it.");

/// A graph file.
pub(crate) static GRAPH: Place = Place {
    name: "graph",
    keys: &[
        needed("format", Takes::Format, "The version of the graph language."),
        needed("name", Takes::Name, "The graph's name."),
        DESCRIPTION,
        INPUTS,
        key("models", Takes::Each(&Takes::Map(&MODEL)), "The roles that nodes ask models in."),
        key("types", Takes::Each(&Takes::Type), "Records of the graph's own."),
        key("defaults", Takes::Default, "What every node of a kind has unless it says otherwise, by kind."),
        STATE,
        LIMIT,
        ENDS,
        START,
        NODES,
        RETURNS,
        key("graphs", Takes::Each(&Takes::Map(&INNER)), "Graphs that nodes call by name."),
    ],
};

/// A graph under `graphs:`, which shares `types`, `models` and `defaults` with the file.
pub(crate) static INNER: Place =
    Place { name: "inner_graph", keys: &[DESCRIPTION, INPUTS, STATE, LIMIT, ENDS, START, NODES, RETURNS] };

/// The long form of a state key.
pub(crate) static STATE_KEY: Place = Place {
    name: "state_key",
    keys: &[
        needed("type", Takes::Type, "Its type."),
        key("reduce", Takes::Words(&REDUCERS), "How writes land on what is there."),
    ],
};

/// The long form of an end.
pub(crate) static END: Place = Place {
    name: "end",
    keys: &[
        needed("outcome", Takes::Words(&OUTCOMES), "What it means for the caller."),
        key("output", Takes::Value, "What the run gives, over the last state."),
    ],
};

/// The limits of a run.
pub(crate) static LIMITS: Place = Place {
    name: "limits",
    keys: &[
        key("steps", Takes::Whole(1), "Most supersteps."),
        key("wall", Takes::Duration, "Most active time."),
        key("cost_usd", Takes::Number(0, 1_000_000_000), "Most cost, in US dollars."),
        needed("exhausted", Takes::Name, "The end that a run takes when a limit is reached."),
    ],
};

/// A model role.
pub(crate) static MODEL: Place = Place {
    name: "model",
    keys: &[
        key("use", Takes::Text, "The configuration's name for the model: `default`."),
        key("provider", Takes::Text, "The provider of a model that the graph pins."),
        key("name", Takes::Text, "The name of a model that the graph pins."),
        key("max_tokens", Takes::Whole(1), "The longest answer, in tokens."),
        key("temperature", Takes::Number(0, 2), "How freely the model chooses."),
        key("top_p", Takes::Number(0, 2), "How much of the likely choices the model considers."),
    ],
};

/// What every node may have.
pub(crate) static NODE: Place = Place {
    name: "node",
    keys: &[
        key("kind", Takes::Name, "What it is; absent: its name."),
        DESCRIPTION,
        key("with", Takes::Each(&Takes::Value), "What it is given."),
        key("writes", Takes::Each(&WRITTEN), "The state keys that it sets."),
        key("retry", Takes::Map(&RETRY), "How an effect that fails is tried again."),
        key("timeout", Takes::Duration, "The most active time of one execution."),
        key("on_error", Takes::Or(&Takes::Name, &Takes::Map(&ON_ERROR)), "Where it leads when it fails."),
        key(
            "interrupt",
            Takes::Or(&Takes::Words(&MOMENTS), &Takes::Map(&INTERRUPT)),
            "Asks a person before or after it.",
        ),
        needed("next", Takes::Next, "Where it leads."),
    ],
};

/// Keys of a node that `defaults` may give, beside the settings of its kind.
pub(crate) const DEFAULTABLE: [&str; 3] = ["retry", "timeout", "on_error"];

/// A write that replaces what is there.
pub(crate) static OVERWRITE: Place = Place {
    name: "overwrite",
    keys: &[needed("overwrite", Takes::Value, "Replaces what is there, whatever the key's reducer.")],
};

/// How a failing effect is repeated.
pub(crate) static RETRY: Place = Place {
    name: "retry",
    keys: &[
        key("tries", Takes::Whole(1), "Most tries, the first one included."),
        key("backoff", Takes::Duration, "The pause before the second try; doubled each time."),
    ],
};

/// Where a node leads that fails.
pub(crate) static ON_ERROR: Place = Place {
    name: "on_error",
    keys: &[
        needed("to", Takes::Name, "A node or an end."),
        key("writes", Takes::Each(&WRITTEN), "The state keys that are set then; `error` can be read."),
    ],
};

/// A question to a person.
pub(crate) static INTERRUPT: Place = Place {
    name: "interrupt",
    keys: &[
        needed("at", Takes::Words(&MOMENTS), "Before the node runs, or after it and before its writes land."),
        key("when", Takes::Cel, "Asked only where this holds."),
        key("ask", Takes::Value, "The question."),
        key("answer", Takes::Type, "The type of `answer`; absent: `string?`."),
    ],
};

/// The keys of a call of a graph.
pub(crate) static SUBGRAPH: Place = Place { name: "subgraph", keys: &[CALLED] };

/// The keys of a call of a graph for every item of a list.
pub(crate) static MAP: Place = Place {
    name: "map",
    keys: &[
        CALLED,
        needed("over", Takes::Cel, "The list; `item` and `index` of each can be read in `with`."),
        key("parallel", Takes::Whole(1), "The most items under way at once; absent: 16."),
        key("failed", Takes::Words(&FAILED), "What becomes of an item that fails; absent: `fail`."),
    ],
};

/// The kinds that call graphs: what they take beside what every node may have.
pub(crate) static CALLS: [&Place; 2] = [&SUBGRAPH, &MAP];

const CALLED: Key =
    needed("graph", Takes::Graph, "The graph: a name under `graphs`, or a file such as `./review.yaml`.");

/// One arm of `next`.
pub(crate) static ARM: Place = Place {
    name: "arm",
    keys: &[
        key("when", Takes::Cel, "The arm is taken where this holds."),
        key("to", Takes::Step, "Where it leads."),
        key("else", Takes::Step, "Where it leads when no arm before it was taken."),
        key("retry", Takes::Name, "Goes back to the loop's head, while attempts are left."),
        key("max_attempts", Takes::Whole(1), "Most attempts, the first pass included."),
        key("exhausted", Takes::Name, "Where it leads when the attempts are used up."),
    ],
};

/// A retry that stands for a step.
pub(crate) static BACK: Place = Place {
    name: "back",
    keys: &[
        needed("retry", Takes::Name, "Goes back to the loop's head, while attempts are left."),
        needed("max_attempts", Takes::Whole(1), "Most attempts, the first pass included."),
        needed("exhausted", Takes::Name, "Where it leads when the attempts are used up."),
    ],
};

/// A choice by a word.
pub(crate) static SWITCH: Place = Place {
    name: "switch",
    keys: &[
        needed("switch", Takes::Cel, "Gives the word."),
        needed("cases", Takes::Each(&Takes::Case), "Where each word leads."),
        key("else", Takes::Case, "Where every other word leads."),
    ],
};

/// A node that says by name where it leads.
pub(crate) static GOTO: Place = Place {
    name: "goto",
    keys: &[
        needed("goto", Takes::Cel, "Gives the name of a node or an end."),
        needed("among", Takes::Names, "All that it may name."),
    ],
};

/// A text in a file beside the graph.
pub(crate) static FILE: Place = Place {
    name: "file",
    keys: &[needed("file", Takes::Text, "The path of a file below the graph's folder.")],
};

pub(crate) const OUTCOMES: [&str; 4] =
    [Outcome::Success.word(), Outcome::Nothing.word(), Outcome::Failure.word(), Outcome::Declined.word()];
pub(crate) const FAILED: [&str; 3] = [Failed::Fail.word(), Failed::Skip.word(), Failed::Keep.word()];
pub(crate) const MOMENTS: [&str; 2] = [At::Before.word(), At::After.word()];
pub(crate) const REDUCERS: [&str; Reducer::ALL.len()] = {
    let mut words = [""; Reducer::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Reducer::ALL[at].word();
        at += 1;
    }
    words
};
