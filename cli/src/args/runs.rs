//! The arguments of what looks back at runs, answers them, and goes another way.

use clap::{Args, Subcommand};

/// `prunella runs approve` and `prunella runs reject`
#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// The run's id, the start of it, or `@latest`.
    pub run: String,
    /// The question, where the run asks several.
    pub id: Option<String>,
    /// Who decides [default: the user's name].
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not go on with the run.
    #[arg(long)]
    pub no_resume: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `prunella runs …`
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List runs, newest first.
    List {
        /// Those that stand so: created, running, ended, stopped, waiting, cancelled; may be repeated.
        #[arg(long, value_name = "STATUS")]
        status: Vec<String>,
        /// Those of this graph.
        #[arg(long, value_name = "NAME")]
        graph: Option<String>,
        /// Those that are not older than this, such as `24h`.
        #[arg(long, value_name = "DURATION")]
        since: Option<String>,
        /// So many at most.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what a run did.
    Show {
        /// The run's id, the start of it, or `@latest`.
        run: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Go on with a run that was stopped.
    Resume {
        /// The run's id, the start of it, or `@latest`.
        run: String,
        /// Refuse to go on when the run is pinned to another graph than this file's, and say what changed.
        #[arg(long, value_name = "FILE")]
        graph: Option<String>,
        /// Print events as JSON lines: values, updates, tokens, custom, checkpoints, tasks, or debug for all.
        #[arg(long, value_name = "MODES", value_delimiter = ',')]
        stream: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List a run's steps, without their states.
    History {
        /// The run's id, the start of it, or `@latest`.
        run: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the state of a run after a step, or what changed between two.
    State {
        /// The run's id, the start of it, or `@latest`.
        run: String,
        /// The step: its number, its task (`test#2`), or 0 for the beginning [default: the last].
        #[arg(long, value_name = "STEP")]
        at: Option<String>,
        /// Show what changed since this step instead.
        #[arg(long, value_name = "STEP")]
        since: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Answer what a run asks and go on with it; without answers, list its questions.
    Answer {
        /// The run's id, the start of it, or `@latest`.
        run: String,
        /// `ID=VALUE`; the value is JSON, or text where it is none.
        #[arg(value_name = "ID=VALUE")]
        answers: Vec<String>,
        /// Do not go on with the run.
        #[arg(long)]
        no_resume: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say yes where a run asks for approval, and go on with it.
    Approve(DecideArgs),
    /// Say no where a run asks for approval, and go on with it.
    Reject(DecideArgs),
    /// Change the state of a run that nobody is at work on.
    Update {
        /// The run's id, the start of it, or `@latest`.
        run: String,
        /// The scope's path [default: the run itself].
        #[arg(long, value_name = "PATH", default_value = "")]
        scope: String,
        /// Count the change as an execution of this node: its `next` leads on.
        #[arg(long = "as", value_name = "NODE")]
        node: Option<String>,
        /// What that node is said to have returned, as JSON.
        #[arg(long, value_name = "JSON")]
        output: Option<String>,
        /// A state key, `KEY=VALUE`; it lands through its reducer. May be repeated.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// The same, replacing what is there.
        #[arg(long, value_name = "KEY=VALUE")]
        overwrite: Vec<String>,
    },
    /// Delete runs with all that is theirs.
    Delete {
        /// Ids, starts of ids, or `@latest`.
        #[arg(required = true)]
        runs: Vec<String>,
    },
    /// Copy a run under a new id.
    Copy {
        /// The run's id, the start of it, or `@latest`.
        run: String,
    },
    /// Delete old runs that are over.
    Prune {
        /// Those of this graph.
        #[arg(long, value_name = "NAME")]
        graph: Option<String>,
        /// Those that last wrote longer ago than this, such as `30d`.
        #[arg(long, value_name = "DURATION")]
        older_than: Option<String>,
        /// Keep so many of the newest runs of each graph.
        #[arg(long, value_name = "N", default_value_t = 0)]
        keep: usize,
        /// Only say what would be deleted.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give back what no run needs: large values, lock files, empty pages.
    Gc {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look for damage in a run, or in the whole store.
    Verify {
        /// The run's id, the start of it, or `@latest` [default: all].
        run: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Cancel a run: it can not be resumed, and its claim is given back.
    Cancel {
        /// The run's id, the start of it, or `@latest`.
        run: String,
    },
}

/// `prunella fork`
#[derive(Debug, Args)]
pub(crate) struct ForkArgs {
    /// The run's id, the start of it, or `@latest`.
    pub run: String,
    /// The step to go on from: its number, its task (`test#2`), or 0 for the beginning.
    #[arg(long, value_name = "STEP")]
    pub at: String,
    /// Another graph: it must have everything that is under way there.
    #[arg(long, value_name = "FILE")]
    pub graph: Option<String>,
    /// A state key of the run's own scope to change first, `KEY=VALUE`; may be repeated.
    #[arg(long = "set-state", value_name = "KEY=VALUE")]
    pub set_state: Vec<String>,
    /// Effects that change the world (commits, pull requests) may happen again.
    #[arg(long)]
    pub allow_external: bool,
    /// Make the run, and do not go on with it.
    #[arg(long)]
    pub no_resume: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `prunella diff`
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A packed trace, or a run's id.
    pub a: String,
    /// The other one.
    pub b: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
