#![no_main]
//! Patches: what the gate lets through only names paths inside the tree, and applies to the base or not at all.

use libfuzzer_sys::fuzz_target;
use prunella_nodes::gate;

/// The base that the seeds are diffs of.
fn read(path: &str) -> Option<Vec<u8>> {
    match path {
        "app/a.py" => Some(b"def f(x):\n    return x['a']\n\n\ndef g(x):\n    return x + 1\n".to_vec()),
        "app/b.py" => Some("# \u{e9}\r\nx = 1\r\nx = 1".into()),
        "data.bin" => Some(vec![0xff, 0, 0xfe]),
        _ => None,
    }
}

fuzz_target!(|diff: &str| {
    let Ok(patches) = gate::parse(diff) else { return };
    for path in patches.iter().flat_map(|patch| patch.old.iter().chain(&patch.new)) {
        assert!(
            !path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | ".." | ".git"))
        );
    }
    let _ = gate::flags(&patches);
    let _ = gate::check(&patches, &gate::Base::default(), read);
    let _ = gate::apply(&patches, read);
});
