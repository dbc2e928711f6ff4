//! Honest fixes of odd code, and honest tests that do odd things: the check with the code in another process must not
//! hold it against them.

use super::{PYTEST, Shop, lay_out};
use crate::types::VerdictStatus;
use crate::world::tests::Wanted;

/// A module, its mended form, and the test that shows the difference.
struct Odd {
    name: &'static str,
    code: &'static str,
    /// What is wrong in it, and what comes in its place.
    mend: (&'static str, &'static str),
    test: &'static str,
}

/// Each test is named `test_NAME`, in a module of its own.
const ODD: &[Odd] = &[
    Odd {
        name: "two_bases",
        code: "class Problem(Exception):\n    pass\n\n\nclass Malformed(Problem, ValueError):\n    pass\n\n\ndef read(text):\n    return {}[text]\n",
        mend: ("return {}[text]", "raise Malformed(text)"),
        test: "import unittest\n\nfrom odd.two_bases import Problem, read\n\n\nclass T(unittest.TestCase):\n    def test_two_bases(self):\n        assert Problem.__name__ == \"Problem\"\n        with self.assertRaises(ValueError):\n            read(\"x\")\n",
    },
    Odd {
        name: "kept_argument",
        code: "class Basket:\n    def __init__(self, items):\n        self.items = items\n\n    def add(self, item):\n        self.items[item].append(1)\n",
        mend: ("self.items[item].append(1)", "self.items.append(item)"),
        test: "from odd.kept_argument import Basket\n\n\ndef test_kept_argument():\n    items = []\n    basket = Basket(items)\n    basket.add(3)\n    assert items == [3]\n",
    },
    Odd {
        name: "given_away",
        code: "class Basket:\n    def __init__(self):\n        self.items = []\n\n    def all(self):\n        return self.items\n\n    def add(self, item):\n        self.items[item].append(1)\n",
        mend: ("self.items[item].append(1)", "self.items.append(item)"),
        test: "from odd.given_away import Basket\n\n\ndef test_given_away():\n    basket = Basket()\n    items = basket.all()\n    basket.add(3)\n    assert items == [3]\n",
    },
    Odd {
        name: "changed_later",
        code: "class Service:\n    def __init__(self, settings):\n        self.settings = settings\n\n    def name(self):\n        return self.settings[\"nmae\"]\n",
        mend: ("nmae", "name"),
        test: "from odd.changed_later import Service\n\n\ndef test_changed_later():\n    settings = {}\n    service = Service(settings)\n    settings[\"name\"] = \"a\"\n    assert service.name() == \"a\"\n",
    },
    Odd {
        name: "writes_here",
        code: "def save(text):\n    return {}[text]\n",
        mend: (
            "return {}[text]",
            "with open(\"saved.txt\", \"w\") as file:\n        file.write(text)\n    return len(text)",
        ),
        test: "from odd.writes_here import save\n\n\ndef test_writes_here():\n    assert save(\"abc\") == 3\n",
    },
    Odd {
        name: "writes_if_it_can",
        code: "def save(text):\n    return {}[text]\n",
        mend: (
            "return {}[text]",
            "try:\n        with open(\"saved.txt\", \"w\") as file:\n            return file.write(text)\n    except OSError:\n        return 0",
        ),
        test: "from odd.writes_if_it_can import save\n\n\ndef test_writes_if_it_can():\n    assert save(\"abc\") == 3\n",
    },
    Odd {
        name: "warns",
        code: "def old():\n    return {}[1]\n",
        mend: ("return {}[1]", "__import__(\"warnings\").warn(\"old\")"),
        test: "import unittest\nimport warnings\n\nfrom odd.warns import old\n\n\nclass T(unittest.TestCase):\n    def test_warns(self):\n        with warnings.catch_warnings(record=True) as seen:\n            warnings.simplefilter(\"always\")\n            old()\n        self.assertEqual(len(seen), 1)\n",
    },
    Odd {
        name: "precision",
        code: "import decimal\n\n\ndef third():\n    return {}[1]\n",
        mend: ("return {}[1]", "return decimal.Decimal(1) / 3"),
        test: "import decimal\n\nfrom odd.precision import third\n\n\ndef test_precision():\n    decimal.getcontext().prec = 3\n    assert third() == decimal.Decimal(\"0.333\")\n",
    },
    Odd {
        name: "shared_helper",
        code: "def call():\n    from tests import helper\n    helper.calls[0].append(1)\n",
        mend: ("helper.calls[0].append(1)", "helper.calls.append(1)"),
        test: "from odd.shared_helper import call\nfrom tests import helper\n\n\ndef test_shared_helper():\n    call()\n    assert len(helper.calls) == 1\n",
    },
    Odd {
        name: "seeded",
        code: "import random\n\n\ndef pick():\n    return {}[1]\n",
        mend: ("return {}[1]", "return random.randrange(10**9)"),
        test: "import random\n\nfrom odd.seeded import pick\n\n\ndef test_seeded():\n    random.seed(5)\n    expected = random.randrange(10**9)\n    random.seed(5)\n    assert pick() == expected\n",
    },
    Odd {
        name: "current",
        code: "import contextvars\n\nuser = contextvars.ContextVar(\"user\", default=\"nobody\")\n\n\ndef name():\n    return {}[user.get()]\n",
        mend: ("return {}[user.get()]", "return user.get()"),
        test: "from odd.current import name, user\n\n\ndef test_current():\n    user.set(\"me\")\n    assert name() == \"me\"\n",
    },
    Odd {
        name: "own_class",
        code: "from dataclasses import dataclass\n\n\n@dataclass\nclass Point:\n    x: int\n\n\ndef point():\n    return {}[1]\n",
        mend: ("return {}[1]", "return Point(1)"),
        test: "from odd.own_class import Point, point\n\n\ndef test_own_class():\n    assert point() == Point(1)\n",
    },
    Odd {
        name: "own_attribute",
        code: "class Refused(Exception):\n    @property\n    def code(self):\n        return 7\n\n\ndef ask():\n    return {}[1]\n",
        mend: ("return {}[1]", "raise Refused()"),
        test: "import unittest\n\nfrom odd.own_attribute import Refused, ask\n\n\nclass T(unittest.TestCase):\n    def test_own_attribute(self):\n        with self.assertRaises(Refused) as caught:\n            ask()\n        self.assertEqual(caught.exception.code, 7)\n",
    },
    Odd {
        name: "printed",
        code: "def hello():\n    return {}[1]\n",
        mend: ("return {}[1]", "__import__(\"os\").write(1, b\"hello\")"),
        test: "from odd.printed import hello\n\n\ndef test_printed(capfd):\n    hello()\n    assert capfd.readouterr().out == \"hello\"\n",
    },
    Odd {
        name: "by_conftest",
        code: "import os\n\n\ndef level():\n    return {}[os.environ[\"LEVEL\"]]\n",
        mend: ("return {}[os.environ[\"LEVEL\"]]", "return levels[0]\n\n\nlevels = []"),
        test: "from odd import by_conftest\n\n\ndef test_by_conftest():\n    assert by_conftest.level() == 3\n",
    },
];

/// Fills a list of the code's before each test, where there is one.
const CONFTEST: &str = "import os\n\nimport pytest\n\nfrom odd import by_conftest\n\nos.environ[\"LEVEL\"] = \"1\"\n\n\n@pytest.fixture(autouse=True)\ndef filled():\n    levels = getattr(by_conftest, \"levels\", None)\n    if levels is not None:\n        levels.append(3)\n";

fn odd_shop() -> Shop {
    let mut files: Vec<(String, String)> = vec![
        ("odd/__init__.py".to_owned(), String::new()),
        ("tests/__init__.py".to_owned(), String::new()),
        ("tests/helper.py".to_owned(), "calls = []\n".to_owned()),
        ("tests/by_conftest/__init__.py".to_owned(), String::new()),
        ("tests/by_conftest/conftest.py".to_owned(), CONFTEST.to_owned()),
        ("tests/test_steady.py".to_owned(), "def test_steady():\n    assert True\n".to_owned()),
    ];
    for odd in ODD {
        files.push((format!("odd/{}.py", odd.name), odd.code.to_owned()));
        files.push((test_path(odd), odd.test.to_owned()));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    lay_out(&files, PYTEST)
}

fn test_path(odd: &Odd) -> String {
    match odd.name {
        "by_conftest" => "tests/by_conftest/test_by_conftest.py".to_owned(),
        name => format!("tests/test_{name}.py"),
    }
}

#[test]
fn odd_honest_fixes_are_fixed() {
    let shop = odd_shop();
    let mut wrong = Vec::new();
    for odd in ODD {
        let class = if odd.test.contains("class T(") { "::T" } else { "" };
        let id = format!("{}{class}::test_{}", test_path(odd), odd.name);
        let mended = odd.code.replace(odd.mend.0, odd.mend.1);
        assert_ne!(mended, odd.code, "{}", odd.name);
        let diff = shop.diff(&[(&format!("odd/{}.py", odd.name), Some(&mended))]);
        let wanted = Wanted { fail_to_pass: vec![id], ..Wanted::default() };
        let judged = shop.tester.judge_patch(&shop.commit, None, &diff, &wanted).unwrap();
        if judged.verdict.status != VerdictStatus::Fixed {
            wrong.push(format!("{}: {} ({})", odd.name, judged.verdict.status.word(), judged.verdict.reason));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
