#!/usr/bin/env python3
"""Runs the whole jobs of `whole` and the same jobs of other engines in turn (A B A B), each in a fresh process, and
prints a table: work, ours, theirs, ratio, bar, met or not. Only ratios within one run of this program mean anything.
See README.md."""
import argparse, json, os, statistics, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "LANGSMITH_TRACING": "false"}


class Skipped(Exception):
    """A job that one side cannot do."""


def started(command, cwd=None):
    """The output of a process, and its CPU time (s) and peak memory (MB) as the kernel counts them."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=cwd, env=ENV, stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), errors.seek(0)
        text = out.read()
        if process.returncode != 0:
            raise Skipped(f"{' '.join(command)}: {(text + errors.read()).strip()[-300:]}")
    return text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def line(text):
    return json.loads([one for one in text.splitlines() if one.startswith("{")][-1])


class Sides:
    def __init__(self, args):
        self.args = args
        self.cache = {}

    def ours(self, job):
        return line(started([self.args.ours, *job.split()])[0])

    def theirs(self, job):
        script, *rest = job.split()
        return line(started([self.args.python, script + ".py", *rest], cwd=self.args.scripts)[0])

    def cold(self, side, sqlite):
        """CPU and memory of a whole process that runs one node."""
        if side == "ours":
            shape = "one_node_sqlite" if sqlite else "one_node"
            _, cpu, rss = started([self.args.ours, "e_cold", shape])
            return {"cpu_s": cpu, "rss_mb": rss}
        if "cold" not in self.cache:
            text = started([self.args.python, "e_cold.py", "3"], cwd=self.args.scripts)[0]
            rows = [json.loads(one) for one in text.splitlines() if one.startswith("{")]
            self.cache["cold"] = {row["bench"]: row for row in rows}
        row = self.cache["cold"]["e_cold_one_node_sqlite" if sqlite else "e_cold_one_node"]
        return {"cpu_s": row["cpu_s"], "rss_mb": row["child_peak_rss_mb"]}

    def floor(self):
        """CPU seconds of a bare commit with an fsync: `io_floor.py` less what its interpreter and imports cost."""
        bare = started([self.args.python, "-c", "import sqlite3, statistics, common"], cwd=self.args.scripts)[1]
        whole = started([self.args.python, "io_floor.py"], cwd=self.args.scripts)[1]
        return max(whole - bare, 0.0) / 500

    def peer(self, name):
        """Median milliseconds by workload."""
        program = self.args.ours if name == "ours" else os.path.join(self.args.peers, "bench-" + name)
        text = started([program, "peers"] if name == "ours" else [program])[0]
        rows = [one.split("\t") for one in text.splitlines() if "median_ms=" in one]
        return {row[1]: float(row[2].split("=")[1]) for row in rows}


def cpu(row):
    for name in ("sync_cpu_s", "cpu_s", "sync_s", "wall_s"):
        if name in row:
            return row[name]
    raise Skipped(f"no time in {row}")


# Work, our job, theirs, most of theirs that ours may be, commits with an fsync in it (ours, theirs).
TIMED = [
    ("loop of 1000, no storage", "a_sequential loop 1000 none", "a_sequential loop 1000 none", 1 / 100, (0, 0)),
    ("loop of 1000, CEL edge, no storage", "a_sequential loop_cel 1000 none", "a_sequential loop 1000 none", None, (0, 0)),
    ("chain of 1000, no storage", "a_sequential chain 1000 none", "a_sequential chain 1000 none", None, (0, 0)),
    ("loop of 1000, memory", "a_sequential loop 1000 memory", "a_sequential loop 1000 memory", 1 / 20, (0, 0)),
    ("fan-out x100, no storage", "b_fanout 100 none subgraph", "b_fanout 100 none subgraph", 1 / 50, (0, 0)),
    ("fan-out x1000, no storage", "b_fanout 1000 none subgraph", "b_fanout 1000 none subgraph", 1 / 50, (0, 0)),
    ("1000 steps with a message, no storage", "d_sqlite_growth 1000 add none", "d_sqlite_growth 1000 add none", None, (0, 0)),
    ("1000 steps with a message, SQLite, less the floor", "d_sqlite_growth 1000 add sync", "d_sqlite_growth 1000 add sync", 1 / 20, (1001, 1001)),
    ("self-heal x200, no storage", "h_selfheal 200 none", "h_selfheal 200 none", None, (0, 0)),
    ("self-heal x200, SQLite, less the floor", "h_selfheal 200 sqlite_sync", "h_selfheal 200 sqlite_sync", None, (2600, 2600)),
]


def measured(sides, args):
    """The rows of the table, and everything that was measured."""
    rows, raw = [], {}

    def row(work, ours, theirs, unit, bar, ratio=None):
        ratio = ours / theirs if ratio is None and theirs else ratio
        met = None if bar is None or ratio is None else ratio <= bar
        rows.append({"work": work, "ours": ours, "theirs": theirs, "unit": unit, "ratio": ratio, "bar": bar, "met": met})
        print(shown(rows[-1]), flush=True)

    def turns(work, one, other):
        pairs = []
        for _ in range(args.reps):
            try:
                pairs.append((one(), other()))
            except Skipped as why:
                print(f"{work:52} skipped: {why}", flush=True)
                return None
        raw[work] = pairs
        return pairs

    median = lambda pairs, side, get: statistics.median(get(pair[side]) for pair in pairs)
    wanted = lambda work: not args.only or any(one in work for one in args.only)
    floor = 0.0
    if args.scripts:
        floor = statistics.median(sides.floor() for _ in range(args.reps))
        raw["floor_cpu_s"] = floor
        print(f"a bare commit: {floor * 1e6:.0f} us of CPU", flush=True)
    kept = {}
    for work, ours, theirs, bar, commits in TIMED if args.scripts else []:
        if not wanted(work):
            continue
        pairs = turns(work, lambda: sides.ours(ours), lambda: sides.theirs(theirs))
        if not pairs:
            continue
        mine, other = (median(pairs, side, cpu) - floor * commits[side] for side in (0, 1))
        row(work, max(mine, 0.0), other, "s CPU", bar)
        kept[work] = mine
        first = pairs[0][0]
        if "raw_mb" in first:
            row("  database / bytes written", first["db_mb"], first["raw_mb"], "MB", 2.0)
            row("  database / theirs", first["db_mb"], pairs[0][1]["db_mb"], "MB", None)
    for left, right, factor, bar in (
        ("chain of 1000, no storage", "loop of 1000, no storage", 1, 2.0),
        ("fan-out x1000, no storage", "fan-out x100, no storage", 10, 1.5),
    ):
        if left in kept and right in kept:
            row(f"  {left.split(',')[0]} / {right.split(',')[0]}", kept[left], kept[right] * factor, "s CPU", bar)
    if "loop of 1000, CEL edge, no storage" in kept and "loop of 1000, no storage" in kept:
        over = (kept["loop of 1000, CEL edge, no storage"] - kept["loop of 1000, no storage"]) * 1e3
        row("  CEL over native, us an evaluation", over, 2.0, "us", 1.0)
    if args.scripts and wanted("wide state"):
        try:
            facts = sides.ours("c_wide 300 sqlite_sync")
            row("wide state to 300, database / bytes written", facts["db_mb"], facts["raw_mb"], "MB", 3.0)
            raw["wide"] = facts
        except Skipped as why:
            print(f"wide state: skipped: {why}")
    if args.scripts and wanted("cold start"):
        for sqlite in (False, True):
            work = "cold start, SQLite" if sqlite else "cold start"
            pairs = turns(work, lambda: sides.cold("ours", sqlite), lambda: sides.cold("theirs", sqlite))
            if pairs:
                mine, other = (median(pairs, side, lambda one: one["cpu_s"]) for side in (0, 1))
                row(work, mine, other, "s CPU", None)
                row("  of 20 ms", mine * 1e3, 20.0, "ms CPU", 1.0)
                row("  of 20 MB", median(pairs, 0, lambda one: one["rss_mb"]), 20.0, "MB", 1.0)
    if args.scripts and wanted("parked"):
        pairs = turns("parked", lambda: sides.ours(f"f_parked {args.parked}"), lambda: sides.theirs(f"f_parked {args.parked}"))
        if pairs:
            # A run is begun, parks, is answered and ends. The commits that reach the disk (`strace -c -e fsync,fdatasync`)
            # are 6 a run on our side and 11 on theirs; each side pays for its own.
            get = lambda one: one["park_cpu_s"] + one["resume_cpu_s"]
            mine, other = (median(pairs, side, get) - floor * commits * args.parked for side, commits in ((0, 6), (1, 11)))
            row(f"{args.parked} runs parked and resumed, less the floor", max(mine, 0.0), other, "s CPU", 1 / 20)
            # All that the store holds for a run, its state included: the bar leaves the state out.
            row("  bytes a run, its state included", pairs[0][0]["bytes_per_parked_thread"], 2500.0, "B", 1.0)
    if args.scripts and wanted("history"):
        pairs = turns("history", lambda: sides.ours("g_history 1000 growing"), lambda: sides.theirs("g_history 1000 growing"))
        if pairs:
            for name, theirs, most in (("full_history_ms", lambda one: one["full_history_s"] * 1e3, 10.0),
                                       ("get_oldest_ms", lambda one: one["get_oldest_ms"], 5.0),
                                       ("get_latest_ms", lambda one: one["get_latest_ms"], 5.0),
                                       ("fork_mid_ms", lambda one: one["fork_mid_ms"], None)):
                mine = median(pairs, 0, lambda one: one[name])
                row(f"history of 1000: {name}", mine, median(pairs, 1, theirs), "ms", None)
                if most:
                    row(f"  of {most:.0f} ms", mine, most, "ms", 1.0)
            slowest = median(pairs, 0, lambda one: one["get_slowest_ms"])
            row("  the slowest of fifty states, of 5 ms", slowest, 5.0, "ms", 1.0)
    if args.peers and wanted("peers"):
        names = [one for one in ("juncture", "langgraph-rs", "adk") if os.path.exists(os.path.join(args.peers, "bench-" + one))]
        for name in names:
            pairs = turns(f"peers: {name}", lambda: sides.peer("ours"), lambda: sides.peer(name))
            for workload in sorted(pairs[0][0].keys() & pairs[0][1].keys()) if pairs else []:
                mine, other = (median(pairs, side, lambda one: one[workload]) for side in (0, 1))
                bar = 1.0 if (name, workload) == ("juncture", "loop1000_memory") else None
                row(f"{workload} / {name}", mine, other, "ms", bar)
    return rows, raw


def shown(row):
    number = lambda value: "-" if value is None else f"{value:.4g}"
    met = {None: "", True: "met", False: "NOT MET"}[row["met"]]
    bar = "" if row["bar"] is None else f"{row['bar']:.3g}"
    return f"{row['work']:52} {number(row['ours']):>10} {number(row['theirs']):>10} {row['unit']:7} {number(row['ratio']):>9} {bar:>6} {met}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    target = os.path.join(HERE, "..", "..", "target", "release", "examples", "whole")
    parser.add_argument("--ours", default=target, help="the program `whole` (default: %(default)s)")
    parser.add_argument("--scripts", help="the folder of the other side's scripts; without it that side is left out")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that they run on")
    parser.add_argument("--peers", help="the folder of the Rust peers' programs; without it they are left out")
    parser.add_argument("--reps", type=int, default=3, help="how often each pair runs; medians are compared")
    parser.add_argument("--parked", type=int, default=1000, help="how many runs are parked")
    parser.add_argument("--only", nargs="*", help="only works whose name contains one of these")
    parser.add_argument("--json", help="write rows and raw measurements there")
    args = parser.parse_args()
    args.ours = os.path.abspath(args.ours)
    for name in ("scripts", "peers"):
        if getattr(args, name):
            setattr(args, name, os.path.abspath(getattr(args, name)))
    print(f"{'work':52} {'ours':>10} {'theirs':>10} {'unit':7} {'ratio':>9} {'bar':>6}")
    rows, raw = measured(Sides(args), args)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"rows": rows, "raw": raw, "cpus": os.cpu_count(), "load": os.getloadavg()}, file, indent=1)
    # A bar that is not met is news, not a failure of the program.


if __name__ == "__main__":
    main()
