//! Kind `command`: a command over the base commit, or over a candidate, in the sandbox and nowhere else.
//!
//! What runs are the words of `run`, which stand in the graph file: no shell reads them and no value becomes one of
//! them. Values reach the command through `env` alone. Where the repository's `prunella.yaml` lists what may run
//! (`policy: {commands: [[ruff], [python, -m, pytest]]}`, read at the base commit), a command that begins otherwise is
//! refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::{Text, Type, Typed, duration_ms};
use prunella_engine::{
    Ctx, Effect, Field, Kind, Node, NodeError, Output, Setting, SettingType, record, words,
};
use serde::Deserialize;
use serde_json::Value;

use crate::analyze::base_commit;
use crate::effects::{Bounds, CommandRequest, RunCommand};
use crate::types::Candidate;

/// Exit code of settings that cannot be followed.
const USAGE: u8 = 2;

words! {
    /// How a command ended.
    pub enum How {
        /// By itself, with a status.
        Exited = "exited",
        /// By a signal.
        Signalled = "signalled",
        /// Its wall time was used up.
        TimedOut = "timed_out",
        /// Its CPU time was used up.
        CpuTimedOut = "cpu_timed_out",
        /// Its memory was used up.
        OutOfMemory = "out_of_memory",
        /// It printed too much.
        OutputLimit = "output_limit",
        /// It wrote too much.
        DiskLimit = "disk_limit",
        /// It started too many processes.
        ProcessLimit = "process_limit",
        /// It made a forbidden system call.
        Denied = "denied",
    }
}

record! {
    /// What became of a command.
    pub struct Ran {
        /// Whether it exited with status 0.
        pub ok: bool,
        /// Its exit status, when it exited.
        pub status: Option<i64>,
        /// What it printed, its beginning and its end where that is much.
        pub stdout: Text,
        /// What it printed to standard error, in the same way.
        pub stderr: Text,
        /// How it ended.
        pub how: How,
    }
}

/// What the graph gives it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(default)]
    env: Option<BTreeMap<String, String>>,
    #[serde(default)]
    candidate: Option<Candidate>,
}

/// The kind `command`.
#[must_use]
pub fn kind() -> Kind {
    let optional = |ty: Type| Type::Optional(Box::new(ty));
    Kind {
        name: "command",
        version: 1,
        doc: "Runs a command over the base commit, or over a candidate, in the sandbox.",
        with: vec![
            Field {
                name: "env",
                ty: optional(Type::Map(Box::new(Type::String))),
                doc: "Environment variables: how values reach the command.",
            },
            Field {
                name: "candidate",
                ty: optional(Candidate::ty()),
                doc: "A patch that lies over the base commit.",
            },
        ],
        variables: false,
        output: Output::Fixed(Ran::ty()),
        settings: vec![
            Setting {
                name: "run",
                ty: SettingType::Literal(Type::List(Box::new(Type::String))),
                doc: "The command in words, as they stand: `[ruff, check, src]`. No shell reads them.",
            },
            bounds_setting(),
        ],
        needs: &["run"],
        one_of: &[],
        effects: &[RunCommand::NAME],
        node: Arc::new(Command),
    }
}

/// The setting `bounds`, of commands and of agents.
pub(crate) fn bounds_setting() -> Setting {
    let ty = Type::parse("{wall: duration?, memory_mb: int?, disk_mb: int?}?", &mut |_| None);
    Setting {
        name: "bounds",
        ty: SettingType::Literal(ty.expect("a type that is written here can be read")),
        doc: "The most wall time (300s), memory (2048 MiB) and writing (1024 MiB) of a command.",
    }
}

/// What the setting says.
pub(crate) fn bounds(ctx: &Ctx) -> Bounds {
    let given = &ctx.task().settings["bounds"];
    let number = |key: &str| given[key].as_u64().filter(|number| *number > 0);
    Bounds {
        wall_ms: given["wall"].as_str().and_then(duration_ms),
        memory_mb: number("memory_mb"),
        disk_mb: number("disk_mb"),
    }
}

struct Command;

#[async_trait(?Send)]
impl Node for Command {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let input: Input = serde_json::from_value(input)
            .map_err(|e| NodeError::new("node.input", format!("command takes an environment: {e}")))?;
        let words = ctx.task().settings["run"].as_array().into_iter().flatten();
        let argv: Vec<String> = words.filter_map(Value::as_str).map(str::to_owned).collect();
        if argv.first().is_none_or(String::is_empty) {
            return Err(NodeError::new("command.empty", "`run` names no program").exit(USAGE));
        }
        let request = CommandRequest {
            commit: base_commit(ctx)?,
            diff: input.candidate.map(|candidate| candidate.diff.0).filter(|diff| !diff.hash.is_empty()),
            argv,
            env: input.env.unwrap_or_default(),
            bounds: bounds(ctx),
        };
        let ran = ctx.call::<RunCommand>(&request).await?;
        let program = request.argv.first().map_or("", String::as_str);
        if ran.how == "refused" {
            return Err(NodeError::new("command.refused", ran.why).exit(USAGE));
        }
        let how: How = serde_json::from_value(Value::from(ran.how.as_str()))
            .map_err(|e| NodeError::new("effect.response", format!("how the command ended: {e}")))?;
        ctx.log(match ran.status {
            Some(status) => format!("`{program}` ended with status {status}"),
            None => format!("`{program}`: {}", ran.why),
        });
        let ran = Ran {
            ok: ran.status == Some(0),
            status: ran.status,
            stdout: Text(ran.stdout),
            stderr: Text(ran.stderr),
            how,
        };
        serde_json::to_value(ran).map_err(|e| NodeError::new("node.output", format!("command: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use prunella_engine::testing::Task;
    use prunella_engine::{Call, Class, Done, EffectError, Reconciled, World};
    use serde_json::json;

    use super::*;
    use crate::effects::CommandResponse;

    /// Answers with a status, or refuses, and keeps what was asked.
    struct Shell(Option<i64>, &'static str, Mutex<Vec<CommandRequest>>);

    #[async_trait]
    impl World for Shell {
        fn class(&self, _: &str) -> Option<Class> {
            Some(Class::Costly)
        }

        async fn perform(&self, call: Call) -> Result<Done, EffectError> {
            assert_eq!(call.name, "command.run");
            self.2.lock().unwrap().push(serde_json::from_value(call.request).unwrap());
            let response = CommandResponse {
                how: self.1.to_owned(),
                why: "it says why".to_owned(),
                status: self.0,
                ..CommandResponse::default()
            };
            Ok(Done::free(serde_json::to_value(response).unwrap()))
        }

        async fn reconcile(&self, _: Call) -> Result<Reconciled, EffectError> {
            Ok(Reconciled::DidNot)
        }
    }

    fn run(shell: &Shell, settings: Value, input: Value) -> Result<Value, NodeError> {
        let mut settings = settings;
        settings["repo"] = json!({"commit": "c0"});
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Task::new("lint", settings).run(&Command, input, shell))
    }

    #[test]
    fn the_words_of_the_graph_run_with_values_in_the_environment() {
        let shell = Shell(Some(1), "exited", Mutex::default());
        let settings = json!({"run": ["ruff", "check"], "bounds": {"wall": "90s", "memory_mb": 512}});
        let output = run(&shell, settings, json!({"env": {"N": "1; rm -rf /"}, "candidate": null})).unwrap();
        assert_eq!(
            (&output["ok"], &output["status"], &output["how"]),
            (&json!(false), &json!(1), &json!("exited"))
        );
        Ran::ty().check(&output).unwrap();
        let asked = shell.2.into_inner().unwrap().remove(0);
        assert_eq!(asked.argv, ["ruff", "check"]);
        assert_eq!(asked.env["N"], "1; rm -rf /");
        assert_eq!(asked.bounds, Bounds { wall_ms: Some(90_000), memory_mb: Some(512), disk_mb: None });
        assert_eq!(asked.diff, None);
    }

    #[test]
    fn what_may_not_run_fails_the_node() {
        let shell = Shell(None, "refused", Mutex::default());
        let error = run(&shell, json!({"run": ["curl"]}), json!({})).unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.exit, error.message.as_str()),
            ("command.refused", Some(2), "it says why")
        );
        let error = run(&shell, json!({"run": []}), json!({})).unwrap_err();
        assert_eq!(error.code, "command.empty");
        let output =
            run(&Shell(None, "timed_out", Mutex::default()), json!({"run": ["x"]}), json!({})).unwrap();
        assert_eq!(
            (&output["ok"], &output["status"], &output["how"]),
            (&json!(false), &json!(null), &json!("timed_out"))
        );
    }
}
