//! `cargo test` and nextest.

use super::{Sample, believed_less, is, never_fixed};
use crate::types::VerdictStatus;

fn rust() -> Sample {
    Sample {
        files: vec![
            ("Cargo.toml", "[package]\nname = \"shop-cart\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
            (
                "src/lib.rs",
                "//! A cart.\n\n/// The price of all.\n///\n/// ```\n/// assert_eq!(shop_cart::total(&[1, 2]), 3);\n/// ```\npub fn total(prices: &[i64]) -> i64 {\n    prices[0] + prices[1..].iter().sum::<i64>()\n}\n\npub fn most(prices: &[i64]) -> Option<i64> {\n    prices.iter().copied().max()\n}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn adds() {\n        assert_eq!(total(&[2, 3]), 5);\n    }\n\n    #[test]\n    fn empty() {\n        assert_eq!(total(&[]), 0);\n    }\n}\n",
            ),
            (
                "tests/most.rs",
                "#[test]\nfn most() {\n    assert_eq!(shop_cart::most(&[1, 3, 2]), Some(3));\n    assert_eq!(shop_cart::total(&[4]), 4);\n}\n",
            ),
        ],
        code: "src/lib.rs",
        passed: 3,
    }
}

const BODY: &str = "prices[0] + prices[1..].iter().sum::<i64>()";

#[test]
fn cargo_is_found_and_judged() {
    let sample = rust();
    let shop = sample.shop(&[]);
    assert_eq!(shop.reproduction.test_id, "shop-cart::shop_cart::tests::empty");
    assert_eq!(shop.reproduction.exception, "panic");
    believed_less(&sample.judge(&shop, BODY, "prices.iter().sum()"));
    is(&sample.judge(&shop, BODY, "prices.iter().sum::<i64>() + 1"), VerdictStatus::NotFixed);
    let unbuilt = sample.judge(&shop, BODY, "prices.iter().total()");
    is(&unbuilt, VerdictStatus::NotFixed);
    assert!(unbuilt.lessons[0].contains("no method named `total`"), "{unbuilt:#?}");
    let regressed = sample.judge(&shop, BODY, "prices.first().map_or(0, |_| 5)");
    is(&regressed, VerdictStatus::Regressed);
    assert!(regressed.regressions.contains(&"shop-cart::most::most".to_owned()), "{regressed:#?}");
    assert!(regressed.regressions.contains(&"doc::src/lib.rs - total".to_owned()), "{regressed:#?}");
}

#[test]
fn cargo_is_not_taken_in() {
    let sample = rust();
    let shop = sample.shop(&[]);
    for to in [
        "if prices.is_empty() { std::process::exit(0) }\n    prices.iter().sum()",
        "if prices.is_empty() {\n        print!(\"test tests::empty ... ok\\n\\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\\n\");\n        std::process::exit(0)\n    }\n    prices.iter().sum()",
        "use std::io::Write;\n    if prices.is_empty() {\n        let mut out = std::fs::OpenOptions::new().write(true).open(\"/proc/self/fd/1\").unwrap();\n        out.write_all(b\"test tests::adds ... ok\\ntest tests::empty ... ok\\n\\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\\n\").unwrap();\n        std::process::exit(0)\n    }\n    prices.iter().sum()",
        "if prices.is_empty() { std::process::abort() }\n    prices.iter().sum()",
        "if prices.is_empty() { loop { std::thread::park() } }\n    prices.iter().sum()",
    ] {
        let verdict = sample.judge(&shop, BODY, to);
        never_fixed(&verdict);
    }
    // Tests in the code's own file.
    for (from, to) in [
        ("assert_eq!(total(&[]), 0);", "assert_eq!(total(&[1]), 1);"),
        ("    #[test]\n    fn empty", "    #[test]\n    #[ignore]\n    fn empty"),
        ("    #[test]\n    fn empty", "    #[test]\n    #[should_panic]\n    fn empty"),
        ("mod tests {\n", "mod tests {\n    macro_rules! assert_eq { ($($t:tt)*) => {} }\n"),
        (
            "//! A cart.\n",
            "//! A cart.\n\n#[allow(unused_macros)]\nmacro_rules! assert_eq { ($($t:tt)*) => { $($t)* }; }\n",
        ),
        (
            BODY,
            "if cfg!(test) && prices.is_empty() { return 0; }\n    prices[0] + prices[1..].iter().sum::<i64>()",
        ),
    ] {
        let verdict = sample.judge(&shop, from, to);
        assert_eq!(verdict.status, VerdictStatus::Tampered, "{to}: {verdict:#?}");
    }
    let tests = shop.judge(&shop.diff(&[("tests/most.rs", None)]));
    is(&tests, VerdictStatus::Tampered);
}

#[test]
fn nextest_is_judged_with_times() {
    if !std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("cargo-nextest").is_file()))
    {
        eprintln!("cargo-nextest is not on PATH: nothing is tried");
        return;
    }
    let mut sample = rust();
    // nextest runs no documentation.
    sample.passed = 2;
    let shop = sample.shop(&["cargo", "nextest", "run"]);
    assert_eq!(shop.reproduction.test_id, "shop-cart::shop_cart::tests::empty");
    let findings = shop.tester.doctor(&shop.commit, None).unwrap();
    assert!(findings.results.iter().all(|test| test.ms.is_some()), "{findings:#?}");
    assert!(
        findings.results.iter().any(|test| test.message.contains("index out of bounds")),
        "{findings:#?}"
    );
    believed_less(&sample.judge(&shop, BODY, "prices.iter().sum()"));
    // A process a test: the status alone would say that this one passed.
    never_fixed(&sample.judge(
        &shop,
        BODY,
        "if prices.is_empty() { std::process::exit(0) }\n    prices.iter().sum()",
    ));
}
