"""Runs pytest with a plugin of ours that reports each test as it happens."""
import os
import sys

import prunella_child
import pytest

# Plugins that reorder, repeat or hide tests, or keep state from one run to the next.
LEFT_OUT = {"cacheprovider", "randomly", "random_order", "xdist", "xdist.looponfail", "sugar", "html", "metadata",
            "rerunfailures", "instafail", "picked", "testmon", "pytest_cov", "benchmark"}


def installed_plugins():
    """Modules of the plugins installed beside pytest, as autoload would find them before the repository is on the path."""
    try:
        from importlib.metadata import distributions
    except ImportError:
        return []
    found = []
    for dist in distributions():
        for entry in dist.entry_points:
            if entry.group == "pytest11" and entry.name not in LEFT_OUT:
                module = entry.value.split(":")[0].strip()
                if module not in found:
                    found.append(module)
    return sorted(found)


def load_own():
    """Imports here, once, what every step's pytest would import of its own."""
    import importlib

    import _pytest.config

    for name in getattr(_pytest.config, "default_plugins", ()):
        try:
            importlib.import_module("_pytest." + name)
        except ImportError:
            pass


def is_skip(exc):
    return isinstance(exc, pytest.skip.Exception)


class Plugin:
    """Reports starts, results, modules that cannot be collected; adds the files that we were told to add."""

    def __init__(self, step, reporter):
        self.step, self.reporter = step, reporter
        self.ids = set(step["ids"]) if step.get("ids") else None
        self.extra = {os.path.join(reporter.top, p) for p in step.get("extra", [])}
        self.name = {}
        self.failures = {}
        self.collected = 0

    def id_of(self, item):
        path = self.reporter.relative(str(getattr(item, "path", None) or item.fspath)) or item.nodeid.split("::")[0]
        rest = item.nodeid.partition("::")[2]
        return (path + "::" + rest if rest else path), path

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config):
        for path in sorted(self.extra):
            config.args.append(path)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_collection_modifyitems(self, session, config, items):
        ours = [item for item in items if str(getattr(item, "path", None) or item.fspath) in self.extra]
        yield
        # -k and -m of the user's command choose among the user's tests, not among ours.
        here = set(map(id, items))
        items.extend(item for item in ours if id(item) not in here)
        if self.ids is not None:
            items[:] = [item for item in items if self.id_of(item)[0] in self.ids]
        if self.step["order"] is not None:
            module, group = (lambda item: item.nodeid.split("::")[0]), (lambda item: item.nodeid.rpartition("::")[0])
            items[:] = prunella_child.shuffled(items, (module, group), self.step["order"])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session):
        self.collected = len(session.items)
        for item in session.items:
            name, path = self.id_of(item)
            self.name[item.nodeid] = name
            self.reporter.send(kind="collected", id=name, path=path)

    def pytest_collectreport(self, report):
        if report.failed:
            path = str(report.nodeid).split("::")[0]
            text = str(report.longrepr)
            last = [line for line in text.strip().splitlines() if line.strip()]
            why = next((line[1:].strip() for line in reversed(last) if line.startswith("E ")), last[-1] if last else "")
            self.reporter.send(kind="broken", path=path, why=why[:500], text=text[-3000:])

    def pytest_runtest_logstart(self, nodeid, location):
        self.reporter.send(kind="start", id=self.name.get(nodeid, nodeid))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        yield
        if call.excinfo is not None and not is_skip(call.excinfo.value):
            failure = self.reporter.failure(call.excinfo.value, call.excinfo.tb)
            # A later phase's failure does not replace the test's own.
            self.failures.setdefault(item.nodeid, failure)

    def pytest_runtest_logreport(self, report):
        if report.outcome == "passed" and report.when != "call":
            return
        outcome = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "skipped" if outcome == "skipped" else "xpassed"
        record = {"kind": "result", "id": self.name.get(report.nodeid, report.nodeid), "when": report.when,
                  "outcome": outcome, "ms": int(report.duration * 1000)}
        if report.failed:
            record["failure"] = self.failures.get(report.nodeid) or {
                "exception": "", "message": str(report.longrepr)[-2000:], "frames": []}
        elif report.skipped:
            record["why"] = str(report.longrepr)[-300:]
        self.reporter.send(**record)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid, location):
        self.reporter.send(kind="finish", id=self.name.get(nodeid, nodeid))


def run(step, plan, reporter):
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    args = ["-p", "no:cacheprovider"]
    for module in plan["plugins"]:
        args += ["-p", module]
    args += step["args"]
    if sys.platform == "wasi":
        # A WebAssembly machine can neither copy descriptors nor catch faults.
        args += ["--capture=sys", "-p", "no:faulthandler"]
    sys.argv = ["pytest"] + step["args"]
    plugin = Plugin(step, reporter)
    return int(pytest.main(args, plugins=[plugin]))
