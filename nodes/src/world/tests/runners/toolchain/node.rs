//! Node: the program, and `node_modules` of the working tree, which no commit holds.

use std::path::{Path, PathBuf};

use prunella_engine::EffectError;

use super::{Kit, Places, ask};
use crate::world::tests::UNSTARTABLE;
use crate::world::tests::runners::Tool;

pub(super) fn kit(tool: Tool, places: &Places<'_>) -> Result<Kit, EffectError> {
    let mut kit = Kit::default();
    let node = places.need("node", tool)?;
    let node = kit.take(&node, places)?;
    kit.version = format!("node {}", ask(&node, &["--version"], &[]).unwrap_or_default());
    let modules = modules(&mut kit, places);
    if tool == Tool::Node {
        kit.program = Some(node);
    } else {
        let name = tool.name();
        let there = modules.is_some_and(|modules| modules.join(".bin").join(name).exists());
        let tracked = places.read(&format!("node_modules/.bin/{name}")).is_some();
        if !there && !tracked {
            return Err(EffectError::new(
                "tests.toolchain",
                UNSTARTABLE,
                format!("the tests need `{name}`, and node_modules has no such program"),
            )
            .help("run `npm ci` in the repository, or allow the preparation step its network: --allow-network-prepare"));
        }
        kit.program = Some(PathBuf::from(format!("{}/node_modules/.bin/{name}", places.start())));
    }
    Ok(kit)
}

/// Makes the dependencies visible: those that were prepared, else those of the working tree. Gives their folder.
pub(super) fn modules(kit: &mut Kit, places: &Places<'_>) -> Option<PathBuf> {
    let here = places.repo.root.join(&places.repo.subfolder);
    let mut tops = vec![(here, places.start())];
    if !places.repo.subfolder.is_empty() {
        tops.push((places.repo.root.clone(), "/repo".to_owned()));
    }
    if let Some(prepared) = places.prepared {
        tops.insert(0, (prepared.to_owned(), places.start()));
    }
    let mut first = None;
    let mut taken: Vec<String> = Vec::new();
    for (top, start) in tops {
        let folder = top.join("node_modules");
        let Ok(real) = folder.canonicalize() else { continue };
        let guest = format!("{start}/node_modules");
        if !real.is_dir() || taken.contains(&guest) || !plain(&real) {
            continue;
        }
        kit.show(&real);
        kit.dependencies.push(real.display().to_string());
        kit.links.push((real.display().to_string(), guest.clone()));
        taken.push(guest);
        first = first.or(Some(real));
    }
    first
}

/// Words of the driver's files stand on lines.
fn plain(path: &Path) -> bool {
    path.to_str().is_some_and(|text| !text.contains(['\n', ' ']))
}
