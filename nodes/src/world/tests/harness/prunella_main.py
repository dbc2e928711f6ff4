"""Starts a plan: a list of steps, each run in a process of its own that is forked from here.

This process never imports a line of the repository. It alone holds the channel to the host; a step's process
gets a pipe of its own, closed over a nonce, and what comes through it is forwarded together with what only the
parent can know: the exit status, the time, and whether somebody else wrote to the pipe.

The plan comes over standard input, a step at a time: it is in no file, and a step's process finds neither the way to
it nor the steps after its own in the memory that it is a copy of.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:
    sys.path.insert(0, HERE)

import errno
import gc
import importlib
import json
import select
import signal
import time

import prunella_child
import prunella_files
import prunella_orders

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36


def prctl(option, value):
    """Whether it could be set: where there is no ctypes or no prctl, the sandbox's own walls are all there is."""
    try:
        import ctypes

        return ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0
    except Exception:
        return False


class Channel:
    """The way to the host: one JSON object a line."""

    def __init__(self, fd):
        os.set_inheritable(fd, False)
        self.fd = fd

    def send(self, record):
        data = (json.dumps(record) + "\n").encode("utf-8", "surrogatepass")
        while data:
            data = data[os.write(self.fd, data):]


class Step:
    """Runs one step in a child and forwards its records."""

    def __init__(self, number, step, plan, channel, wake, orders, ground=None):
        self.number, self.step, self.plan, self.channel, self.wake = number, step, plan, channel, wake
        self.orders, self.ground = orders, ground
        self.nonce = None
        self.expected = 0
        self.foreign = 0
        self.gap = False
        self.rest = b""
        self.learnt = {"library": [], "installed": [], "ours": []}

    def run(self):
        started = time.monotonic()
        # Whether an earlier step of this start may have had a hand in this one.
        shared = self.ground is not None and not self.ground.sure
        if self.ground is not None:
            self.ground.begin()
        apart = None
        if self.step["apart"]:
            import prunella_apart

            # Forked before there is a nonce or a pipe, so that it has neither.
            apart = prunella_apart.start(self.plan, prunella_child.search_path(self.plan), self.close, self.step["copy"])
        self.nonce = os.urandom(16).hex()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            self.close()
            os.close(read)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if apart is None:
                prctl(PR_SET_DUMPABLE, 1)
            if self.ground is not None:
                self.ground.enter()
            prunella_child.main(self.step, self.plan, write, self.nonce, apart)
        if apart is not None:
            apart.close()
        os.close(write)
        os.set_blocking(read, False)
        status, late = self.watch(pid, read, started + self.step["limit"])
        alone = sweep(pid)
        if self.ground is not None:
            self.ground.end(alone)
        # Whatever was written before the end is there by now; a survivor that holds the pipe is not waited for.
        self.drain(read)
        os.close(read)
        if self.rest:
            self.foreign += 1
        if self.number < 0:
            return self.learnt
        self.channel.send({
            "step": self.number,
            "done": {
                "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
                "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
                "late": late,
                "wall_ms": int((time.monotonic() - started) * 1000),
                "foreign": self.foreign,
                "gap": self.gap,
                "shared": shared,
            },
        })
        return self.learnt

    def close(self):
        """What is the parent's alone."""
        for fd in (self.channel.fd, self.orders.fd, *self.wake):
            os.close(fd)

    def watch(self, pid, read, deadline):
        late = False
        reading = True
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done == pid:
                return status, late
            left = deadline - time.monotonic()
            if left <= 0 and not late:
                late = True
                kill(-pid)
                kill(pid)
            wait = [self.wake[0]] + ([read] if reading else [])
            try:
                ready = select.select(wait, [], [], max(0.0, left) if not late else 1.0)[0]
            except InterruptedError:
                continue
            if self.wake[0] in ready:
                try:
                    os.read(self.wake[0], 512)
                except BlockingIOError:
                    pass
            if read in ready:
                reading = self.drain(read, 1)

    def drain(self, read, rounds=4096):
        """Reads what is there; False at the end of the pipe."""
        for _ in range(rounds):
            try:
                data = os.read(read, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.rest += data
            *lines, self.rest = self.rest.split(b"\n")
            for line in lines:
                self.take(line)
            if len(self.rest) > 1 << 20:
                self.foreign += 1
                self.rest = b""
        return True

    def take(self, line):
        """A line counts when it starts with the nonce and the next number, and is JSON."""
        nonce, _, line = line.partition(b" ")
        number, _, line = line.partition(b" ")
        if nonce.decode("latin-1") != self.nonce:
            self.foreign += 1
            return
        try:
            number, record = int(number), json.loads(line)
        except ValueError:
            self.foreign += 1
            return
        if number != self.expected:
            self.gap = True
        self.expected = number + 1
        if record.get("kind") == "modules":
            self.learnt = record["names"]
            return
        if self.number < 0:
            return
        self.channel.send({"step": self.number, "record": record})


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError as e:
        if e.errno not in (errno.ESRCH, errno.EPERM):
            raise


def sweep(group):
    """Ends what a step left behind: its group, and whoever was handed to us as the next reaper. Says whether all did."""
    kill(-group)
    me = os.getpid()
    for _ in range(1000):
        try:
            with open("/proc/%d/task/%d/children" % (me, me)) as f:
                children = [int(pid) for pid in f.read().split()]
        except (OSError, ValueError):
            children = []
        for pid in children:
            kill(pid)
        try:
            # Those whose parents end now become ours; when there is none left, no descendant is.
            os.waitpid(-1, 0 if children else os.WNOHANG)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
    return False


class Edits:
    """Lays a step's files over the tree and takes them back afterwards."""

    def __init__(self, number, top, files):
        self.number, self.top, self.files, self.kept = number, top, files, []

    def __enter__(self):
        for path, content in self.files:
            full = os.path.join(self.top, path)
            kept = prunella_files.read(full)
            self.kept.append((full, kept))
            if content is not None:
                content = bytes.fromhex(content["hex"]) if isinstance(content, dict) else content.encode("utf-8")
                # Compiled code is kept by time and size: no two candidates share a time.
                mode, at = (kept[1], kept[2]) if kept else (0o644, 0)
                content = (content, mode, (at // 10**9 + 7 + self.number) * 10**9)
            prunella_files.lay(full, content)

    def __exit__(self, *exc):
        for full, kept in reversed(self.kept):
            prunella_files.lay_back(full, kept)


def warm(learnt, pythonpath):
    """Imports here what every step would import anyway: modules of the interpreter's library and installed ones.

    Nothing of the repository is on the path. What is installed may want to import a package that the repository
    itself provides, and find another one; then all of that is forgotten again.
    """
    extra = [p for p in pythonpath if os.path.isabs(p)]
    at = prunella_child.site_index(sys.path)
    before = set(sys.modules)
    attempt(learnt["library"])
    library = set(sys.modules)
    sys.path[at:at] = extra
    attempt(learnt["installed"])
    sys.path[:] = [p for p in sys.path if p not in extra]
    tops = set(learnt["ours"])
    if any(name.partition(".")[0] in tops for name in set(sys.modules) - before):
        for name in set(sys.modules) - library:
            del sys.modules[name]


def attempt(names):
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException:
            pass


def main():
    channel = Channel(int(os.environ.pop("PRUNELLA_FD")))
    orders = prunella_orders.from_input()
    plan = orders.next()
    plan["top"] = os.getcwd()
    plan["compiled"] = os.path.join(os.environ.get("TMPDIR", "/tmp"), "prunella-compiled")
    prctl(PR_SET_DUMPABLE, 0)
    reaps = prctl(PR_SET_CHILD_SUBREAPER, 1)
    if plan["do"] == "facts":
        import prunella_facts

        channel.send({"facts": prunella_facts.facts(plan)})
        channel.send({"end": 0})
        return
    if plan["do"] == "twins":
        import prunella_twins

        channel.send({"twins": prunella_twins.twins(plan)})
        channel.send({"end": 0})
        return
    prunella_child.prepare(plan)
    # What a step's process or this one needs later, while it can be found: only that, as each costs time.
    if plan["warm"]:
        import prunella_ground
    if plan["apart"]:
        import prunella_apart
    if plan["trace"]:
        import prunella_trace  # noqa: F401
    if plan["order"]:
        import random  # noqa: F401
    # From here on our own folder, too, is out of the search.
    sys.path[:] = [p for p in sys.path if p and os.path.abspath(p) != HERE]
    signal.signal(signal.SIGCHLD, lambda *_: None)
    wake = os.pipe()
    os.set_blocking(wake[0], False)
    os.set_blocking(wake[1], False)
    signal.set_wakeup_fd(wake[1])
    if plan["warm"]:
        first = orders.next()
        with Edits(-1, plan["top"], first["files"]):
            learnt = Step(-1, first, plan, channel, wake, orders).run()
        warm(learnt, plan["pythonpath"])
    ground = prunella_ground.Ground(plan["top"], plan["shared"], reaps) if plan["warm"] else None
    gc.freeze()
    for number in range(plan["steps"]):
        step = orders.next()
        with Edits(number, plan["top"], step["files"]):
            Step(number, step, plan, channel, wake, orders, ground).run()
    channel.send({"end": plan["steps"]})


if __name__ == "__main__":
    main()
