"""Runs unittest with a result of ours that reports each test as it happens."""
import os
import sys
import traceback
import unittest

import prunella_child


class Result(unittest.TestResult):
    def __init__(self, reporter):
        super().__init__()
        self.reporter = reporter
        self.worst = {}
        self.failure = {}

    def startTest(self, test):
        super().startTest(test)
        self.reporter.send(kind="start", id=test.id())

    def stopTest(self, test):
        super().stopTest(test)
        name = test.id()
        if name in self.worst:
            outcome = self.worst.pop(name)
            record = {"kind": "result", "id": name, "when": "call", "outcome": outcome, "ms": 0}
            if outcome == "failed":
                record["failure"] = self.failure.pop(name, None) or {"exception": "", "message": "", "frames": []}
            self.reporter.send(**record)
        self.reporter.send(kind="finish", id=name)

    def note(self, test, outcome, err=None):
        name = test.id()
        if err is not None:
            self.failure.setdefault(name, self.reporter.failure(err[1], err[2]))
        if self.worst.get(name) != "failed":
            self.worst[name] = outcome

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test, "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.late(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.late(test, err)

    def late(self, test, err):
        """A fixture of a class or module that breaks is reported for a test that never starts."""
        if isinstance(test, unittest.TestCase):
            self.note(test, "failed", err)
        else:
            self.reporter.send(kind="broken", path=str(test), why="%s: %s" % (err[0].__name__, err[1]), text="")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skipped")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note(test, "skipped")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, "xpassed")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, "failed", err)


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            for inner in flatten(test):
                yield inner
        else:
            yield test


def load(step, reporter):
    """The tests that the command names, or all that discovery finds."""
    options = step["unittest"]
    loader = unittest.TestLoader()
    if options.get("patterns"):
        loader.testNamePatterns = options["patterns"]
    if options["names"]:
        suite = loader.loadTestsFromNames(options["names"])
    else:
        suite = loader.discover(options["start"], options["pattern"], options.get("top") or None)
    return loader, list(flatten(suite))


def path_of(test, reporter):
    module = sys.modules.get(type(test).__module__)
    file = getattr(module, "__file__", None)
    return (reporter.relative(file) if file else None) or ""


def extra_tests(paths, reporter, loader):
    """Files that we were told to add, each as a module of its package or its folder."""
    import importlib

    found = []
    for path in paths:
        parts = path[:-3].split("/")
        folder = len(parts) - 1
        while folder > 0 and os.path.exists(os.path.join(reporter.top, *(parts[:folder] + ["__init__.py"]))):
            folder -= 1
        base = os.path.join(reporter.top, *parts[:folder])
        if base not in sys.path:
            sys.path.insert(0, base)
        importlib.invalidate_caches()
        name = ".".join(parts[folder:])
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as e:
            why = "".join(traceback.format_exception_only(type(e), e)).strip().splitlines()[-1]
            reporter.send(kind="broken", path=path, why=why[:500], text=traceback.format_exc()[-3000:])
            continue
        found += list(flatten(loader.loadTestsFromModule(module)))
    return found


def run(step, plan, reporter):
    sys.argv = ["python -m unittest"]
    # What unittest's own command line has first on the path is the folder it is started in.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if step.get("only"):
        loader, tests = unittest.TestLoader(), []
    else:
        loader, tests = load(step, reporter)
    tests += extra_tests(step.get("extra", []), reporter, loader)
    ids = set(step["ids"]) if step.get("ids") else None
    keep = []
    for test in tests:
        if type(test).__module__ == "unittest.loader":
            error = getattr(test, "_exception", None)
            lines = str(error).strip().splitlines()
            reporter.send(kind="broken", path=test.id().split(".", 2)[-1], why=lines[-1][:500] if lines else "cannot be imported",
                          text=str(error)[-3000:])
        elif ids is None or test.id() in ids:
            keep.append(test)
            reporter.send(kind="collected", id=test.id(), path=path_of(test, reporter))
    if step["order"] is not None:
        keep = prunella_child.shuffled(keep, (lambda test: type(test).__module__, type), step["order"])
    result = Result(reporter)
    unittest.TestSuite(keep).run(result)
    return 0 if result.wasSuccessful() else 1
