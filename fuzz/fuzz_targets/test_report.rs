#![no_main]
//! Reports of test runners, the format in the first byte: no more tests than bytes, all of them with bounded texts, and
//! the same report read twice says the same.

use libfuzzer_sys::fuzz_target;
use prunella_nodes::reports::{Format, doc_tests, read};

const FORMATS: [Format; 6] =
    [Format::Junit, Format::Tap, Format::Libtest, Format::Go, Format::Jest, Format::Node];

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let format = FORMATS[usize::from(*first) % FORMATS.len()];
    let report = read(format, rest);
    assert!(report.cases.len() <= rest.len());
    for case in &report.cases {
        assert!(case.id.chars().count() <= 1000 && case.message.chars().count() <= 5000);
    }
    assert_eq!(report, read(format, rest));
    let _ = doc_tests(&String::from_utf8_lossy(rest));
});
