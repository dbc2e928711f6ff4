//! The command's environment, built from nothing.

use std::collections::BTreeMap;

/// Where things are for the command.
pub(crate) struct Places<'a> {
    /// Its home folder.
    pub(crate) home: &'a str,
    /// Its temporary folder.
    pub(crate) temporary: &'a str,
    /// The tree.
    pub(crate) repo: &'a str,
    /// The job's files.
    pub(crate) files: &'a str,
}

/// The fixed base with what a job adds to it. Refuses a value that is one of this process's own secrets.
pub(crate) fn whole(
    added: &BTreeMap<String, String>,
    places: &Places<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let mut env: BTreeMap<String, String> = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", places.home),
        ("TMPDIR", places.temporary),
        ("PRUNELLA_REPO", places.repo),
        ("PRUNELLA_FILES", places.files),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("USER", "sandbox"),
        ("LOGNAME", "sandbox"),
        ("CI", "1"),
        ("PYTHONHASHSEED", "0"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONNOUSERSITE", "1"),
        ("SOURCE_DATE_EPOCH", "315532800"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    for (name, value) in added {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("{name:?} is no name of a variable"));
        }
        if secrets().any(|(_, secret)| secret == *value) {
            return Err(format!("variable {name} has the value of a secret of this process"));
        }
        env.insert(name.clone(), value.clone());
    }
    Ok(env)
}

/// Variables of this process that look like credentials.
fn secrets() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, value)| value.len() >= 8 && looks_secret(name))
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "SECRET", "PASSW", "CREDENTIAL", "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY"]
        .iter()
        .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_adds_to_a_fixed_base() {
        let added = BTreeMap::from([("PATH".to_owned(), "/x".to_owned()), ("A".to_owned(), "b".to_owned())]);
        let places = Places { home: "/h", temporary: "/t", repo: "/r", files: "/f" };
        let env = whole(&added, &places).unwrap();
        assert_eq!((env["PATH"].as_str(), env["A"].as_str(), env["HOME"].as_str()), ("/x", "b", "/h"));
        assert!(whole(&BTreeMap::from([("A=B".to_owned(), String::new())]), &places).is_err());
        assert!(looks_secret("github_token") && !looks_secret("PYTHONPATH"));
    }
}
