//! Maven and Gradle: the program, and the local repository of artifacts, offline.

use std::path::Path;

use prunella_engine::EffectError;

use super::{Kit, Places, folder};
use crate::world::tests::runners::{Foreign, Tool};

pub(super) fn kit(foreign: &Foreign, places: &Places<'_>) -> Result<Kit, EffectError> {
    let mut kit = Kit::default();
    let typed = foreign.words.first().map_or("", String::as_str);
    // A wrapper of the repository's (`./mvnw`, `./gradlew`) is started in the sandbox as it is.
    if !typed.contains('/') {
        let exe = places.need(typed, foreign.tool)?;
        if !exe.starts_with("/usr") {
            kit.program = Some(kit.take(&exe, places)?);
        }
    }
    if let Some(java) = places.program("java").and_then(|java| java.canonicalize().ok())
        && let Some(home) = java.parent().and_then(|bin| bin.parent())
    {
        kit.show(home);
        kit.env.insert("JAVA_HOME".to_owned(), home.display().to_string());
    }
    let (variable, below, name) = match foreign.tool {
        Tool::Gradle => ("GRADLE_USER_HOME", ".gradle", "GRADLE_RO_DEP_CACHE"),
        // Every version of Maven reads it; `MAVEN_ARGS` came with 3.9.
        _ => ("MAVEN_REPOSITORY", ".m2/repository", "MAVEN_OPTS"),
    };
    let host = places.prepared.map(Path::to_owned).or_else(|| folder(variable, below));
    let host = host.map(|host| if foreign.tool == Tool::Gradle { host.join("caches") } else { host });
    if let Some(host) = host.filter(|host| host.is_dir()) {
        kit.show(&host);
        kit.dependencies.push(host.display().to_string());
        let value = host.display().to_string();
        let value = if foreign.tool == Tool::Gradle { value } else { format!("-Dmaven.repo.local={value}") };
        kit.env.insert(name.to_owned(), value);
    }
    kit.env.insert("GRADLE_OPTS".to_owned(), "-Dorg.gradle.daemon=false".to_owned());
    Ok(kit)
}
