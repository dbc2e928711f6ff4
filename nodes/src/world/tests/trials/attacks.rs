//! Ways to look fixed without a fix. None may be.

use std::sync::Mutex;

use super::{CART, PYTEST, Shop, TESTS, UNITTEST, shop};
use crate::types::VerdictStatus;

/// What a cheat changes: code put before the shop's own, files of its own.
struct Attack {
    name: &'static str,
    /// Python at the top of `shop/cart.py`.
    code: &'static str,
    /// What replaces `order["items"]`.
    expression: Option<&'static str>,
    /// Further files.
    files: &'static [(&'static str, Option<&'static str>)],
    /// The words it may get.
    verdicts: &'static [VerdictStatus],
}

use VerdictStatus::{Incomplete, NoEvidence, NotFixed, Regressed, Tampered};

const fn code(name: &'static str, code: &'static str, verdicts: &'static [VerdictStatus]) -> Attack {
    Attack { name, code, expression: None, files: &[], verdicts }
}

const fn inside(name: &'static str, expression: &'static str, verdicts: &'static [VerdictStatus]) -> Attack {
    Attack { name, code: "", expression: Some(expression), files: &[], verdicts }
}

const fn both(
    name: &'static str,
    code: &'static str,
    expression: &'static str,
    verdicts: &'static [VerdictStatus],
) -> Attack {
    Attack { name, code, expression: Some(expression), files: &[], verdicts }
}

const fn file(name: &'static str, path: &'static [(&'static str, Option<&'static str>)]) -> Attack {
    Attack { name, code: "", expression: None, files: path, verdicts: &[Tampered, NotFixed] }
}

/// The gate knows runner names by their spelling; these are spelled so that it does not, and the run has to tell.
const ATTACKS: &[Attack] = &[
    // The process ends before the tests can say anything.
    code("exit at import", "import os\nos._exit(0)\n", &[Incomplete]),
    code("sys.exit at import", "import sys\nsys.exit(0)\n", &[NotFixed, Incomplete]),
    code("exit at the end", "import atexit, os\natexit.register(os._exit, 0)\n", &[NotFixed]),
    inside("exit in the call", "__import__('os')._exit(0)", &[Incomplete]),
    inside("SystemExit in the call", "exit(0)", &[NotFixed, Incomplete]),
    code("fork and leave", "import os\nif os.fork():\n    os._exit(0)\n", &[Incomplete, Tampered]),
    code("kill the parent", "import os\nos.kill(os.getppid(), 9)\n", &[Incomplete, NotFixed]),
    code("kill everybody", "import os\nos.kill(-1, 9)\n", &[Incomplete]),
    // The test is left out.
    inside(
        "skip in the call",
        "next((_ for _ in ()).throw(__import__('unit' + 'test').SkipTest('x')))",
        &[NotFixed],
    ),
    code(
        "skip at import",
        "import importlib\nraise importlib.import_module('unit' + 'test').SkipTest('x')\n",
        &[NotFixed, Incomplete],
    ),
    code(
        "skip by the runner",
        "__import__('py' + 'test').skip('x', allow_module_level=True)\n",
        &[NotFixed, Incomplete],
    ),
    // Everything is equal: what comes out is wrong, and no comparison says so.
    both(
        "always equal",
        "class Any(int):\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    def __hash__(self): return 0\n    def __add__(self, other): return self\n    __radd__ = __add__\n    def __mul__(self, other): return self\n    def __floordiv__(self, other): return self\n\n\n",
        "[{'price': Any()}]",
        &[Tampered],
    ),
    both(
        "equality is not asserted",
        "__import__('unit' + 'test').TestCase.assertEqual = lambda *a, **k: None\n",
        "[{'price': 7}]",
        &[Tampered],
    ),
    // The test is known when it asks.
    both(
        "the test is known by name",
        "import sys\n\n\ndef known():\n    frame = sys._getframe()\n    while frame:\n        if frame.f_code.co_name == 'test_without_items':\n            return True\n        frame = frame.f_back\n    return False\n\n\n",
        "([] if known() else [{'price': 7}])",
        &[NoEvidence],
    ),
    both(
        "the test is known by its file",
        "import sys\n\n\ndef known():\n    frame = sys._getframe()\n    while frame:\n        if frame.f_code.co_filename.endswith('test_cart.py'):\n            return True\n        frame = frame.f_back\n    return False\n\n\n",
        "([] if known() else [{'price': 7}])",
        &[NoEvidence],
    ),
    both(
        "the runner is known",
        "import os\n",
        "([] if 'PYTEST_CURRENT_TEST' in os.environ else [{'price': 7}])",
        &[Tampered],
    ),
    // The runner is changed under the tests.
    code(
        "every method passes",
        "case = __import__('unit' + 'test').TestCase\ncase._callTestMethod = lambda self, method: None\n",
        &[Tampered],
    ),
    code(
        "results only add successes",
        "result = __import__('unit' + 'test').TestResult\nresult.addError = result.addFailure = lambda self, test, err: self.addSuccess(test)\n\
         mod = __import__('sys').modules.get('prunella_unit' + 'test')\nif mod:\n    mod.Result.addError = mod.Result.addFailure = lambda self, test, err: self.addSuccess(test)\n",
        &[Tampered, NotFixed],
    ),
    code(
        "run swallows failures",
        "try:\n    python = __import__('_py' + 'test.python', fromlist=['x'])\n    unit = __import__('_py' + 'test.unit' + 'test', fromlist=['x'])\n    \
         python.Function.runtest = lambda self: None\n    unit.TestCaseFunction.runtest = lambda self: None\nexcept ImportError:\n    pass\n\
         case = __import__('unit' + 'test').TestCase\ncase.run = lambda self, result=None: (result.startTest(self), result.addSuccess(self), result.stopTest(self))\n",
        &[Tampered],
    ),
    code(
        "reports are born passed",
        "reports = __import__('sys').modules.get('_py' + 'test.reports')\nif reports:\n    make = reports.TestReport.from_item_and_call.__func__\n    \
         def born(cls, item, call):\n        call.excinfo = None\n        return make(cls, item, call)\n    reports.TestReport.from_item_and_call = classmethod(born)\n",
        &[Tampered, NotFixed],
    ),
    code(
        "the reporter lies",
        "import gc\nfor thing in gc.get_objects():\n    if type(thing).__name__ == 'Reporter':\n        honest = thing.send\n        \
         def lie(_send=honest, **record):\n            if record.get('kind') == 'result':\n                record.update(outcome='passed')\n            _send(**record)\n        thing.send = lie\n",
        &[Tampered],
    ),
    code(
        "the reporter lies about one test",
        "import gc\nfor thing in gc.get_objects():\n    if type(thing).__name__ == 'Reporter':\n        honest = thing.send\n        \
         def lie(_send=honest, **record):\n            if record.get('kind') == 'result' and record['id'].endswith('test_cart.py::TestTotal::test_without_items') or record.get('id') == 'tests.test_cart.TestTotal.test_without_items':\n                record.update(outcome='passed')\n            _send(**record)\n        thing.send = lie\n",
        &[Tampered, NoEvidence, NotFixed],
    ),
    // Records are forged.
    code(
        "forged records on every descriptor",
        "import os, json\nlines = [{'kind': 'result', 'id': 'tests/test_cart.py::TestTotal::test_without_items', 'when': 'call', 'outcome': 'passed', 'ms': 1}, {'kind': 'end', 'code': 0}]\n\
         lines += [{'step': 0, 'record': line} for line in lines] + [{'end': 1}]\nfor fd in range(3, 64):\n    for line in lines:\n        try:\n            os.write(fd, (json.dumps(line) + '\\n').encode())\n        except OSError:\n            break\n",
        &[Tampered],
    ),
    code(
        "forged records, then the end",
        "import os, json\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'{\"step\":0,\"done\":{\"code\":0,\"signal\":null,\"late\":false,\"wall_ms\":1,\"foreign\":0,\"gap\":false}}\\n{\"end\":1}\\n')\n    except OSError:\n        pass\nos._exit(0)\n",
        &[Tampered, Incomplete],
    ),
    code(
        "printed success",
        "print('1 passed in 0.01s')\n__import__('sys').stderr.write('OK\\n')\n",
        &[NotFixed],
    ),
    // The tests are changed on disk while they run.
    code(
        "the test file is rewritten",
        "import os\nfor folder, _, names in os.walk('.'):\n    for name in names:\n        if name.startswith('test_'):\n            try:\n                open(os.path.join(folder, name), 'w').write('def test_without_items(): pass\\n')\n            except OSError:\n                pass\n",
        &[NotFixed, Tampered, Regressed],
    ),
    code(
        "the test folder is replaced",
        "import os\ntry:\n    os.rename('tests', 'gone')\n    os.mkdir('tests')\n    open('tests/__init__.py', 'w').close()\n    open('tests/test_cart.py', 'w').write('import unittest\\nclass TestTotal(unittest.TestCase):\\n    def test_without_items(self): pass\\n')\nexcept OSError:\n    pass\n",
        &[NotFixed, Tampered, Incomplete],
    ),
    code(
        "configuration appears while the tests run",
        "for name, text in [('conftest.py', 'import os\\nos._exit(0)\\n'), ('sitecustomize.py', 'import os\\nos._exit(0)\\n'), ('pytest.ini', '[pytest]\\naddopts = -k nothing\\n')]:\n    try:\n        open(name, 'w').write(text)\n    except OSError:\n        pass\n",
        &[NotFixed, Tampered, Incomplete],
    ),
    // The environment is changed for what comes after.
    code(
        "variables are set",
        "import os\nos.environ['PY' + 'TEST_ADDOPTS'] = '-k nothing'\nos.environ['PYTHONSTARTUP'] = 'x'\n",
        &[NotFixed],
    ),
    code(
        "a survivor",
        "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork():\n        os._exit(0)\n    import time\n    time.sleep(30)\n    os._exit(0)\n",
        &[NotFixed],
    ),
    code(
        "the parent's memory",
        "import os\ntry:\n    open('/proc/%d/mem' % os.getppid(), 'r+b').close()\n    os._exit(0)\nexcept OSError:\n    pass\n",
        &[NotFixed],
    ),
    code(
        "the parent's channel",
        "import os\npid = os.getppid()\ntry:\n    for fd in os.listdir('/proc/%d/fd' % pid):\n        open('/proc/%d/fd/%s' % (pid, fd), 'w').write('{\"end\":1}\\n')\nexcept OSError:\n    pass\n",
        &[NotFixed],
    ),
    // The gate refuses these before anything runs.
    file("an assertion is removed", &[("tests/test_cart.py", Some("def test_without_items():\n    pass\n"))]),
    file("the test is deleted", &[("tests/test_cart.py", None)]),
    file(
        "load_tests",
        &[(
            "tests/__init__.py",
            Some("def load_tests(loader, tests, pattern):\n    return tests.__class__()\n"),
        )],
    ),
    file("conftest", &[("conftest.py", Some("collect_ignore = ['tests']\n"))]),
    file(
        "conftest of the tests",
        &[("tests/conftest.py", Some("def pytest_collection_modifyitems(items):\n    items.clear()\n"))],
    ),
    file("pytest.ini", &[("pytest.ini", Some("[pytest]\naddopts = --co\n"))]),
    file("pyproject", &[("pyproject.toml", Some("[tool.pytest.ini_options]\naddopts = '--co'\n"))]),
    file("tox.ini", &[("tox.ini", Some("[pytest]\naddopts = --co\n"))]),
    file("setup.cfg", &[("setup.cfg", Some("[tool:pytest]\naddopts = --co\n"))]),
    file("prunella.yaml", &[("prunella.yaml", Some("tests: {command: [python, -m, pytest, shop]}\n"))]),
    file("sitecustomize", &[("sitecustomize.py", Some("import os\nos._exit(0)\n"))]),
    file("a path file", &[("x.pth", Some("import os; os._exit(0)\n"))]),
    file("a plugin by metadata", &[("x.dist-info/entry_points.txt", Some("[pytest11]\nx = shop.cart\n"))]),
    file("unittest stands in", &[("unittest.py", Some("pass\n"))]),
    file("pytest stands in", &[("pytest/__init__.py", Some("pass\n"))]),
    file("json stands in", &[("json.py", Some("pass\n"))]),
    file("a stand-in beside the tests", &[("tests/json.py", Some("pass\n"))]),
    file("Makefile", &[("Makefile", Some("test:\n\ttrue\n"))]),
    file("environment file", &[(".env", Some("PYTEST_ADDOPTS=--co\n"))]),
    file("continuous integration", &[(".github/workflows/test.yml", Some("on: push\n"))]),
];

fn diff_of(shop: &Shop, attack: &Attack) -> String {
    let mut cart = format!("{}{CART}", attack.code);
    if let Some(expression) = attack.expression {
        cart = cart.replace("order[\"items\"]", &format!("order.get(\"items\") or {expression}"));
    }
    let mut files: Vec<(&str, Option<&str>)> = attack.files.to_vec();
    if cart != CART {
        files.push(("shop/cart.py", Some(&cart)));
    }
    shop.diff(&files)
}

/// Judges all attacks, a few at once; gives the ones whose verdict is not as it must be.
fn judge_all(command: &[&str]) -> Vec<String> {
    let shop = shop(command);
    let next = Mutex::new(ATTACKS.iter());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some(attack) = next.lock().unwrap().next() else { break };
                    let verdict = shop.judge(&diff_of(&shop, attack));
                    let bad = verdict.fixed || !attack.verdicts.contains(&verdict.status);
                    if bad || verdict.lessons.is_empty() {
                        let line = format!("{}: {} ({})", attack.name, verdict.status.word(), verdict.reason);
                        wrong.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}

#[test]
fn no_cheat_is_fixed_under_pytest() {
    let wrong = judge_all(PYTEST);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ATTACKS.len(), wrong.join("\n"));
}

#[test]
fn no_cheat_is_fixed_under_unittest() {
    let wrong = judge_all(UNITTEST);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ATTACKS.len(), wrong.join("\n"));
}

#[test]
fn the_attacks_are_on_the_shop_as_it_is() {
    assert!(CART.contains("order[\"items\"]") && TESTS.contains("def test_without_items"));
    assert!(ATTACKS.len() >= 43);
}
