"""A test and the code under test in two processes.

The test runs here, in a process that never imports a line of the code under test: modules of the repository that are
no tests are stand-ins whose functions are called over a socket in the other process. Only plain values come back
by value; everything else is a handle that can be asked, and whose equality is not believed. What cannot be told that
way ends as Undetermined, never as a pass or a failure.

So whatever the code under test does to its own process (patches the runner, ends it, walks its objects), the
assertions are made where it cannot reach.
"""
import builtins
import collections
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import itertools
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import types

MAX_MESSAGE = 8 << 20
MAX_DEPTH = 40
MAX_WATCHED = 4000
# Containers that crossed the socket and are looked at again at each call.
MAX_LENT = 64
ENDED = "the code's process ended"
STDLIB = frozenset(getattr(sys, "stdlib_module_names", ())) | frozenset(sys.builtin_module_names)
# What the place where code runs can be to blame for: another process, and a tree that cannot be written.
SURROUNDINGS = (OSError, ImportError, MemoryError, RecursionError)
# Exceptions of these mean something to a runner; the code's are only called the same here.
RUNNERS = frozenset(("unittest", "doctest", "bdb", "pdb", "asyncio", "contextlib", "concurrent"))


class Undetermined(BaseException):
    """The test does what cannot be told over the socket."""


# --- values -------------------------------------------------------------------------------------------------


def encode(value, other, depth=0):
    """A value as JSON; `other` makes a note of what is no plain value."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return {"v": value}
    if kind is int:
        return {"int": str(value)}
    if kind is float:
        return {"float": value.hex() if value == value else "nan"}
    if kind is bytes or kind is bytearray:
        return {kind.__name__: bytes(value).hex()}
    if depth > MAX_DEPTH:
        return other(value)
    if kind in (list, tuple, set, frozenset):
        items = [encode(item, other, depth + 1) for item in value]
        if kind in (set, frozenset):
            items.sort(key=json.dumps)
        return {kind.__name__: items}
    if kind is dict:
        return {"dict": [[encode(k, other, depth + 1), encode(v, other, depth + 1)] for k, v in value.items()]}
    if kind.__module__ == "decimal" and kind.__name__ == "Decimal":
        return {"decimal": str(value)}
    if kind.__module__ == "datetime" and kind.__name__ in ("date", "datetime") and getattr(value, "tzinfo", None) is None:
        return {kind.__name__: value.isoformat()}
    return other(value)


def decode(data, other, made=None):
    if "h" in data:
        return other(data)
    (key, value), = data.items()
    if key == "v":
        return value
    if key == "int":
        return int(value)
    if key == "float":
        return float("nan") if value == "nan" else float.fromhex(value)
    if key in ("bytes", "bytearray"):
        return getattr(builtins, key)(bytes.fromhex(value))
    if key in ("list", "tuple", "set", "frozenset"):
        out = getattr(builtins, key)([decode(item, other, made) for item in value])
        if made is not None and key in ("list", "set"):
            made(out, data)
        return out
    if key == "dict":
        out = {decode(k, other, made): decode(v, other, made) for k, v in value}
        if made is not None:
            made(out, data)
        return out
    if key == "decimal":
        import decimal

        return decimal.Decimal(value)
    if key in ("date", "datetime"):
        import datetime

        return getattr(datetime, key).fromisoformat(value)
    return other(data)


def references(entries):
    """How many there are to the second item of each."""
    return [sys.getrefcount(entry[1]) for entry in entries]


# So many has a thing that nobody else keeps.
ALONE = references([(0, [])])[0]


def mutable(data):
    """Whether an encoded value can be changed by one side without the other's knowing."""
    return not data.keys().isdisjoint(("list", "dict", "set", "bytearray"))


def send(sock, message):
    data = json.dumps(message).encode("utf-8", "surrogatepass")
    if len(data) > MAX_MESSAGE:
        raise Undetermined("a value is too large to be told")
    sock.sendall(b"%d\n" % len(data) + data)


def receive(sock):
    head = b""
    while not head.endswith(b"\n"):
        part = sock.recv(1)
        if not part or len(head) > 12:
            return None
        head += part
    left = int(head)
    if left < 0 or left > 2 * MAX_MESSAGE:
        return None
    parts = []
    while left:
        part = sock.recv(min(left, 1 << 16))
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return json.loads(b"".join(parts).decode("utf-8", "surrogatepass"))


# --- the side of the code under test ------------------------------------------------------------------------


class Server:
    def __init__(self, sock):
        self.sock, self.known = sock, {}
        self.lent = collections.deque(maxlen=MAX_LENT)
        self.numbers = itertools.count()

    def note(self, value):
        number = id(value)
        self.known[number] = value
        out = {"h": number, "callable": callable(value)}
        if isinstance(value, type) and issubclass(value, BaseException):
            out["exception"] = self.lineage(value)
        return out

    def lineage(self, kind):
        bases = [self.lineage(base) for base in kind.__bases__ if issubclass(base, BaseException)]
        return [kind.__module__, kind.__qualname__, bases]

    def encode(self, value):
        return encode(value, self.note)

    def lend(self, shared):
        """A number for each container that the code keeps, too: the other side has a copy of it."""
        numbers = []
        for (_, value), count in zip(shared, references(shared)):
            data = self.encode(value)
            kept = count > ALONE and mutable(data)
            numbers.append(next(self.numbers) if kept else None)
            if kept:
                self.lent.append((numbers[-1], value, data))
        return numbers

    def stale(self):
        """Those of them that have changed since."""
        return [number for number, value, data in self.lent if self.encode(value) != data]

    def decode(self, data):
        return decode(data, lambda data: self.known[data["h"]])

    def failure(self, e):
        try:
            said = str(e)
        except BaseException:
            said = ""
        args = [encode(a, lambda _: {"v": None}) for a in e.args] if isinstance(e.args, tuple) else []
        try:
            attributes = {k: self.encode(v) for k, v in vars(e).items() if type(k) is str}
        except BaseException:
            attributes = {}
        # It would keep whatever the call was given.
        e.__traceback__ = None
        return {"raise": {"attributes": attributes, "lineage": self.lineage(type(e)), "args": args, "str": said, "h": self.note(e)["h"],
                          "code": encode(getattr(e, "code", None), lambda _: {"v": None})}}

    def ask(self, message):
        what = message["do"]
        if what == "import":
            importlib.import_module(message["name"])
            return None
        thing = sys.modules[message["module"]] if "module" in message else self.known[message["h"]]
        args = [self.decode(a) for a in message.get("args", [])]
        if what == "get":
            return getattr(thing, message["name"])
        if what == "call":
            kwargs = {k: self.decode(v) for k, v in message["kwargs"].items()}
            try:
                return thing(*args, **kwargs)
            finally:
                # Arguments are handed over by value: what the call did to them is told.
                self.after = {"args": [self.encode(a) for a in args], "kwargs": {k: self.encode(v) for k, v in kwargs.items()}}
                self.given = list(enumerate([*args, *kwargs.values()]))
        self.given = list(enumerate(args))
        return OPERATIONS[what](thing, *args)

    def answer(self, message):
        self.after, self.given, result = None, [], []
        os.environ.clear()
        os.environ.update(message.get("env", {}))
        out, err = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = said = io.StringIO(), io.StringIO()
        try:
            try:
                result = [(0, self.ask(message))]
                reply = {"ok": self.encode(result[0][1])}
            except BaseException as e:
                reply = self.failure(e)
        finally:
            sys.stdout, sys.stderr = out, err
        reply["out"], reply["err"] = said[0].getvalue(), said[1].getvalue()
        reply["after"] = self.after
        reply["stale"] = self.stale()
        reply["lent"], reply["result"] = self.lend(self.given), self.lend(result)
        return reply


OPERATIONS = {
    "getitem": lambda thing, key: thing[key],
    "setitem": lambda thing, key, value: thing.__setitem__(key, value),
    "delitem": lambda thing, key: thing.__delitem__(key),
    "setattr": lambda thing, name, value: setattr(thing, name, value),
    "len": len,
    "iter": iter,
    "next": next,
    "contains": lambda thing, value: value in thing,
    "bool": bool,
    "str": str,
    "repr": repr,
    "format": format,
    "int": int,
    "float": float,
    "enter": lambda thing: thing.__enter__(),
    "exit": lambda thing: thing.__exit__(None, None, None),
    "isinstance": lambda kind, thing: isinstance(thing, kind),
    "issubclass": lambda kind, thing: issubclass(thing, kind),
}


def serve(sock, plan, path):
    """Answers until the other side is gone. Never returns."""
    try:
        sys.path[:] = path
        os.chdir(os.path.join(plan["top"], plan["subfolder"]))
        server = Server(sock)
        while True:
            message = receive(sock)
            if message is None:
                break
            send(sock, server.answer(message))
    except BaseException:
        pass
    finally:
        os._exit(0)


# --- the side of the test -----------------------------------------------------------------------------------


class Client:
    """The socket, and what was learnt through it."""

    def __init__(self, sock):
        self.sock, self.lock = sock, threading.RLock()
        self.pid = os.getpid()
        self.calls = 0
        self.undetermined = None
        self.last = None
        self.surroundings = False
        self.classes = {}
        self.watched = []
        self.lent = collections.deque(maxlen=MAX_LENT)

    def give_up(self, why):
        self.undetermined = self.undetermined or why
        # What one test did is not held against the next.
        self.lent.clear()
        raise Undetermined(why)

    def other(self, value):
        number = HANDLES.get(id(value))
        if number is not None and number[0] is value:
            return {"h": number[1]}
        kind = value if isinstance(value, type) else type(value)
        number = kind.__dict__.get("__prunella_handle__") if isinstance(value, type) else None
        if number is not None:
            return {"h": number}
        self.give_up("a %s is handed to the code" % kind.__name__)

    def encode(self, value):
        return encode(value, self.other)

    def watch(self, value, data):
        if len(self.watched) < MAX_WATCHED:
            self.watched.append((value, json.dumps(data, sort_keys=True)))

    def decode(self, data):
        return decode(data, self.handle, self.watch)

    def handle(self, data):
        if "exception" in data:
            return self.exception_class(data["exception"], data["h"])
        remote = (RemoteCallable if data["callable"] else Remote)()
        HANDLES[id(remote)] = (remote, data["h"])
        return remote

    def exception_class(self, lineage, number=None):
        module, name, bases = lineage
        first = module.partition(".")[0]
        if first in STDLIB and first not in RUNNERS:
            found = getattr(sys.modules.get(module) or importlib.import_module(module), name, None)
            if isinstance(found, type) and issubclass(found, BaseException):
                return found
        known = self.classes.get((module, name))
        if known is None:
            bases = tuple(self.exception_class(base) for base in bases) or (Exception,)
            try:
                known = type(name, bases, {"__module__": module, "__init__": lambda self, *a, **k: None})
            except TypeError:
                self.give_up("an exception of a kind that cannot be made here")
            self.classes[(module, name)] = known
        if number is not None:
            known.__prunella_handle__ = number
        return known

    def raised(self, data):
        kind = self.exception_class(data["lineage"])
        e = kind.__new__(kind)
        e.args = tuple(self.decode(a) for a in data["args"])
        if isinstance(e, SystemExit):
            e.code = self.decode(data["code"])
        if kind.__str__ in (BaseException.__str__, Exception.__str__) and str(e) != data["str"]:
            e.args = (data["str"],)
        for key, value in data["attributes"].items():
            e.__dict__[key] = self.decode(value)
        HANDLES[id(e)] = (e, data["h"])
        name = kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
        self.last = {"exception": name, "message": str(e)}
        self.surroundings = isinstance(e, SURROUNDINGS)
        return e

    def ask(self, **message):
        if os.getpid() != self.pid:
            self.give_up("another process than the test's asks")
        with self.lock:
            if any(encode(value, self.other) != data for _, value, data, _ in self.lent):
                self.give_up("the test changes what the code has, too")
            message["env"] = dict(os.environ)
            try:
                send(self.sock, message)
                reply = receive(self.sock)
            except (OSError, ValueError):
                reply = None
            self.calls += 1
            if reply is None:
                self.give_up(ENDED)
            for (number, _, _, own), count in zip(self.lent, references(self.lent)):
                if number in reply["stale"] and count > own:
                    self.give_up("the code changes what the test has, too")
            sys.stdout.write(reply["out"])
            sys.stderr.write(reply["err"])
            return reply

    def value(self, reply):
        if "raise" in reply:
            raise self.raised(reply["raise"])
        value = self.decode(reply["ok"])
        # What is watched is held for that.
        self.lend([value], [reply["ok"]], reply["result"], ALONE + 1)
        return value

    def lend(self, values, encoded, numbers, own):
        for value, data, number in zip(values, encoded, numbers):
            if number is not None:
                self.lent.append((number, value, data, own))

    def operate(self, number, what, args):
        told = [self.encode(a) for a in args]
        reply = self.ask(do=what, h=number, args=told)
        self.lend(args, told, reply["lent"], ALONE)
        return self.value(reply)

    def call(self, number, args, kwargs):
        told = {"args": [self.encode(a) for a in args], "kwargs": {k: self.encode(v) for k, v in kwargs.items()}}
        reply = self.ask(do="call", h=number, **told)
        after = reply["after"]
        if after is not None and after != told:
            for value, was, now in zip(args, told["args"], after["args"]):
                self.restore(value, was, now)
            for key, value in kwargs.items():
                self.restore(value, told["kwargs"][key], after["kwargs"][key])
        seen = after or told
        self.lend([*args, *kwargs.values()], [*seen["args"], *seen["kwargs"].values()], reply["lent"], ALONE)
        return self.value(reply)

    def restore(self, value, was, now):
        """What the call did to an argument is done here, too."""
        if was == now:
            return
        new = self.decode(now)
        if type(new) is not type(value):
            self.give_up("an argument becomes something else")
        if type(value) is list:
            value[:] = new
        elif type(value) in (dict, set):
            value.clear()
            value.update(new)
        elif type(value) is bytearray:
            value[:] = new
        else:
            self.give_up("an argument is changed that cannot be changed here")
        self.watched = [(one, json.dumps(now, sort_keys=True) if one is value else data) for one, data in self.watched]

    def finish(self):
        """What is to be reported: that the test changed what it was given by value means that it was not told all."""
        if self.undetermined is None:
            for value, data in self.watched:
                try:
                    same = json.dumps(encode(value, self.other), sort_keys=True) == data
                except Undetermined:
                    same = False
                if not same:
                    self.undetermined = "the test changes what it was given"
                    break
        return {"calls": self.calls, "undetermined": self.undetermined, "raised": self.last,
                "surroundings": self.surroundings,
                "ended": self.undetermined == ENDED}


CLIENT = None
HANDLES = {}


def operation(name):
    def run(self, *args):
        return CLIENT.operate(HANDLES[id(self)][1], name, args)

    return run


def unbelieved(what):
    def run(self, *args):
        CLIENT.give_up("the test compares or orders an object of the code (%s)" % what)

    return run


class Remote:
    """An object of the code under test, by a handle."""

    __slots__ = ("__weakref__",)

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__") and name not in ("__name__", "__doc__", "__qualname__", "__module__"):
            raise AttributeError(name)
        return CLIENT.value(CLIENT.ask(do="get", h=HANDLES[id(self)][1], name=name))

    def __setattr__(self, name, value):
        operation("setattr")(self, name, value)

    def __exit__(self, kind, value, traceback):
        if kind is not None:
            CLIENT.give_up("an exception passes through a context of the code")
        return operation("exit")(self)

    def __instancecheck__(self, thing):
        if id(thing) not in HANDLES:
            return False
        return operation("isinstance")(self, thing)

    def __subclasscheck__(self, thing):
        return operation("issubclass")(self, thing)

    def __mro_entries__(self, bases):
        CLIENT.give_up("the test makes a class of one of the code's")

    def __hash__(self):
        CLIENT.give_up("the test hashes an object of the code")


for _name, _what in [("getitem", "getitem"), ("setitem", "setitem"), ("delitem", "delitem"), ("len", "len"), ("iter", "iter"),
                     ("next", "next"), ("contains", "contains"), ("bool", "bool"), ("str", "str"), ("repr", "repr"),
                     ("format", "format"), ("int", "int"), ("float", "float"), ("enter", "enter")]:
    setattr(Remote, "__%s__" % _name, operation(_what))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Remote, "__%s__" % _name, unbelieved(_name))


class RemoteCallable(Remote):
    __slots__ = ()

    def __call__(self, *args, **kwargs):
        return CLIENT.call(HANDLES[id(self)][1], args, kwargs)


class RemoteModule(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return CLIENT.value(CLIENT.ask(do="get", module=self.__name__, name=name))

    def __setattr__(self, name, value):
        if not (name.startswith("__") and name.endswith("__")) and not isinstance(value, types.ModuleType):
            CLIENT.give_up("the test replaces a part of the code")
        super().__setattr__(name, value)

    def __delattr__(self, name):
        CLIENT.give_up("the test replaces a part of the code")


class StandIn(importlib.abc.Loader):
    def create_module(self, spec):
        return RemoteModule(spec.name)

    def exec_module(self, module):
        CLIENT.value(CLIENT.ask(do="import", name=module.__name__))


class Finder(importlib.abc.MetaPathFinder):
    """Finds every module: tests and what is installed for real, the rest of the repository as stand-ins."""

    def __init__(self, top, roots, tests):
        self.top, self.roots, self.tests = top, roots, frozenset(tests)

    def find_spec(self, name, path=None, target=None):
        first = name.partition(".")[0]
        if first not in STDLIB:
            found = self.ours(name)
            if found is not None:
                return found
        if path is None:
            inside = self.top + os.sep
            path = [p for p in sys.path if p and p != self.top and not p.startswith(inside)]
        return importlib.machinery.PathFinder.find_spec(name, path)

    def ours(self, name):
        inside = self.top + os.sep
        roots = self.roots + [p for p in sys.path if p == self.top or p.startswith(inside)]
        below = os.path.join(*name.split("."))
        for root in roots:
            for file, package in ((os.path.join(root, below, "__init__.py"), True), (os.path.join(root, below + ".py"), False)):
                if not os.path.isfile(file):
                    continue
                places = [os.path.dirname(file)] if package else None
                if os.path.relpath(file, self.top).replace(os.sep, "/") in self.tests:
                    return importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
                spec = importlib.machinery.ModuleSpec(name, StandIn(), origin=file, is_package=package)
                if package:
                    spec.submodule_search_locations = places
                return spec
        for root in roots:
            folder = os.path.join(root, below)
            if os.path.isdir(folder):
                spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
                spec.submodule_search_locations = [folder]
                return spec
        return None


def attend(sock, plan, tests, path):
    """Makes this process the test's: nothing of the repository but `tests` is imported from here on."""
    global CLIENT
    CLIENT = Client(sock)
    top = plan["top"]
    roots = [p for p in path if p == top or p.startswith(top + os.sep)]
    finder = Finder(top, roots, tests)
    # In its place, not before it: what it does not find is not looked for among the repository's files.
    sys.meta_path[:] = [finder if one is importlib.machinery.PathFinder else one for one in sys.meta_path]
    return CLIENT


def elsewhere(plan, path):
    """A copy of the tree that the code may write to, and the search path in it."""
    top = os.path.join(tempfile.mkdtemp(), "repo")
    shutil.copytree(plan["top"], top, symlinks=True)
    inside = plan["top"] + os.sep
    moved = [top + p[len(plan["top"]):] if (p + os.sep).startswith(inside) else p for p in path]
    return dict(plan, top=top), moved


def start(plan, path, close, copy):
    """Forks the code's process, over a copy of the tree where that is wanted; gives this side of the socket."""
    if copy:
        plan, path = elsewhere(plan, path)
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        here.close()
        close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        serve(there, plan, path)
    there.close()
    return here
