//! Parts of the engine, one by one.

use criterion::{Criterion, criterion_group, criterion_main};

fn conditions(c: &mut Criterion) {
    c.bench_function("nothing", |b| b.iter(|| 1));
}

criterion_group!(parts, conditions);
criterion_main!(parts);
