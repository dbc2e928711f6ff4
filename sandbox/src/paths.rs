//! What counts as a path of the tree.

/// The names of a relative path, or nothing when it is absolute, climbs, or is no path at all.
pub(crate) fn relative(path: &str) -> Option<Vec<&str>> {
    if path.contains('\0') || path.starts_with('/') {
        return None;
    }
    let names: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    if names.contains(&"..") { None } else { Some(names) }
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn only_paths_that_stay_inside_are_paths() {
        assert_eq!(relative("a//b/./c"), Some(vec!["a", "b", "c"]));
        assert_eq!(relative(""), Some(vec![]));
        for bad in ["/a", "a/../b", "..", "a\0b"] {
            assert_eq!(relative(bad), None, "{bad:?}");
        }
    }
}
