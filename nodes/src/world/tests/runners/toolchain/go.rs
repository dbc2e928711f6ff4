//! Go: the toolchain and the module cache, offline.

use prunella_engine::EffectError;

use super::{Kit, Places, ask};
use crate::world::tests::runners::Tool;

pub(super) fn kit(places: &Places<'_>) -> Result<Kit, EffectError> {
    let mut kit = Kit::default();
    let go = places.need("go", Tool::Go)?;
    let value = |name: &str| {
        ask(&go, &["env", name], &[("GOTOOLCHAIN", "local")]).filter(|value| value.starts_with('/'))
    };
    kit.version = ask(&go, &["version"], &[("GOTOOLCHAIN", "local")]).unwrap_or_default();
    if let Some(root) = value("GOROOT").map(std::path::PathBuf::from) {
        kit.show(&root);
        let own = root.join("bin/go");
        kit.program = Some(if own.is_file() { own } else { go.clone() });
        kit.env.insert("GOROOT".to_owned(), root.display().to_string());
        kit.path(&root.join("bin"));
    } else {
        kit.program = Some(kit.take(&go, places)?);
    }
    let cache = places.prepared.map(|top| top.join("mod")).or_else(|| value("GOMODCACHE").map(Into::into));
    if let Some(cache) = cache.filter(|cache| cache.is_dir()) {
        kit.show(&cache);
        kit.dependencies.push(cache.display().to_string());
        kit.env.insert("GOMODCACHE".to_owned(), cache.display().to_string());
    }
    for (name, value) in [
        ("GOPROXY", "off"),
        ("GOTOOLCHAIN", "local"),
        ("GOCACHE", "/tmp/go-cache"),
        ("GOPATH", "/tmp/go"),
        // There is no history in the sandbox to stamp into a binary.
        ("GOFLAGS", "-mod=mod -buildvcs=false"),
    ] {
        kit.env.insert(name.to_owned(), value.to_owned());
    }
    Ok(kit)
}
