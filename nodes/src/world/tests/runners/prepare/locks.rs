//! Python's lock files as what pip installs from: one line a package, with its version, its marker and its hashes.
//!
//! Sources: the formats as uv 0.8 and poetry 1.8 and 2.1 write them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

/// Whether every package of a `requirements.txt` comes with a hash, so that it locks what is installed.
pub(super) fn hashed(text: &str) -> bool {
    let whole = text.replace("\\\n", " ");
    let mut packages = whole
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with('-'));
    let mut any = false;
    let all = packages.all(|line| {
        any = true;
        line.contains("--hash=")
    });
    any && all
}

/// Markers under which a package is wanted; none for always.
type Wanted = Option<BTreeSet<String>>;

/// A `uv.lock` as requirements; nothing when it is none, or holds what this cannot tell apart.
pub(super) fn uv(text: &str) -> Option<String> {
    let table: Table = text.parse().ok()?;
    let packages = packages(&table);
    let mut by_name: BTreeMap<&str, &Table> = BTreeMap::new();
    for package in &packages {
        // One name with two versions: which one counts hangs on the machine.
        if by_name.insert(word(package, "name")?, package).is_some() {
            return None;
        }
    }
    let own = |package: &Table| package.get("source").and_then(|source| source.get("registry")).is_none();
    let mut wanted: BTreeMap<&str, Wanted> = BTreeMap::new();
    let mut waiting: Vec<(&str, Vec<&str>)> = Vec::new();
    for package in packages.iter().filter(|package| own(package)) {
        waiting.push((word(package, "name")?, Vec::new()));
    }
    let mut seen: BTreeSet<(&str, Vec<&str>)> = BTreeSet::new();
    while let Some((name, extras)) = waiting.pop() {
        if !seen.insert((name, extras.clone())) {
            continue;
        }
        let package = by_name.get(name)?;
        let mut edges: Vec<&Value> = list(package.get("dependencies"));
        let part = |key: &str, name: &str| list(package.get(key).and_then(|groups| groups.get(name)));
        for extra in extras {
            edges.extend(part("optional-dependencies", extra));
        }
        if own(package) {
            let groups = package.get("dev-dependencies").and_then(Value::as_table);
            for group in groups.iter().flat_map(|groups| groups.keys()) {
                edges.extend(part("dev-dependencies", group));
            }
        }
        for edge in edges {
            let to = edge.get("name")?.as_str()?;
            want(&mut wanted, to, edge.get("marker").and_then(Value::as_str));
            waiting.push((to, list(edge.get("extra")).into_iter().filter_map(Value::as_str).collect()));
        }
    }
    let mut out = String::new();
    for (name, markers) in wanted {
        let package = by_name.get(name)?;
        if own(package) {
            continue;
        }
        let files = list(package.get("wheels")).into_iter().chain(package.get("sdist"));
        let hashes: Vec<&str> = files.filter_map(|file| file.get("hash")?.as_str()).collect();
        line(&mut out, name, word(package, "version")?, markers.as_ref(), &hashes)?;
    }
    Some(out)
}

/// A `poetry.lock` as requirements; `project` is the `pyproject.toml` beside it.
pub(super) fn poetry(text: &str, project: &str) -> Option<String> {
    let table: Table = text.parse().ok()?;
    let packages = packages(&table);
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    for package in &packages {
        for (name, edge) in package.get("dependencies").and_then(Value::as_table).into_iter().flatten() {
            want(&mut wanted, name.to_lowercase(), edge.get("markers").and_then(Value::as_str));
        }
    }
    let project = project.to_lowercase();
    let mut out = String::new();
    for package in packages {
        if package.get("optional").and_then(Value::as_bool) == Some(true) {
            continue;
        }
        let name = word(package, "name")?;
        // Whether the project itself wants it is known by its name alone.
        let of_others = wanted.get(&name.to_lowercase()).filter(|_| !project.contains(&name.to_lowercase()));
        let own =
            package.get("markers").and_then(Value::as_str).map(|text| BTreeSet::from([text.to_owned()]));
        let markers = own.as_ref().or(of_others.and_then(Option::as_ref));
        let files = list(package.get("files"));
        let hashes: Vec<&str> = files.iter().filter_map(|file| file.get("hash")?.as_str()).collect();
        line(&mut out, name, word(package, "version")?, markers, &hashes)?;
    }
    Some(out)
}

fn packages(table: &Table) -> Vec<&Table> {
    list(table.get("package")).into_iter().filter_map(Value::as_table).collect()
}

fn list(value: Option<&Value>) -> Vec<&Value> {
    value.and_then(Value::as_array).map(|list| list.iter().collect()).unwrap_or_default()
}

fn word<'t>(table: &'t Table, key: &str) -> Option<&'t str> {
    table.get(key)?.as_str()
}

/// One more reason to want `name`: always, or under `marker`.
fn want<K: Ord>(wanted: &mut BTreeMap<K, Wanted>, name: K, marker: Option<&str>) {
    let markers = wanted.entry(name).or_insert_with(|| Some(BTreeSet::new()));
    match (marker, markers) {
        (Some(marker), Some(markers)) => {
            markers.insert(marker.to_owned());
        }
        (None, markers) => *markers = None,
        (Some(_), None) => {}
    }
}

/// A requirement; nothing when a part of it is not what it should be.
fn line(
    out: &mut String,
    name: &str,
    version: &str,
    markers: Option<&BTreeSet<String>>,
    hashes: &[&str],
) -> Option<()> {
    let plain = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-+!".contains(c))
    };
    let hash = |hash: &&str| {
        hash.strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()))
    };
    if !plain(name) || !plain(version) || hashes.is_empty() || !hashes.iter().all(hash) {
        return None;
    }
    out.push_str(&format!("{name}=={version}"));
    if let Some(markers) = markers {
        let text = markers.iter().map(|marker| format!("({marker})")).collect::<Vec<_>>().join(" or ");
        // One line, and nothing that begins a comment or an option.
        if text.contains(['\n', '\r', '#', '\\']) || text.contains("--") {
            return None;
        }
        out.push_str(&format!(" ; {text}"));
    }
    for hash in hashes {
        out.push_str(&format!(" --hash={hash}"));
    }
    out.push('\n');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    #[test]
    fn requirements_lock_when_each_has_a_hash() {
        assert!(hashed("# made\na==1 \\\n    --hash=sha256:0\n-r other.txt\nb==2 --hash=sha256:1\n"));
        for text in ["", "# none\n", "a==1\n", "a==1 --hash=sha256:0\nb==2\n"] {
            assert!(!hashed(text), "{text}");
        }
    }

    #[test]
    fn a_lock_of_uv_gives_what_the_project_reaches_with_its_markers() {
        let text = format!(
            r#"version = 1
[[package]]
name = "shop"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "rich", extra = ["jupyter"] }}]
[package.dev-dependencies]
dev = [{{ name = "pytest" }}]
[[package]]
name = "rich"
version = "1.0"
source = {{ registry = "https://r.example/simple" }}
wheels = [{{ url = "u", hash = "{a}" }}, {{ url = "u", hash = "{b}" }}]
[package.optional-dependencies]
jupyter = [{{ name = "nb" }}]
[[package]]
name = "nb"
version = "2"
source = {{ registry = "https://r.example/simple" }}
wheels = [{{ url = "u", hash = "{a}" }}]
[[package]]
name = "pytest"
version = "8.0.1"
source = {{ registry = "https://r.example/simple" }}
dependencies = [{{ name = "colorama", marker = "sys_platform == 'win32'" }}]
sdist = {{ url = "u", hash = "{b}" }}
[[package]]
name = "colorama"
version = "0.4"
source = {{ registry = "https://r.example/simple" }}
wheels = [{{ url = "u", hash = "{a}" }}]
[[package]]
name = "nobody"
version = "1"
source = {{ registry = "https://r.example/simple" }}
wheels = [{{ url = "u", hash = "{a}" }}]
"#,
            a = sha('a'),
            b = sha('b')
        );
        let expected = format!(
            "colorama==0.4 ; (sys_platform == 'win32') --hash={a}\nnb==2 --hash={a}\npytest==8.0.1 --hash={b}\nrich==1.0 --hash={a} --hash={b}\n",
            a = sha('a'),
            b = sha('b')
        );
        assert_eq!(uv(&text).unwrap(), expected);
        for (from, to) in [
            ("name = \"nobody\"", "name = \"nb\""),
            ("version = \"2\"", "version = \"2 --pre\""),
            ("'win32'\"", "'win32' --index-url x\""),
            (sha('a').as_str(), "md5:0"),
            ("[[package]]", "[package"),
        ] {
            assert_eq!(uv(&text.replacen(from, to, 1)), None, "{from}");
        }
    }

    #[test]
    fn a_lock_of_poetry_gives_what_is_not_optional() {
        let text = format!(
            r#"[[package]]
name = "pytest"
version = "8.0.1"
optional = false
files = [{{file = "f", hash = "{a}"}}]
[package.dependencies]
colorama = {{version = "*", markers = "sys_platform == \"win32\""}}
iniconfig = "*"
[[package]]
name = "colorama"
version = "0.4"
optional = false
files = [{{file = "f", hash = "{a}"}}]
[[package]]
name = "iniconfig"
version = "2.0"
optional = false
markers = "python_version > \"3.8\""
files = [{{file = "f", hash = "{a}"}}]
[[package]]
name = "extra"
version = "1"
optional = true
files = [{{file = "f", hash = "{a}"}}]
"#,
            a = sha('a')
        );
        let expected = format!(
            "pytest==8.0.1 --hash={a}\ncolorama==0.4 ; (sys_platform == \"win32\") --hash={a}\niniconfig==2.0 ; (python_version > \"3.8\") --hash={a}\n",
            a = sha('a')
        );
        assert_eq!(poetry(&text, "[tool.poetry.dependencies]\npython = \"*\"\n").unwrap(), expected);
        let both = poetry(&text, "[tool.poetry.dependencies]\ncolorama = \"*\"\n").unwrap();
        assert!(both.contains("colorama==0.4 --hash"), "{both}");
    }
}
