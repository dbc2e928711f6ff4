"""Runs one step in this process, where no other can be started: in a WebAssembly machine.

The host stands in for the parent: it started this process for this step alone, and knows its end and its time. The
channel can only be written to. Its first line says the nonce of the records that follow, before a line of the
repository is read.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:
    sys.path.insert(0, HERE)

import json
import random  # noqa: F401  (loaded before the repository is on the path)

import prunella_child
import prunella_facts
import prunella_orders
import prunella_trace  # noqa: F401  (loaded before the repository is on the path)
import prunella_twins


def send(fd, record):
    data = (json.dumps(record) + "\n").encode("utf-8", "surrogatepass")
    while data:
        data = data[os.write(fd, data):]


def main():
    fd = os.open(os.environ.pop("PRUNELLA_CHANNEL"), os.O_WRONLY)
    # In no file, so that it is gone when it is read.
    orders = prunella_orders.Orders(0)
    plan = orders.next()
    plan["top"] = os.environ["PRUNELLA_REPO"]
    os.chdir(plan["top"])
    # Installed packages of an environment of the host; it has none of its own.
    sys.path.extend(plan["sites"])
    if plan["do"] == "facts":
        send(fd, {"facts": prunella_facts.facts(plan)})
        return
    if plan["do"] == "twins":
        send(fd, {"twins": prunella_twins.twins(plan)})
        return
    step = orders.next()
    prunella_child.prepare(plan)
    # From here on our own folder, too, is out of the search.
    sys.path[:] = [p for p in sys.path if p and os.path.abspath(p) != HERE]
    nonce = os.urandom(16).hex()
    send(fd, {"nonce": nonce})
    prunella_child.main(step, plan, fd, nonce)


if __name__ == "__main__":
    main()
