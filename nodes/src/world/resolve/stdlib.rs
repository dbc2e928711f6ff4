//! What is known of the standard library without asking an interpreter: modules, and homes of names that travel alone.

/// Whether `name` is a module of the standard library that programs use by its name.
pub(super) fn is_module(name: &str) -> bool {
    #[rustfmt::skip]
    const MODULES: &[&str] = &[
        "abc", "argparse", "array", "ast", "asyncio", "base64", "binascii", "bisect", "calendar", "cmath",
        "codecs", "collections", "configparser", "contextlib", "copy", "csv", "ctypes", "dataclasses",
        "datetime", "decimal", "difflib", "email", "enum", "errno", "fnmatch", "fractions", "functools", "gc",
        "getpass", "gettext", "glob", "gzip", "hashlib", "heapq", "hmac", "html", "http", "importlib",
        "inspect", "io", "ipaddress", "itertools", "json", "keyword", "linecache", "locale", "logging",
        "lzma", "math", "mimetypes", "numbers", "operator", "os", "pathlib", "pickle", "pkgutil", "platform",
        "pprint", "queue", "random", "re", "sched", "secrets", "select", "shlex", "shutil", "signal",
        "socket", "sqlite3", "ssl", "stat", "statistics", "string", "struct", "subprocess", "sys",
        "sysconfig", "tarfile", "tempfile", "textwrap", "threading", "time", "timeit", "token", "tokenize",
        "traceback", "types", "typing", "unicodedata", "unittest", "urllib", "uuid", "warnings", "weakref",
        "xml", "zipfile", "zlib", "zoneinfo",
    ];
    MODULES.binary_search(&name).is_ok()
}

/// The module that programs import `name` from.
pub(super) fn home(name: &str) -> Option<&'static str> {
    const HOMES: &[(&str, &str)] = &[
        ("BytesIO", "io"),
        ("ChainMap", "collections"),
        ("Counter", "collections"),
        ("Decimal", "decimal"),
        ("Fraction", "fractions"),
        ("IPv4Address", "ipaddress"),
        ("IPv4Network", "ipaddress"),
        ("OrderedDict", "collections"),
        ("Path", "pathlib"),
        ("PurePath", "pathlib"),
        ("PurePosixPath", "pathlib"),
        ("SimpleNamespace", "types"),
        ("StringIO", "io"),
        ("UUID", "uuid"),
        ("ZoneInfo", "zoneinfo"),
        ("date", "datetime"),
        ("datetime", "datetime"),
        ("deepcopy", "copy"),
        ("defaultdict", "collections"),
        ("deque", "collections"),
        ("namedtuple", "collections"),
        ("partial", "functools"),
        ("reduce", "functools"),
        ("timedelta", "datetime"),
        ("timezone", "datetime"),
        ("urlparse", "urllib.parse"),
        ("uuid4", "uuid"),
    ];
    HOMES.binary_search_by(|(known, _)| (*known).cmp(name)).ok().map(|at| HOMES[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        for name in ["abc", "io", "json", "zoneinfo", "os"] {
            assert!(is_module(name), "{name}");
        }
        for (name, module) in
            [("BytesIO", "io"), ("urlparse", "urllib.parse"), ("date", "datetime"), ("uuid4", "uuid")]
        {
            assert_eq!(home(name), Some(module));
        }
        assert_eq!((home("croniter"), is_module("croniter")), (None, false));
    }
}
