//! `prunella doctor`: what works here, before a run needs it.

use std::path::PathBuf;

use prunella_nodes::world::tests::Findings;
use serde_json::{Value, json};

use crate::args::{DoctorArgs, SandboxChoice};
use crate::exit;
use crate::failure::{Failure, Result};
use crate::session::{self, Local};
use crate::terminal::{json, out};

/// Looks at the store, the sandbox and, with `--repo`, the repository's tests.
pub(super) fn doctor(args: &DoctorArgs, store: Option<PathBuf>) -> Result {
    let dir = session::store_dir(store.clone())?;
    session::store(store)?;
    let isolation = match args.tests.sandbox {
        SandboxChoice::None => json!({"level": "none"}),
        SandboxChoice::Linux => probe(),
    };
    let findings = match &args.repo {
        Some(path) if isolation["level"] != "unavailable" => {
            let local = Local::new(path, &args.tests)?;
            let (repo, tester) = session::tester(&local, &dir)?;
            let commit = repo.resolve("HEAD")?;
            Some(tester.doctor(&commit, session::test_command(&args.tests)?.as_deref())?)
        }
        _ => None,
    };
    let model = std::env::var("PRUNELLA_MODEL").ok().filter(|model| !model.is_empty());
    if args.json {
        json(
            &json!({"format": 1, "store": dir.display().to_string(), "sandbox": isolation, "model": model, "tests": findings}),
        );
    } else {
        out(format!("store      {}", dir.display()));
        out(format!("sandbox    {}", words(&isolation)));
        out(format!("model      {}", model.as_deref().unwrap_or("none configured: the playbook alone")));
        if let Some(findings) = &findings {
            show(findings);
        }
    }
    if isolation["level"] == "unavailable" {
        let text = |key: &str| isolation[key].as_str().unwrap_or_default().to_owned();
        return Err(Failure::new(
            exit::SANDBOX,
            format!("the sandbox cannot be set up at {}: {}", text("step"), text("message")),
        )
        .help(text("remedy")));
    }
    Ok(exit::OK)
}

/// What the sandbox can do here, found out by doing it.
#[cfg(target_os = "linux")]
fn probe() -> Value {
    use prunella_sandbox::{LinuxSandbox, Probe};
    match LinuxSandbox::new().probe() {
        Probe::Full => json!({"level": "full"}),
        Probe::Reduced(missing) => json!({"level": "reduced", "missing": missing}),
        Probe::Unavailable { step, message, remedy } => {
            json!({"level": "unavailable", "step": step, "message": message, "remedy": remedy})
        }
    }
}

/// There is no such backend on this system.
#[cfg(not(target_os = "linux"))]
fn probe() -> Value {
    json!({"level": "unavailable", "step": "backend", "message": "the linux backend needs Linux", "remedy": "run on Linux, or ask for --sandbox none"})
}

fn words(isolation: &Value) -> String {
    let level = isolation["level"].as_str().unwrap_or_default();
    match isolation["missing"].as_array() {
        Some(missing) => {
            let missing: Vec<_> = missing.iter().filter_map(Value::as_str).collect();
            format!("{level}: without {}", missing.join(", "))
        }
        None => level.to_owned(),
    }
}

fn show(findings: &Findings) {
    out(format!("python     {} ({})", findings.interpreter, findings.python));
    out(format!("runner     {}", findings.runner));
    out(format!("command    {}", findings.command.join(" ")));
    out(format!(
        "tests      {} collected: {} passed, {} failed, {} skipped, {} flaky, in {:.1} s",
        findings.collected,
        findings.passed,
        findings.failed.len(),
        findings.skipped,
        findings.flaky.len(),
        findings.seconds
    ));
    for failed in &findings.failed {
        out(format!("  fails    {failed}"));
    }
    for module in &findings.not_runnable {
        out(format!("  not here {module}"));
    }
    out(format!("isolation  {}", findings.isolation));
    out(format!("policy     {}", findings.policy));
}
