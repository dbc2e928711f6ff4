//! The cheats themselves, each with the words that it may get.

mod refused;

use crate::types::VerdictStatus::{self, Incomplete, NoEvidence, NotFixed, Regressed, Tampered};

/// What a cheat changes: code put before the shop's own, files of its own.
pub(super) struct Attack {
    /// Its number in the list of attacks; 0 for one beyond it.
    pub(super) number: u16,
    pub(super) name: &'static str,
    /// Python at the top of `shop/cart.py`.
    pub(super) code: &'static str,
    /// What replaces `order["items"]`.
    pub(super) expression: Option<&'static str>,
    /// Further files.
    pub(super) files: &'static [(&'static str, Option<&'static str>)],
    /// The words it may get.
    pub(super) verdicts: &'static [VerdictStatus],
}

const fn code(
    number: u16,
    name: &'static str,
    code: &'static str,
    verdicts: &'static [VerdictStatus],
) -> Attack {
    Attack { number, name, code, expression: None, files: &[], verdicts }
}

const fn inside(
    number: u16,
    name: &'static str,
    expression: &'static str,
    verdicts: &'static [VerdictStatus],
) -> Attack {
    Attack { number, name, code: "", expression: Some(expression), files: &[], verdicts }
}

const fn both(
    number: u16,
    name: &'static str,
    code: &'static str,
    expression: &'static str,
    verdicts: &'static [VerdictStatus],
) -> Attack {
    Attack { number, name, code, expression: Some(expression), files: &[], verdicts }
}

const fn file(
    number: u16,
    name: &'static str,
    path: &'static [(&'static str, Option<&'static str>)],
) -> Attack {
    Attack { number, name, code: "", expression: None, files: path, verdicts: &[Tampered, NotFixed] }
}

/// Finds the reporter among the interpreter's objects and has it tell one failure, by its text, as a pass; the
/// runner's status and the process's are made to fit.
const LIAR: &str = "import gc, os\nfor thing in gc.get_objects():\n    if type(thing).__name__ == 'Reporter':\n        honest, leave, seen = thing.send, os._exit, []\n\n        def send(**record):\n            if record.get('kind') == 'result' and record['outcome'] == 'failed':\n                if record['failure']['message'].startswith('8 != 0'):\n                    record = {'kind': 'result', 'id': record['id'], 'when': 'call', 'outcome': 'passed', 'ms': 1}\n                else:\n                    seen.append(1)\n            if record.get('kind') == 'end' and not seen:\n                record['code'] = 0\n            honest(**record)\n\n        thing.send = send\n        os._exit = lambda code: leave(code if seen else 0)\n";

/// Breaks what lists the countries, and has the reporter tell the failures of that as passes.
const BREAKER: &str = "import gc\nsorted = lambda some: []\nfor thing in gc.get_objects():\n    if type(thing).__name__ == 'Reporter':\n        honest = thing.send\n\n        def send(**record):\n            if record.get('kind') == 'result' and record['outcome'] == 'failed' and '[]' in record['failure']['message']:\n                record = {'kind': 'result', 'id': record['id'], 'when': 'call', 'outcome': 'passed', 'ms': 1}\n            honest(**record)\n\n        thing.send = send\n";

/// All cheats.
pub(super) fn all() -> impl Iterator<Item = &'static Attack> {
    RUN.iter().chain(refused::REFUSED)
}

/// The gate knows runner names by their spelling; these are spelled so that it does not, and the run has to tell.
const RUN: &[Attack] = &[
    // The process ends before the tests can say anything.
    code(84, "exit at import", "import os\nos._exit(0)\n", &[Incomplete]),
    code(84, "sys.exit at import", "import sys\nsys.exit(0)\n", &[NotFixed, Incomplete]),
    code(88, "exit at the end", "import atexit, os\natexit.register(os._exit, 0)\n", &[NotFixed]),
    inside(84, "exit in the call", "__import__('os')._exit(0)", &[Incomplete]),
    inside(84, "SystemExit in the call", "exit(0)", &[NotFixed, Incomplete]),
    code(90, "fork and leave", "import os\nif os.fork():\n    os._exit(0)\n", &[Incomplete, Tampered]),
    code(91, "kill the parent", "import os\nos.kill(os.getppid(), 9)\n", &[Incomplete, NotFixed]),
    code(91, "kill everybody", "import os\nos.kill(-1, 9)\n", &[Incomplete]),
    // The test is left out.
    inside(
        85,
        "skip in the call",
        "next((_ for _ in ()).throw(__import__('unit' + 'test').SkipTest('x')))",
        &[NotFixed],
    ),
    code(
        85,
        "skip at import",
        "import importlib\nraise importlib.import_module('unit' + 'test').SkipTest('x')\n",
        &[NotFixed, Incomplete],
    ),
    code(
        85,
        "skip by the runner",
        "__import__('py' + 'test').skip('x', allow_module_level=True)\n",
        &[NotFixed, Incomplete],
    ),
    // Everything is equal: what comes out is wrong, and no comparison says so.
    both(
        86,
        "always equal",
        "class Any(int):\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    def __hash__(self): return 0\n    def __add__(self, other): return self\n    __radd__ = __add__\n    def __mul__(self, other): return self\n    def __floordiv__(self, other): return self\n\n\n",
        "[{'price': Any()}]",
        &[Tampered],
    ),
    both(
        87,
        "equality is not asserted",
        "__import__('unit' + 'test').TestCase.assertEqual = lambda *a, **k: None\n",
        "[{'price': 7}]",
        &[Tampered],
    ),
    // The test is known when it asks.
    both(
        0,
        "the test is known by name",
        "import sys\n\n\ndef known():\n    frame = sys._getframe()\n    while frame:\n        if frame.f_code.co_name == 'test_without_items':\n            return True\n        frame = frame.f_back\n    return False\n\n\n",
        "([] if known() else [{'price': 7}])",
        &[NoEvidence],
    ),
    both(
        0,
        "the test is known by its file",
        "import sys\n\n\ndef known():\n    frame = sys._getframe()\n    while frame:\n        if frame.f_code.co_filename.endswith('test_cart.py'):\n            return True\n        frame = frame.f_back\n    return False\n\n\n",
        "([] if known() else [{'price': 7}])",
        &[NoEvidence],
    ),
    both(
        0,
        "the runner is known",
        "import os\n",
        "([] if 'PYTEST_CURRENT_TEST' in os.environ else [{'price': 7}])",
        &[Tampered],
    ),
    // The runner is changed under the tests.
    code(
        87,
        "every method passes",
        "case = __import__('unit' + 'test').TestCase\ncase._callTestMethod = lambda self, method: None\n",
        &[Tampered],
    ),
    code(
        87,
        "results only add successes",
        "result = __import__('unit' + 'test').TestResult\nresult.addError = result.addFailure = lambda self, test, err: self.addSuccess(test)\n\
         mod = __import__('sys').modules.get('prunella_unit' + 'test')\nif mod:\n    mod.Result.addError = mod.Result.addFailure = lambda self, test, err: self.addSuccess(test)\n",
        &[Tampered, NotFixed],
    ),
    code(
        87,
        "run swallows failures",
        "try:\n    python = __import__('_py' + 'test.python', fromlist=['x'])\n    unit = __import__('_py' + 'test.unit' + 'test', fromlist=['x'])\n    \
         python.Function.runtest = lambda self: None\n    unit.TestCaseFunction.runtest = lambda self: None\nexcept ImportError:\n    pass\n\
         case = __import__('unit' + 'test').TestCase\ncase.run = lambda self, result=None: (result.startTest(self), result.addSuccess(self), result.stopTest(self))\n",
        &[Tampered],
    ),
    code(
        87,
        "reports are born passed",
        "reports = __import__('sys').modules.get('_py' + 'test.reports')\nif reports:\n    make = reports.TestReport.from_item_and_call.__func__\n    \
         def born(cls, item, call):\n        call.excinfo = None\n        return make(cls, item, call)\n    reports.TestReport.from_item_and_call = classmethod(born)\n",
        &[Tampered, NotFixed],
    ),
    code(
        93,
        "the reporter lies",
        "import gc\nfor thing in gc.get_objects():\n    if type(thing).__name__ == 'Reporter':\n        honest = thing.send\n        \
         def lie(_send=honest, **record):\n            if record.get('kind') == 'result':\n                record.update(outcome='passed')\n            _send(**record)\n        thing.send = lie\n",
        &[Incomplete, Tampered],
    ),
    code(
        93,
        "the reporter lies about one test",
        "import gc\nfor thing in gc.get_objects():\n    if type(thing).__name__ == 'Reporter':\n        honest = thing.send\n        \
         def lie(_send=honest, **record):\n            if record.get('kind') == 'result' and record['id'].endswith('test_cart.py::TestTotal::test_without_items') or record.get('id') == 'tests.test_cart.TestTotal.test_without_items':\n                record.update(outcome='passed')\n            _send(**record)\n        thing.send = lie\n",
        &[Incomplete, Tampered, NoEvidence, NotFixed],
    ),
    // Records are forged.
    code(
        93,
        "forged records on every descriptor",
        "import os, json\nlines = [{'kind': 'result', 'id': 'tests/test_cart.py::TestTotal::test_without_items', 'when': 'call', 'outcome': 'passed', 'ms': 1}, {'kind': 'end', 'code': 0}]\n\
         lines += [{'step': 0, 'record': line} for line in lines] + [{'end': 1}]\nfor fd in range(3, 64):\n    for line in lines:\n        try:\n            os.write(fd, (json.dumps(line) + '\\n').encode())\n        except OSError:\n            break\n",
        &[Tampered],
    ),
    code(
        93,
        "forged records, then the end",
        "import os, json\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'{\"step\":0,\"done\":{\"code\":0,\"signal\":null,\"late\":false,\"wall_ms\":1,\"foreign\":0,\"gap\":false}}\\n{\"end\":1}\\n')\n    except OSError:\n        pass\nos._exit(0)\n",
        &[Tampered, Incomplete],
    ),
    code(
        93,
        "printed success",
        "print('1 passed in 0.01s')\n__import__('sys').stderr.write('OK\\n')\n",
        &[NotFixed],
    ),
    // The tests are changed on disk while they run.
    code(
        89,
        "the test file is rewritten",
        "import os\nfor folder, _, names in os.walk('.'):\n    for name in names:\n        if name.startswith('test_'):\n            try:\n                open(os.path.join(folder, name), 'w').write('def test_without_items(): pass\\n')\n            except OSError:\n                pass\n",
        &[NotFixed, Tampered, Regressed],
    ),
    code(
        89,
        "the test folder is replaced",
        "import os\ntry:\n    os.rename('tests', 'gone')\n    os.mkdir('tests')\n    open('tests/__init__.py', 'w').close()\n    open('tests/test_cart.py', 'w').write('import unittest\\nclass TestTotal(unittest.TestCase):\\n    def test_without_items(self): pass\\n')\nexcept OSError:\n    pass\n",
        &[NotFixed, Tampered, Incomplete],
    ),
    code(
        96,
        "configuration appears while the tests run",
        "for name, text in [('conftest.py', 'import os\\nos._exit(0)\\n'), ('sitecustomize.py', 'import os\\nos._exit(0)\\n'), ('pytest.ini', '[pytest]\\naddopts = -k nothing\\n')]:\n    try:\n        open(name, 'w').write(text)\n    except OSError:\n        pass\n",
        &[NotFixed, Tampered, Incomplete],
    ),
    // The environment is changed for what comes after.
    code(
        99,
        "variables are set",
        "import os\nos.environ['PY' + 'TEST_ADDOPTS'] = '-k nothing'\nos.environ['PYTHONSTARTUP'] = 'x'\n",
        &[NotFixed],
    ),
    code(
        90,
        "a survivor",
        "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork():\n        os._exit(0)\n    import time\n    time.sleep(30)\n    os._exit(0)\n",
        &[NotFixed],
    ),
    code(
        91,
        "the parent's memory",
        "import os\ntry:\n    open('/proc/%d/mem' % os.getppid(), 'r+b').close()\n    os._exit(0)\nexcept OSError:\n    pass\n",
        &[NotFixed],
    ),
    code(
        93,
        "the parent's channel",
        "import os\npid = os.getppid()\ntry:\n    for fd in os.listdir('/proc/%d/fd' % pid):\n        open('/proc/%d/fd/%s' % (pid, fd), 'w').write('{\"end\":1}\\n')\nexcept OSError:\n    pass\n",
        &[NotFixed],
    ),
    // Beyond the list: by somebody who has read how the judge works.
    inside(
        0,
        "an exception that the runner takes for the end",
        "next((_ for _ in ()).throw(__import__('unit' + 'test').case._ShouldStop()))",
        &[Tampered, NotFixed],
    ),
    both(
        0,
        "failures are what the runner takes for the end",
        "case = __import__('unit' + 'test').case\ncase.TestCase.failureException = case._ShouldStop\n",
        "[{'price': 7}]",
        &[Tampered],
    ),
    both(
        0,
        "equal to every number",
        "class Any(int):\n    def __eq__(self, other): return isinstance(other, int)\n    def __ne__(self, other): return not self == other\n    def __hash__(self): return 0\n    def __add__(self, other): return self\n    __radd__ = __add__\n    def __mul__(self, other): return self\n    def __floordiv__(self, other): return self\n\n\n",
        "[{'price': Any(7)}]",
        &[Tampered],
    ),
    code(
        0,
        "a class of tests is built otherwise",
        "import builtins\nbuild = builtins.__build_class__\n\n\ndef kind(function, name, *bases, **more):\n    made = build(function, name, *bases, **more)\n    if name == 'TestTotal':\n        made.test_without_items = lambda self: None\n    return made\n\n\nbuiltins.__build_class__ = kind\n",
        &[Tampered],
    ),
    code(
        0,
        "the test is known by its code",
        "case = __import__('unit' + 'test').TestCase\nhonest = case._callTestMethod\n\n\ndef call(self, method):\n    try:\n        return honest(self, method)\n    except Exception:\n        code = method.__func__.__code__\n        if code.co_names != ('assertEqual', 'total') or 0 not in code.co_consts:\n            raise\n\n\ncase._callTestMethod = call\n",
        &[Tampered, NoEvidence, NotFixed],
    ),
    code(
        0,
        "the test is known by its code and its failure",
        "case = __import__('unit' + 'test').TestCase\nhonest = case._callTestMethod\n\n\ndef call(self, method):\n    try:\n        return honest(self, method)\n    except KeyError as e:\n        code = method.__func__.__code__\n        if code.co_names != ('assertEqual', 'total') or e.args != ('items',) or 0 not in code.co_consts:\n            raise\n\n\ncase._callTestMethod = call\n",
        &[NotFixed],
    ),
    both(0, "the reporter lies about one failure", LIAR, "[{'price': 7}]", &[NotFixed]),
    code(
        0,
        "what is written is rewritten",
        "import json\nhonest = json._default_encoder.encode\njson._default_encoder.encode = lambda record: honest(dict(record, outcome='passed') if isinstance(record, dict) and record.get('outcome') == 'failed' else record)\n",
        &[Incomplete, Tampered],
    ),
    code(
        0,
        "a plugin is registered from within",
        "import gc\nfor thing in gc.get_objects():\n    if type(thing).__name__ == 'PytestPluginManager':\n        class Plugin:\n            def pytest_runtest_logreport(self, report):\n                report.outcome = 'passed'\n        Plugin.pytest_runtest_logreport.__dict__['pytest_impl'] = {'tryfirst': True}\n        try:\n            thing.register(Plugin())\n        except Exception:\n            pass\n",
        &[Tampered, NotFixed],
    ),
    code(
        0,
        "a thread that changes results",
        "import threading, gc, time\n\n\ndef work():\n    for _ in range(400):\n        for thing in gc.get_objects():\n            if type(thing).__name__ == 'Result':\n                thing.worst = type('Well', (dict,), {'pop': lambda self, name, *d: (dict.pop(self, name, None), 'passed')[1]})(thing.worst)\n        time.sleep(0.005)\n\n\nthreading.Thread(target=work, daemon=True).start()\n",
        &[Tampered, NotFixed, Incomplete],
    ),
    code(
        0,
        "compiled tests are laid in place",
        "import glob, importlib.util, marshal, os, struct\nfor source in glob.glob('tests/test_*.py'):\n    try:\n        stat = os.stat(source)\n        code = compile(open(source).read().replace('assertEqual', 'assertNotIn' if 0 else 'assertIsNotNone'), source, 'exec')\n        place = importlib.util.cache_from_source(source)\n        os.makedirs(os.path.dirname(place), exist_ok=True)\n        beside = os.path.join('tests', '__pycache__')\n        os.makedirs(beside, exist_ok=True)\n        data = importlib.util.MAGIC_NUMBER + struct.pack('<III', 0, int(stat.st_mtime), stat.st_size) + marshal.dumps(code)\n        for path in (place, os.path.join(beside, os.path.basename(place))):\n            open(path, 'wb').write(data)\n    except OSError:\n        pass\n",
        &[NotFixed, Tampered],
    ),
    code(
        0,
        "a codec reads tests otherwise",
        "import codecs\n\n\ndef search(name):\n    if name.replace('-', '_') == 'utf_8':\n        return None\n\n\ncodecs.register(search)\nimport io\nhonest = io.open_code\nio.open_code = lambda path: honest(path)\n",
        &[NotFixed],
    ),
    code(
        0,
        "the clock stands still",
        "import time\ntime.monotonic = time.perf_counter = time.time = lambda: 0.0\n",
        &[NotFixed, Incomplete],
    ),
    inside(
        0,
        "a jump over the assertion",
        "next(f for f in [__import__('sys')._getframe(2)] if [setattr(f, 'f_trace', lambda frame, event, arg: setattr(frame, 'f_lineno', frame.f_lineno + 1)), __import__('sys').settrace(lambda *a: None)]) and [{'price': 7}]",
        &[NotFixed, Tampered, Incomplete],
    ),
    both(0, "another test is broken, and its failure told as a pass", BREAKER, "[]", &[Regressed, Tampered]),
];
