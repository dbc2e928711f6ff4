"""Twins of a test: the same test, changed so that it must fail whatever the code under test does; and a copy of it
under another name, which must do what it does.

A candidate that makes a twin pass has reached for the judge: it ends tests early, equals everything, or turns
failures into passes. One that makes only the test pass, and not its copy, knows the test by name.
"""
import ast
import os


def find(tree, names):
    """The function that `names` (classes, then the function) leads to."""
    body = tree.body
    found = None
    for name in names:
        found = None
        for node in body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
                found = node
        if found is None:
            return None
        body = found.body
    return found if isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def parse(text):
    return ast.parse(text).body


def ends_badly(function, token):
    """The body, and then a failure of ours that nothing in it can prevent."""
    finale = parse("raise AssertionError(%r)" % token)
    function.body = [ast.Try(body=function.body, handlers=[], orelse=[], finalbody=finale)]
    return True


def loose(node):
    """Names that compare equal to anything by design."""
    return any(getattr(n, "id", getattr(n, "attr", None)) in ("ANY", "approx", "Anything") for n in ast.walk(node))


def stranger(node, token):
    """A fresh object, which equals nothing."""
    return parse("__import__('builtins').object()")[0].value


def other(node, token):
    """Another value of the same type, for a literal; nothing for anything else."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    number = int(token[1:9], 16)

    def turned(value):
        if isinstance(value, bool) or value is None:
            return token
        if isinstance(value, (int, float)):
            return value + number
        if isinstance(value, str):
            return value + token
        if isinstance(value, bytes):
            return value + token.encode()
        if isinstance(value, (list, tuple)):
            return type(value)(list(value) + [token])
        if isinstance(value, set):
            return value | {token}
        if isinstance(value, dict):
            return {**value, token: number}
        return token

    return parse(repr(turned(value)))[0].value


def contradicts(function, make, token):
    """Each plain equality of the body compares with what `make` makes of it instead; False when there is none."""
    changed = False

    def turn(node):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            return any([turn(value) for value in node.values])
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq) and not loose(node):
            made = make(node.comparators[0], token)
            if made is None:
                return False
            node.comparators = [made]
            return True
        return False

    for statement in function.body:
        if isinstance(statement, ast.Assert):
            changed |= turn(statement.test)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            if isinstance(call.func, ast.Attribute) and call.func.attr in ("assertEqual", "assertEquals", "assertListEqual", "assertDictEqual"):
                if len(call.args) < 2 or loose(call):
                    continue
                # Whichever side is the expectation.
                for side in (1, 0):
                    made = make(call.args[side], token)
                    if made is not None:
                        call.args[side] = made
                        call.func.attr = "assertEqual"
                        changed = True
                        break
    return changed


# What reaches past a function's arguments and result: a test that uses none of it can be told over a socket.
REACHING = {
    "mock", "patch", "Mock", "MagicMock", "mocker", "monkeypatch", "capsys", "capfd", "caplog", "recwarn", "freeze_time",
    "environ", "putenv", "setenv", "assertLogs", "assertNoLogs", "assertWarns", "assertWarnsRegex", "warns", "random",
    "seed", "now", "utcnow", "today", "time", "monotonic", "perf_counter", "sleep", "Thread", "Process", "stdin", "stdout",
    "stderr", "argv", "fixture", "usefixtures", "tmp_path", "tmpdir", "TemporaryDirectory", "NamedTemporaryFile", "open",
    "chdir", "getcwd", "socket", "subprocess", "asyncio", "is_", "assertIs", "id", "gc", "sys", "modules", "reload", "Path",
    "isinstance", "issubclass", "type", "assertIsInstance", "assertNotIsInstance", "assertDictEqual", "assertListEqual",
    "assertTupleEqual", "assertSetEqual", "assertSequenceEqual", "inspect", "signal", "locale", "setattr", "delattr", "registerResult", "addTypeEqualityFunc",
}


def simple(tree):
    """Whether the test's module only calls functions and looks at what comes back."""
    for node in ast.walk(tree):
        name = getattr(node, "id", getattr(node, "attr", getattr(node, "arg", None)))
        if isinstance(node, ast.alias):
            name = node.name.rpartition(".")[2]
        if name in REACHING or isinstance(node, (ast.Global, ast.Nonlocal, ast.AsyncFunctionDef, ast.Await)):
            return False
        if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            if not all(isinstance(c, ast.Constant) for c in node.comparators):
                return False
    return True


def mutant(source, function, token):
    """`source` where every function of this name only raises; nothing when there is none."""
    tree = ast.parse(source)
    found = False
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == function:
            node.body = parse("raise RuntimeError(%r)" % token)
            found = True
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n" if found else None


def twins(plan):
    """For each wanted test: sources of its twins, or why there are none."""
    out = []
    for want in plan["wanted"]:
        result = {"ends": None, "contradicts": None, "differs": None, "copy": None, "simple": False, "mutants": [], "why": ""}
        for mutate in want["mutate"]:
            try:
                result["mutants"].append(mutant(mutate["source"], mutate["function"], want["token"]))
            except (ValueError, SyntaxError, RecursionError):
                result["mutants"].append(None)
        try:
            source = want.get("source")
            if not source:
                with open(os.path.join(plan["top"], want["path"]), encoding="utf-8") as f:
                    source = f.read()
            if not hasattr(ast, "unparse"):
                raise ValueError("this Python cannot write code back")
            result["simple"] = simple(ast.parse(source))
            for key in ("ends", "contradicts", "differs", "copy"):
                tree = ast.parse(source)
                function = find(tree, want["names"])
                if function is None:
                    raise ValueError("the test is not written in its file: inherited or generated")
                if key == "ends":
                    made = ends_badly(function, want["token"])
                elif key == "contradicts":
                    made = contradicts(function, stranger, want["token"])
                elif key == "differs":
                    made = contradicts(function, other, want["token"])
                else:
                    function.name = want["name"]
                    made = True
                if made:
                    result[key] = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        except (OSError, ValueError, SyntaxError, RecursionError) as e:
            result["why"] = str(e)
        out.append(result)
    return out
