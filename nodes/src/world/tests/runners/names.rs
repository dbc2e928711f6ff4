//! Files that belong to the tests, by their names, in the languages of the foreign runners.

/// Whether `path` is a test file by its name, in any language whose runner is known. Only what is certain by the name
/// counts; the baseline adds the files that the reports name.
pub(crate) fn is_test(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop().unwrap_or_default();
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let below = |folders: &[&str]| parts.iter().any(|part| folders.contains(part));
    match extension {
        "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "jsx" | "tsx" => {
            stem.ends_with(".test")
                || stem.ends_with(".spec")
                || stem.ends_with("-test")
                || stem.ends_with("_test")
                || stem == "test"
                || stem.starts_with("test-")
                || below(&["test", "tests", "__tests__", "spec"])
        }
        "rs" => below(&["tests"]),
        "go" => stem.ends_with("_test"),
        "java" | "kt" | "groovy" | "scala" => {
            path.contains("src/test/") || stem.ends_with("Test") || stem.ends_with("Tests")
        }
        "py" | "rb" | "php" | "pl" | "sh" | "bats" | "lua" => {
            stem.starts_with("test_")
                || stem.ends_with("_test")
                || stem.ends_with("_spec")
                || matches!(stem, "test" | "tests")
                || below(&["test", "tests", "spec"])
        }
        "t" => true,
        _ => false,
    }
}

/// Whether `path` says how tests are built or run: nothing that a fix may change on the quiet, and read-only while
/// tests run.
pub(crate) fn is_config(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let starts =
        ["jest.config.", "vitest.config.", "vite.config.", "vitest.workspace.", ".mocharc", "babel.config."];
    matches!(
        name,
        "Cargo.toml"
            | "Cargo.lock"
            | "build.rs"
            | "rust-toolchain"
            | "rust-toolchain.toml"
            | "nextest.toml"
            | "package.json"
            | "package-lock.json"
            | "tsconfig.json"
            | ".babelrc"
            | "go.mod"
            | "go.sum"
            | "pom.xml"
            | "build.gradle"
            | "build.gradle.kts"
            | "settings.gradle"
            | "settings.gradle.kts"
            | "gradlew"
            | "prunella.yaml"
    ) || starts.iter().any(|start| name.starts_with(start))
        || path.split('/').any(|part| part == ".cargo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_known_by_their_names() {
        for path in [
            "src/a.test.ts",
            "test/a.js",
            "a_test.go",
            "tests/it.rs",
            "t/a.t",
            "src/test/java/ATest.java",
            "test.mjs",
        ] {
            assert!(is_test(path), "{path}");
        }
        for path in ["src/a.ts", "src/contest.js", "a.go", "src/lib.rs", "src/latest.go", "README"] {
            assert!(!is_test(path), "{path}");
        }
    }
}
