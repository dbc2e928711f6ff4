//! `prunella doctor`: what works here, before a run needs it.

use std::path::{Path, PathBuf};

use prunella_nodes::world::tests::{Comparison, Findings};
use prunella_sandbox::{ContainerSandbox, Probe, WasmSandbox};
use serde_json::{Value, json};

use crate::args::{DoctorArgs, SandboxChoice};
use crate::exit;
use crate::failure::{Failure, Result};
use crate::session::{self, Local};
use crate::terminal::{json, out, say};

/// Looks at the store, the sandboxes and, with `--repo`, the repository's tests.
pub(super) fn doctor(args: &DoctorArgs, store: Option<PathBuf>) -> Result {
    let dir = session::store_dir(store.clone())?;
    session::store(store)?;
    let mut local = args.repo.as_deref().map(|path| Local::new(path, &args.tests)).transpose()?;
    // Compared first: what comes of it may decide which sandbox is used.
    let comparison = match &local {
        Some(local) if args.compare => Some(compare(args, local, &dir)?),
        _ => None,
    };
    if let Some(local) = &mut local {
        local.settle(&args.tests, &dir, None)?;
    }
    let choice = match &local {
        Some(local) => SandboxChoice::of(&local.sandbox),
        None => args.tests.sandbox.unwrap_or_default(),
    };
    let image = local.as_ref().map_or(&args.tests.container_image, |local| &local.image);
    let backends: Vec<(SandboxChoice, Value)> =
        [SandboxChoice::Linux, SandboxChoice::Wasm, SandboxChoice::Container]
            .into_iter()
            .map(|backend| (backend, probe(backend, &dir, image.clone())))
            .collect();
    let isolation = backends
        .iter()
        .find(|(backend, _)| *backend == choice)
        .map_or_else(|| json!({"level": "none"}), |(_, found)| found.clone());
    let findings = match &local {
        Some(local) if isolation["level"] != "unavailable" => {
            let (repo, tester) = session::tester(local, &dir)?;
            let commit = repo.resolve("HEAD")?;
            Some(tester.doctor(&commit, session::test_command(&args.tests)?.as_deref())?)
        }
        _ => None,
    };
    let model = std::env::var("PRUNELLA_MODEL").ok().filter(|model| !model.is_empty());
    if args.json {
        let named: serde_json::Map<String, Value> =
            backends.iter().map(|(backend, found)| (backend.word().to_owned(), found.clone())).collect();
        json(&json!({
            "format": 1, "store": dir.display().to_string(), "sandbox": isolation, "backend": choice.word(),
            "backends": named, "model": model, "tests": findings, "comparison": comparison,
        }));
    } else {
        out(format!("store      {}", dir.display()));
        out(format!("sandbox    {}: {}", choice.word(), words(&isolation)));
        for (backend, found) in backends.iter().filter(|(backend, _)| *backend != choice) {
            out(format!("  also     {}: {}", backend.word(), words(found)));
        }
        out(format!("model      {}", model.as_deref().unwrap_or("none configured: the playbook alone")));
        if let Some(findings) = &findings {
            show(findings);
        }
        if let Some(comparison) = &comparison {
            differences(comparison);
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

/// Compares the tests of HEAD in wasm with the same tests run natively: in the sandbox of this system, in a container
/// where one was asked for, or, where there is neither, without isolation. They are the repository's own, as committed.
fn compare(args: &DoctorArgs, local: &Local, dir: &Path) -> Result<Comparison> {
    let native = match args.tests.sandbox {
        Some(SandboxChoice::Container) => SandboxChoice::Container,
        _ if matches!(prunella_sandbox::probe(), Probe::Unavailable { .. }) => {
            say("there is no sandbox to run the tests of HEAD natively in: they run without isolation");
            SandboxChoice::None
        }
        _ => SandboxChoice::Linux,
    };
    let with = |choice: SandboxChoice| Local { sandbox: choice.word().to_owned(), ..local.clone() };
    let (repo, native) = session::tester(&with(native), dir)?;
    let (_, wasm) = session::tester(&with(SandboxChoice::Wasm), dir)?;
    let command = session::test_command(&args.tests)?;
    Ok(wasm.compare(&native, &repo.resolve("HEAD")?, command.as_deref())?)
}

/// What a backend can do here, found out by trying it.
fn probe(backend: SandboxChoice, dir: &Path, image: Option<String>) -> Value {
    let found = match backend {
        SandboxChoice::Linux => prunella_sandbox::probe(),
        SandboxChoice::Wasm => WasmSandbox::new(session::wasm_dir(dir)).probe(),
        SandboxChoice::Container => ContainerSandbox::new(image).probe(),
        SandboxChoice::None => return json!({"level": "none"}),
    };
    match found {
        Probe::Full => json!({"level": "full"}),
        Probe::Reduced(missing) => json!({"level": "reduced", "missing": missing}),
        Probe::Unavailable { step, message, remedy } => {
            json!({"level": "unavailable", "step": step, "message": message, "remedy": remedy})
        }
    }
}

fn words(isolation: &Value) -> String {
    let text = |key: &str| isolation[key].as_str().unwrap_or_default();
    let level = text("level");
    match isolation["missing"].as_array() {
        Some(missing) => {
            let missing: Vec<_> = missing.iter().filter_map(Value::as_str).collect();
            format!("{level}: without {}", missing.join(", "))
        }
        None if level == "unavailable" => format!("{level}: {}; {}", text("message"), text("remedy")),
        None => level.to_owned(),
    }
}

fn show(findings: &Findings) {
    let version =
        if findings.version.is_empty() { String::new() } else { format!(" ({})", findings.version) };
    out(format!("program    {}{version}", findings.interpreter));
    out(format!("runner     {}", findings.runner));
    for other in &findings.others {
        out(format!("  also     {other}: choose it with --runner"));
    }
    for folder in &findings.dependencies {
        out(format!("  needs    {folder} (read-only)"));
    }
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

fn differences(comparison: &Comparison) {
    if let Some(problem) = &comparison.problem {
        out(format!("in wasm    cannot be run: {problem}"));
        return;
    }
    let word = if comparison.same { "the same" } else { "not the same" };
    out(format!("in wasm    {word}: {} tests are equal", comparison.equal));
    for different in &comparison.different {
        out(format!("  differs  {different} (natively, in wasm)"));
    }
}
