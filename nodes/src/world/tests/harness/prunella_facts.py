"""What this interpreter is."""
import os
import sys


def version_of(name):
    try:
        from importlib.metadata import version

        return version(name)
    except Exception:
        return ""


def site_dirs():
    """Folders of installed packages that are on the path."""
    return [p for p in sys.path if os.path.basename(p) in ("site-packages", "dist-packages")]


def facts(plan):
    import importlib.util

    # A mounted folder may carry the runner.
    sys.path.extend(p for p in plan["pythonpath"] if os.path.isabs(p))

    names = getattr(sys, "stdlib_module_names", None) or frozenset(sys.builtin_module_names)
    return {
        "version": "%d.%d.%d" % sys.version_info[:3],
        "executable": sys.executable,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "sites": site_dirs(),
        "pytest": version_of("pytest") if importlib.util.find_spec("pytest") else "",
        "stdlib": sorted(names),
    }
