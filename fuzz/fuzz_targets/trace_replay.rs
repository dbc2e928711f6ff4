#![no_main]
//! What a forger can do who seals his chain anew: any graph, any records. The input is a graph file, `%%`, a
//! text that `"@text"` refers to, `%%`, the run's inputs, and a record of JSON on each further line; header, chain and
//! blobs are made here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prunella_engine::blob::BlobRef;
use prunella_engine::run::{Loader, loader};
use prunella_engine::{Kinds, canonical, format as formats, graph, journal, replay, trace};
use serde_json::{Value, json};

static KINDS: LazyLock<Kinds> = LazyLock::new(prunella_nodes::kinds);
static LOAD: LazyLock<Loader> = LazyLock::new(|| loader(&KINDS));

fuzz_target!(|text: &str| {
    let Some(bytes) = forge(text) else { return };
    let Ok(trace) = trace::read(&bytes) else { return };
    let _ = trace.steps();
    let alone = replay::replay(&trace, None, &LOAD);
    let bodies = replay::replay(&trace, Some(&KINDS), &LOAD);
    assert!(alone.is_ok() || bodies.is_err(), "bodies run again find no less: {alone:?}");
});

fn forge(text: &str) -> Option<Vec<u8>> {
    let (source, rest) = text.split_once("\n%%\n")?;
    let (content, rest) = rest.split_once("\n%%\n")?;
    let content = format!("{content}\n");
    let reference = json!(BlobRef::of(content.as_bytes())).to_string();
    let rest = rest.replace("\"@text\"", &reference);
    let (graph, _) = graph::load("graph", source, &KINDS).ok()?;
    let mut lines = rest.lines();
    let inputs: Value = serde_json::from_str(lines.next()?).ok()?;
    let versions: BTreeMap<&String, u32> = graph
        .nodes
        .values()
        .filter_map(|node| Some((&node.kind, KINDS.kinds.get(node.kind.as_str())?.version)))
        .collect();
    let header = json!({
        "kind": "header", "format": formats::JOURNAL, "tool": "fuzz", "run": "r1", "created_ms": 1, "seed": 7,
        "graph": {"name": graph.name, "hash": graph.hash, "source": BlobRef::of(source.as_bytes())},
        "kinds": versions, "inputs": {"inline": inputs}, "settings": {"inline": {}},
    });
    let mut out = format!("{{\"prunella-trace\":{}}}\n", formats::TRACE).into_bytes();
    let (mut chain, mut count) = (journal::ROOT, 0);
    for record in std::iter::once(Some(header)).chain(lines.map(|line| serde_json::from_str(line).ok())) {
        let record = record?;
        chain = journal::link(&chain, canonical::to_string(&record).as_bytes());
        line(&mut out, &json!({"chain": journal::hex(&chain), "record": record}));
        count += 1;
    }
    for content in [source, content.as_str()] {
        let packed = zstd::bulk::compress(content.as_bytes(), 1).ok()?;
        let blob = BlobRef::of(content.as_bytes());
        line(&mut out, &json!({"blob": blob.hash, "bytes": blob.bytes, "zstd": packed.len()}));
        out.extend(packed);
        out.push(b'\n');
    }
    line(&mut out, &json!({"end": {"blobs": 2, "records": count}}));
    Some(out)
}

fn line(out: &mut Vec<u8>, value: &Value) {
    out.extend(canonical::to_string(value).into_bytes());
    out.push(b'\n');
}
