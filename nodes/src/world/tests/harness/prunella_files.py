"""Files laid over the tree for a while, and taken back."""
import os
import stat


def read(full):
    """Content, kind and time of a file; nothing where there is none."""
    try:
        at = os.lstat(full)
        if not stat.S_ISREG(at.st_mode):
            return (b"", at.st_mode, at.st_mtime_ns)
        with open(full, "rb") as f:
            return (f.read(), at.st_mode, at.st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return None


def lay_back(full, kept):
    if read(full) != kept:
        lay(full, kept)


def lay(full, kept):
    if os.path.lexists(full):
        os.unlink(full)
    if kept is None:
        return
    content, mode, at = kept
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as f:
        f.write(content)
    os.chmod(full, stat.S_IMODE(mode))
    os.utime(full, ns=(at, at))
