//! Rust: the toolchain that rustup or the system has, and cargo's registry as it was last fetched.

use std::path::{Path, PathBuf};

use prunella_engine::EffectError;

use super::{Kit, Places, ask, folder};
use crate::world::tests::UNSTARTABLE;
use crate::world::tests::runners::Tool;

/// cargo's home in the sandbox: writable, for its locks.
const HOME: &str = "/tmp/cargo-home";

pub(super) fn kit(tool: Tool, places: &Places<'_>) -> Result<Kit, EffectError> {
    let mut kit = Kit::default();
    let cargo = places.need("cargo", tool)?;
    let rustc = places.need("rustc", tool)?;
    let wanted = channel(places);
    let sysroot = sysroot(&rustc, wanted.as_deref()).ok_or_else(|| {
        EffectError::new(
            "tests.toolchain",
            UNSTARTABLE,
            format!("{} does not say where its toolchain is", rustc.display()),
        )
        .help("try `rustc --print sysroot`")
    })?;
    kit.show(&sysroot);
    let own = sysroot.join("bin/cargo");
    let (cargo, rustc) = if own.is_file() { (own, sysroot.join("bin/rustc")) } else { (cargo, rustc) };
    let says = ask(&rustc, &["-vV"], &[]).unwrap_or_default();
    kit.version = says.lines().next().unwrap_or_default().to_owned();
    kit.triple = says.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    if let Some(bin) = cargo.parent().filter(|bin| !bin.starts_with("/usr")) {
        kit.path(bin);
    }
    kit.program = Some(cargo);
    if tool == Tool::Nextest {
        let nextest = places.need("cargo-nextest", tool)?;
        let real = nextest.canonicalize().unwrap_or(nextest);
        let says = ask(&real, &["nextest", "--version"], &[]).unwrap_or_default();
        kit.version = format!("{}, {}", says.lines().next().unwrap_or("nextest"), kit.version);
        if !real.starts_with("/usr") {
            // The one file, for beside it lie other programs of the home.
            kit.show(&real);
            if let Some(bin) = real.parent() {
                kit.path(bin);
            }
        }
    }
    registry(&mut kit, places);
    for (name, value) in [
        ("CARGO_HOME", HOME),
        ("CARGO_TARGET_DIR", "/tmp/target"),
        ("CARGO_NET_OFFLINE", "true"),
        ("CARGO_INCREMENTAL", "0"),
        ("CARGO_TERM_COLOR", "never"),
        ("CARGO_TERM_PROGRESS_WHEN", "never"),
        ("RUST_TEST_THREADS", "2"),
        ("NEXTEST_NO_INPUT_HANDLER", "1"),
    ] {
        kit.env.insert(name.to_owned(), value.to_owned());
    }
    Ok(kit)
}

/// The channel that the repository's `rust-toolchain.toml` asks for.
fn channel(places: &Places<'_>) -> Option<String> {
    let text = places.read("rust-toolchain.toml").or_else(|| places.read("rust-toolchain"))?;
    let channel = match text.parse::<toml::Table>() {
        Ok(table) => table.get("toolchain")?.get("channel")?.as_str()?.to_owned(),
        Err(_) => text.lines().next()?.trim().to_owned(),
    };
    let plain = channel.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    (plain && !channel.is_empty()).then_some(channel)
}

/// Where the toolchain is: the wanted one where rustup has it (nothing is installed for it), else the usual one.
fn sysroot(rustc: &Path, wanted: Option<&str>) -> Option<PathBuf> {
    let usual = PathBuf::from(ask(rustc, &["--print", "sysroot"], &[])?);
    let found = wanted.and_then(|wanted| {
        let folder = usual.parent().filter(|parent| parent.ends_with("toolchains"))?;
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .ok()?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name == wanted || name.starts_with(&format!("{wanted}-")))
            .collect();
        names.sort();
        folder.join(names.first()?).canonicalize().ok()
    });
    found.or_else(|| usual.canonicalize().ok())
}

/// cargo's registry, read-only under a home that takes its locks; and where crates come from instead of crates.io,
/// when the user's configuration says so (never a token).
fn registry(kit: &mut Kit, places: &Places<'_>) {
    let Some(home) = folder("CARGO_HOME", ".cargo") else { return };
    let from = places.prepared.map_or_else(|| home.clone(), Path::to_owned);
    for part in ["registry/index", "registry/cache", "registry/src", "git/db", "git/checkouts"] {
        let host = from.join(part);
        let Ok(host) = host.canonicalize() else { continue };
        kit.show(&host);
        kit.links.push((host.display().to_string(), format!("{HOME}/{part}")));
        if part == "registry/src" {
            kit.dependencies.push(host.display().to_string());
        }
    }
    let text =
        ["config.toml", "config"].iter().find_map(|name| std::fs::read_to_string(home.join(name)).ok());
    if let Some(source) = text.and_then(|text| source(&text)) {
        kit.files.push(("cargo_config.toml".to_owned(), source));
        kit.links.push(("/prunella/cargo_config.toml".to_owned(), format!("{HOME}/config.toml")));
    }
}

/// The `[source]` tables of a configuration, unless an address in them carries a user.
pub(super) fn source(text: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let source = table.get("source")?;
    let mut out = toml::Table::new();
    out.insert("source".to_owned(), source.clone());
    let text = out.to_string();
    (!text.contains('@')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_crates_come_from_is_taken_of_a_configuration() {
        let text = "[source.crates-io]\nreplace-with = \"m\"\n[source.m]\nregistry = \"sparse+https://m.example/\"\n\
                    [registries.own]\ntoken = \"secret\"\n[net]\ngit-fetch-with-cli = true\n";
        let taken = source(text).unwrap();
        assert!(taken.contains("replace-with") && !taken.contains("secret") && !taken.contains("git-fetch"));
        assert_eq!(source("[source.m]\nregistry = \"https://user:pass@m.example/\"\n"), None);
        assert_eq!(source("[net]\noffline = true\n"), None);
    }
}
