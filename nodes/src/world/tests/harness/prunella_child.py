"""One step, in its own process: sets up the path as the repository wants it, runs the tests, reports."""
import json
import os
import sys
import traceback

CAP_TEXT = 4000
CAP_FRAMES = 60


def site_index(path):
    """Where installed packages begin: after the standard library, before everything that is installed."""
    for i, entry in enumerate(path):
        if os.path.basename(entry) in ("site-packages", "dist-packages"):
            return i
    return len(path)


def prepare(plan):
    """Imports what every step needs, before anything of the repository can be found."""
    plan["plugins"] = []
    if plan["runner"] == "pytest":
        extra = [p for p in plan["pythonpath"] if os.path.isabs(p)]
        at = site_index(sys.path)
        # A mounted folder may carry the runner itself or plugins of it; the repository may not.
        sys.path[at:at] = extra
        import pytest  # noqa: F401
        import prunella_pytest

        plan["plugins"] = prunella_pytest.installed_plugins()
        prunella_pytest.load_own()
        sys.path[:] = [p for p in sys.path if p not in extra]
    else:
        import unittest  # noqa: F401

        import prunella_unittest  # noqa: F401


def shuffled(items, keys, seed):
    """In another order that hangs on the seed alone; what shares a key (a module, a class) stays together."""
    # Imported before anything of the repository could be taken for it.
    chance = sys.modules["random"].Random(seed)

    def shuffle(items, keys):
        if not keys:
            chance.shuffle(items)
            return items
        groups = {}
        for item in items:
            groups.setdefault(keys[0](item), []).append(item)
        groups = list(groups.values())
        chance.shuffle(groups)
        return [item for group in groups for item in shuffle(group, keys[1:])]

    return shuffle(list(items), keys)


class Reporter:
    """Writes numbered records to the step's pipe; silent in any other process that inherited it."""

    def __init__(self, fd, nonce, top):
        self.fd, self.nonce, self.top = fd, nonce.encode(), top
        self.pid = os.getpid()
        self.number = 0
        # Held here so that a test which replaces them does not disturb us.
        self.dumps, self.write, self.getpid = json.dumps, os.write, os.getpid

    def send(self, **record):
        if self.getpid() != self.pid:
            return
        data = b"%s %d %s\n" % (self.nonce, self.number, self.dumps(record).encode("ascii"))
        self.number += 1
        while data:
            data = data[self.write(self.fd, data):]

    def relative(self, path):
        """The path below the repository's top, or nothing."""
        try:
            full = os.path.realpath(path)
        except (OSError, ValueError):
            return None
        top = os.path.realpath(self.top) + os.sep
        return full[len(top):].replace(os.sep, "/") if full.startswith(top) else None

    def failure(self, exc, tb):
        """Type, message and frames of an exception, bounded."""
        kind = type(exc)
        module = getattr(kind, "__module__", "")
        name = getattr(kind, "__qualname__", kind.__name__)
        try:
            message = str(exc)
        except BaseException:
            message = ""
        frames = []
        for frame in traceback.extract_tb(tb):
            file = frame.filename
            path = self.relative(file)
            if path is None and not frames and internal(file):
                continue
            if path is None and internal(file):
                continue
            frames.append({
                "file": path or shorten(file),
                "path": path,
                "line": frame.lineno or 0,
                "function": frame.name,
                "code": (frame.line or "")[:300],
            })
        return {
            "exception": name if module in ("builtins", "__main__") else "%s.%s" % (module, name),
            "message": clean(message)[:CAP_TEXT],
            "frames": frames[-CAP_FRAMES:],
        }


def clean(text):
    return str(text).encode("utf-8", "replace").decode("utf-8")


INTERNAL = ("/_pytest/", "/pluggy/", "/unittest/", "/prunella_", "/importlib/", "<frozen importlib", "/pytest_asyncio/")


def internal(file):
    file = file.replace(os.sep, "/")
    return any(part in file for part in INTERNAL)


def shorten(file):
    file = file.replace(os.sep, "/")
    for mark in ("/site-packages/", "/dist-packages/"):
        if mark in file:
            return file.split(mark, 1)[1]
    for prefix in {sys.prefix, sys.base_prefix}:
        if file.startswith(prefix + "/"):
            return file[len(prefix) + 1:]
    return file


def modules(reporter, pythonpath):
    """Imported modules by whose they are: the interpreter's library, installed ones, the repository's (top names)."""
    library = os.path.realpath(os.path.dirname(os.__file__)) + os.sep
    mounted = tuple(os.path.realpath(p) + os.sep for p in pythonpath if os.path.isabs(p))
    names = {"library": [], "installed": [], "ours": []}
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name == "__main__" or name.startswith("prunella_"):
            continue
        real = os.path.realpath(file)
        if reporter.relative(real) is not None:
            names["ours"].append(name.partition(".")[0])
        elif "site-packages" in real or "dist-packages" in real or real.startswith(mounted):
            names["installed"].append(name)
        elif real.startswith(library):
            names["library"].append(name)
    names["ours"] = sorted(set(names["ours"]))
    return names


def distrust_compiled(inside):
    """Compiled code beside the repository's sources is the candidate's to write: none of it is read."""
    import importlib._bootstrap_external as external

    honest = external.cache_from_source

    def cache_from_source(path, *args, **kwargs):
        if os.path.realpath(path).startswith(inside):
            raise NotImplementedError
        return honest(path, *args, **kwargs)

    external.cache_from_source = cache_from_source
    rewrite = sys.modules.get("_pytest.assertion.rewrite")
    if rewrite is not None:
        rewrite._read_pyc = lambda *args, **kwargs: None


def own_path(plan):
    """Where the repository's modules are, absolute."""
    return [p if os.path.isabs(p) else os.path.normpath(os.path.join(plan["top"], p)) for p in plan["pythonpath"]]


def search_path(plan):
    """The whole search path of a step."""
    at = site_index(sys.path)
    home = os.path.normpath(os.path.join(plan["top"], plan["subfolder"]))
    path = own_path(plan)
    return sys.path[:at] + path + ([] if home in path else [home]) + sys.path[at:]


def main(step, plan, fd, nonce, apart=None):
    """Never returns: what the tests left for the interpreter's end does not run."""
    code = 70
    try:
        if hasattr(os, "setsid"):
            os.setsid()
        top = plan["top"]
        home = os.path.join(top, plan["subfolder"]) if plan["subfolder"] else top
        os.chdir(home)
        path = own_path(plan)
        client = None
        if apart is not None:
            import prunella_apart

            # Nothing of the code is found here; mounted folders, which are not the candidate's, are.
            at = site_index(sys.path)
            sys.path[at:at] = [p for p in path if not (p + os.sep).startswith(top + os.sep)]
            client = prunella_apart.attend(apart, plan, step["apart"], path)
        else:
            at = site_index(sys.path)
            sys.path[at:at] = path
        # Programs that tests start find the repository as a user's shell would let them.
        os.environ["PYTHONPATH"] = os.pathsep.join(path)
        reporter = Reporter(fd, nonce, top)
        if not plan.get("warm"):
            distrust_compiled(os.path.realpath(top) + os.sep)
        if plan.get("warm"):
            # The first run of a batch keeps its compiled code, of the plain base, for the others to read.
            sys.pycache_prefix = plan["compiled"]
            sys.dont_write_bytecode = not step["learn"]
        tracer = None
        if step.get("trace"):
            import prunella_trace

            tracer = prunella_trace.Tracer(top, step["trace"])
            tracer.start()
        if plan["runner"] == "pytest":
            import prunella_pytest

            code = prunella_pytest.run(step, plan, reporter)
        else:
            import prunella_unittest

            code = prunella_unittest.run(step, plan, reporter)
        if client is not None:
            reporter.send(kind="apart", **client.finish())
        if tracer:
            tracer.stop()
            reporter.send(kind="lines", hit=tracer.result())
        if step["learn"]:
            reporter.send(kind="modules", names=modules(reporter, plan["pythonpath"]))
        reporter.send(kind="end", code=int(code))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        code = 71
    finally:
        os._exit(int(code) & 0xFF)
