"""The ground that the candidates of one batch stand on: each must find it as the first one did.

They share a sandbox, and a hostile one could make another fail: by a process that stays, a file that it leaves, a
limit that it lowers. All of that shows. Whoever ran after it did so on doubtful ground, and the host asks again.
(What is written to other files of the tree shows on the host, when all is over.)
"""
import os
import resource
import tempfile

import prunella_files

MAX_SEEN = 20000
LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]


def limits():
    """Whoever runs as the same user may lower those of another process."""
    return [resource.getrlimit(limit) for limit in LIMITS]


def seen(places):
    """Everything below, by what nobody can set back: the time of the last change."""
    found = {}
    for place in places:
        device = os.lstat(place).st_dev
        for folder, folders, files in os.walk(place, onerror=lambda e: found.update({e.filename: str(e)})):
            # What is mounted below is read-only.
            folders[:] = [name for name in folders if os.lstat(os.path.join(folder, name)).st_dev == device]
            for path in [folder] + [os.path.join(folder, name) for name in folders + files]:
                at = os.lstat(path)
                found[path] = (at.st_ino, at.st_mode, at.st_size, at.st_mtime_ns, at.st_ctime_ns)
            if len(found) > MAX_SEEN:
                raise OSError("too much lies there to look at it")
    return found


def folders(top, own):
    """The tree's folders; of those that files of candidates are laid in, only what that leaves alone."""
    found = {}
    for folder, names, files in os.walk(top, onerror=lambda e: found.update({e.filename: str(e)})):
        at = os.lstat(folder)
        if folder in own:
            found[folder] = (at.st_mode, sorted(names + files))
        else:
            found[folder] = (at.st_mode, at.st_ino, at.st_mtime_ns, at.st_ctime_ns)
        if len(found) > MAX_SEEN:
            raise OSError("too many folders to look at")
    return found


class Ground:
    """`paths` are the files that any candidate changes: they are laid back after each."""

    def __init__(self, top, paths, sure):
        self.sure = sure
        self.own = None
        places = {tempfile.gettempdir(), os.environ.get("HOME", ""), "/dev/shm"}
        self.places = sorted(place for place in places if os.path.isdir(place))
        self.files = {os.path.join(top, path): None for path in paths}
        for full in self.files:
            self.files[full] = prunella_files.read(full)
        self.top, self.laid_in = top, {top}
        for full in self.files:
            while len(full) > len(top):
                full = os.path.dirname(full)
                self.laid_in.add(full)
        try:
            self.limits, self.seen = limits(), seen(self.places)
            self.folders = folders(top, self.laid_in)
        except OSError:
            self.sure = False

    def begin(self):
        """A folder for what one candidate's tests write."""
        self.own = tempfile.mkdtemp(prefix="step-")

    def enter(self):
        """In the candidate's process."""
        os.environ["TMPDIR"] = self.own
        tempfile.tempdir = None

    def end(self, alone):
        """Looks around when a candidate is done; `alone` says whether all that it started has ended."""
        try:
            remove(self.own)
            for full, kept in self.files.items():
                prunella_files.lay_back(full, kept)
            same = limits() == self.limits and without(seen(self.places)) == without(self.seen)
            same = same and folders(self.top, self.laid_in) == self.folders
        except OSError:
            same = False
        self.sure = self.sure and alone and same


def without(found):
    """A folder that held the candidate's own has another time and size now."""
    return {path: at for path, at in found.items() if path != tempfile.gettempdir()}


def remove(folder):
    """A folder with all that is in it, whatever modes that has."""
    for at, folders, files in os.walk(folder):
        os.chmod(at, 0o700)
        for name in folders:
            if not os.path.islink(os.path.join(at, name)):
                os.chmod(os.path.join(at, name), 0o700)
    for at, folders, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(os.path.join(at, name))
        for name in folders:
            path = os.path.join(at, name)
            os.unlink(path) if os.path.islink(path) else os.rmdir(path)
    os.rmdir(folder)
