use super::*;
use crate::world::locate::scratch::repository;

const FILES: &[(&str, &str)] = &[
    (
        "src/shop/__init__.py",
        "from .cart import Cart as Cart, total\nfrom . import rules\n__version__ = '1'\n",
    ),
    (
        "src/shop/cart.py",
        "import numpy as np\n\n\nclass Cart:\n    def add(self): pass\n\n\ndef total(items):\n    from yaml import safe_load\n    return Item\n",
    ),
    ("src/shop/_private.py", "class Secret: pass\ndef parse(): pass\n"),
    ("src/shop/rules/__init__.py", ""),
    (
        "src/shop/rules/tax.py",
        "try:\n    RATE = 1\nexcept ImportError:\n    RATE = 2\n\n\ndef parse(): pass\n\n\nclass Rate(object):\n    @classmethod\n    def of(cls): pass\n",
    ),
    ("src/shop/shop.py", "def shop(): pass\n"),
    ("tests/test_cart.py", "from shop.rules import tax\nfrom shop import Cart\n\n\ndef helper(): pass\n"),
    ("tool.py", "from .. import outside\ndef tool(): pass\n"),
];

fn ways_of(name: &str) -> Vec<String> {
    near(name, &[])
}

fn near(name: &str, near: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let commit = repository(dir.path(), FILES);
    let repo = GitRepo::open(dir.path()).unwrap();
    let near = near.iter().map(|path| (*path).into()).collect();
    let request = ResolveRequest {
        commit,
        names: vec![name.to_owned()],
        near,
        path: "tests/test_cart.py".into(),
        raising: Vec::new(),
    };
    let mut response = resolve(&repo, &request).unwrap();
    assert_eq!(&*response.path, "tests/test_cart_2.py", "the commit has tests/test_cart.py");
    response.imports.remove(0)
}

#[test]
fn the_best_way_comes_first() {
    for (name, want) in [
        ("shop.total", "import shop"),
        ("shop", "from shop.shop import shop"),
        ("Cart", "from shop import Cart"),
        ("total", "from shop import total"),
        ("rules.tax", "from shop import rules"),
        ("tax.parse", "from shop.rules import tax"),
        ("Rate.of", "from shop.rules.tax import Rate"),
        ("RATE", "from shop.rules.tax import RATE"),
        ("parse", "from shop.rules.tax import parse"),
        ("tool", "from tool import tool"),
        ("np.array", "import numpy as np"),
        ("safe_load", "from yaml import safe_load"),
        ("io.BytesIO", "import io"),
        ("BytesIO", "from io import BytesIO"),
        ("Decimal", "from decimal import Decimal"),
    ] {
        assert_eq!(ways_of(name).first().map(String::as_str), Some(want), "{name}: {:?}", ways_of(name));
    }
}

#[test]
fn what_is_near_the_frames_is_preferred() {
    assert_eq!(near("parse", &["src/shop/_private.py"])[0], "from shop._private import parse");
}

#[test]
fn names_of_nobody_get_nothing() {
    for name in ["args.get", "helper", "", "a b", "outside.x; import os"] {
        let ways = ways_of(name);
        assert!(ways.iter().all(|way| !way.contains(';')), "{name}: {ways:?}");
        if name != "outside.x; import os" {
            assert_eq!(ways, Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn a_functions_own_errors_are_classes_of_the_repository() {
    let files = [
        ("shop/__init__.py", "from .errors import BadItem\n"),
        ("shop/errors.py", "class BadItem(Exception): pass\nclass Unused(Exception): pass\n"),
        (
            "shop/cart.py",
            "from . import errors\n\n\ndef add(x):\n    if x:\n        raise errors.BadItem('no')\n    raise ValueError(x)\n\n\ndef other():\n    raise errors.Unused()\n",
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    let commit = repository(dir.path(), &files);
    let repo = GitRepo::open(dir.path()).unwrap();
    let place = crate::effects::Place { path: "shop/cart.py".into(), function: "add".to_owned() };
    let request = ResolveRequest { commit, raising: vec![place], ..ResolveRequest::default() };
    let errors = resolve(&repo, &request).unwrap().errors;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(
        (errors[0].name.as_str(), errors[0].statement.as_str()),
        ("BadItem", "from shop import BadItem")
    );
}
