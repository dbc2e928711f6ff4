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


# Modules that a test may use and still be told over a socket: none of them has a state that the code would see.
PLAIN = {"unittest", "pytest", "__future__", "math", "re", "json", "string", "textwrap", "typing", "itertools", "collections",
         "operator", "fractions", "decimal", "datetime"}
# Names that reach past a function's arguments and result.
REACHING = {
    "mock", "patch", "Mock", "MagicMock", "mocker", "monkeypatch", "environ", "assertLogs", "assertNoLogs", "assertWarns",
    "assertWarnsRegex", "warns", "deprecated_call", "now", "utcnow", "today", "fixture", "usefixtures", "open", "is_", "assertIs",
    "assertIsNot", "id", "isinstance", "issubclass", "type", "assertIsInstance", "assertNotIsInstance", "assertDictEqual",
    "assertListEqual", "assertTupleEqual", "assertSetEqual", "assertSequenceEqual", "setattr", "delattr", "vars", "globals",
    "locals", "exec", "eval", "compile", "__import__", "breakpoint", "getcontext", "setcontext", "localcontext",
    "purge", "registerResult", "addTypeEqualityFunc", "setUpModule", "tearDownModule", "setup_module", "load_tests",
}
# What stands before a test without doing anything to it.
MARKS = {"parametrize", "skip", "skipIf", "skipUnless", "skipif", "expectedFailure", "xfail", "staticmethod", "classmethod"}
CONTEXTS = {"assertRaises", "assertRaisesRegex", "subTest", "raises"}


def last(node):
    """The last part of a dotted name, called or not."""
    node = node.func if isinstance(node, ast.Call) else node
    return getattr(node, "attr", getattr(node, "id", None))


def given(function):
    """Names of arguments that `parametrize` fills in."""
    names = {"self", "cls"}
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and last(mark) == "parametrize" and mark.args:
            try:
                said = ast.literal_eval(mark.args[0])
            except ValueError:
                continue
            names.update(part.strip() for part in (said.split(",") if isinstance(said, str) else said))
    return names


def plain_node(node, ours):
    """Whether a node neither reaches past the code's functions nor brings in what may."""
    if getattr(node, "id", getattr(node, "attr", getattr(node, "arg", None))) in REACHING:
        return False
    if isinstance(node, ast.Import):
        return all(ours(name.name) for name in node.names)
    if isinstance(node, ast.ImportFrom):
        return not node.level and ours(node.module) and all(name.name not in REACHING for name in node.names)
    if isinstance(node, ast.Compare):
        same = any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops)
        return not same or all(isinstance(c, ast.Constant) for c in node.comparators)
    if isinstance(node, ast.ClassDef):
        return not node.keywords and not node.decorator_list and all(last(base) in ("TestCase", "object") for base in node.bases)
    if isinstance(node, ast.FunctionDef):
        return all(last(mark) in MARKS for mark in node.decorator_list)
    if isinstance(node, ast.With):
        return all(last(item.context_expr) in CONTEXTS for item in node.items)
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
        return last(node.value) == "self"
    return not isinstance(node, (ast.Global, ast.Nonlocal, ast.AsyncFunctionDef, ast.AsyncWith, ast.Await, ast.Delete))


def simple(tree, ours):
    """Whether the test's module only calls functions and looks at what comes back.

    What is not known to be harmless is not simple: on a simple test it hangs whether the code is to blame when the test
    fails with the code in another process.
    """
    for node in ast.walk(tree):
        if not plain_node(node, ours):
            return False
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            if not {a.arg for a in arguments} <= given(node):
                return False
    return True


def code_of(plan, want):
    """Tells modules of the code under test from helpers of the tests and what is installed."""
    roots = [os.path.join(plan["top"], root) for root in want["roots"] if not os.path.isabs(root)]
    helpers = frozenset(want["helpers"])

    def ours(name):
        if name.partition(".")[0] in PLAIN:
            return True
        below = os.path.join(*name.split("."))
        for root in roots:
            for file in (os.path.join(root, below + ".py"), os.path.join(root, below, "__init__.py")):
                if os.path.isfile(file):
                    return os.path.relpath(file, plan["top"]).replace(os.sep, "/") not in helpers
        return False

    return ours


def quiet(plan, path):
    """Whether no conftest.py on the way to a test does something to every test."""
    folder = os.path.dirname(path)
    while True:
        try:
            with open(os.path.join(plan["top"], folder, "conftest.py"), encoding="utf-8") as f:
                source = f.read()
        except FileNotFoundError:
            source = ""
        tree = ast.parse(source)
        runs = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
        loud = [n for n in tree.body if not isinstance(n, runs) and not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
        if loud or "autouse" in source or "def pytest_" in source:
            return False
        if not folder:
            return True
        folder = os.path.dirname(folder)


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
            result["simple"] = simple(ast.parse(source), code_of(plan, want)) and quiet(plan, want["path"])
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
