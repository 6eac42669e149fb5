"""Installs peers from PyPI and npm, pinned, each into a folder of its own: one
that cannot be installed takes no other one with it."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).resolve().parent / "pins"

# What all pinned wheels were built for.
OLDEST, NEWEST = (3, 12), (3, 14)

# Of one installation; one of the wheels has 98 MB.
TIMEOUT = 600


class Unavailable(Exception):
    """A peer cannot run on this machine, and why."""


class Installed:
    def __init__(self, cache, offline):
        self.cache = cache
        self.offline = offline

    def python(self, name):
        """The folder of the programs of a virtual environment with one peer."""
        interpreter = newer_python()
        folder = self.cache / "python" / name
        pins = PINS / f"{name}.txt"

        def install():
            run([interpreter, "-m", "venv", folder])
            pip = [folder / "bin/python", "-m", "pip", "install", "--quiet"]
            # What has no wheel would be built here.
            pip += ["--disable-pip-version-check", "--only-binary", ":all:"]
            run([*pip, "--requirement", pins])

        self.once(folder, name, [pins], f"{folder} {interpreter}", install)
        return folder / "bin"

    def npm(self):
        """The folder with all peers from npm."""
        folder = self.cache / "npm"
        pins = [PINS / "package.json", PINS / "package-lock.json"]

        def install():
            if not shutil.which("npm"):
                raise Unavailable("npm is missing")
            folder.mkdir(parents=True)
            for pin in pins:
                shutil.copy(pin, folder)
            # Nothing that is installed gets to run while it is installed.
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            run([*command, "--loglevel=error"], cwd=folder)

        self.once(folder, "peers from npm", pins, "", install)
        return folder

    def once(self, folder, name, pins, place, install):
        """Installs what is missing or was pinned anew; several at once wait."""
        self.cache.mkdir(parents=True, exist_ok=True)
        hasher = hashlib.sha256(place.encode())
        for pin in pins:
            hasher.update(pin.read_bytes())
        wanted = hasher.hexdigest()
        stamp = folder / "stamp"
        with open(self.cache / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if stamp.exists() and stamp.read_text() == wanted:
                return
            if self.offline:
                raise Unavailable("it is not installed, and `--offline` was given")
            print(f"installing {name}", file=sys.stderr, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            install()
            stamp.write_text(wanted)


def run(command, cwd=None):
    command = [str(word) for word in command]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    try:
        done = subprocess.run(
            command, cwd=cwd, stderr=subprocess.STDOUT, timeout=TIMEOUT, **streams
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"it cannot be installed: {error}") from error
    if done.returncode:
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        reason = " ".join(lines[-2:])[-300:]
        raise Unavailable(f"it cannot be installed: {reason}")


def newer_python():
    """A Python for peers; that of the machine may be older than their wheels."""
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    candidates = [sys.executable, *filter(None, map(shutil.which, names))]
    # Shims of pyenv find only the versions that are chosen.
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    versions = sorted(root.glob("versions/3.*/bin/python3"), reverse=True)
    for candidate in [*candidates, *map(str, versions)]:
        if OLDEST <= python_version(candidate) <= NEWEST:
            return candidate
    oldest = ".".join(map(str, OLDEST))
    newest = ".".join(map(str, NEWEST))
    raise Unavailable(f"it needs a Python from {oldest} to {newest}")


def python_version(program):
    """Its major and minor version, and zeros of what does not start."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    return version([program, "-c", code])


def node_version(program):
    code = "console.log(process.version.slice(1).replaceAll('.', ' '))"
    return version([program, "-e", code])


def version(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return tuple(map(int, done.stdout.split()[:2])) or (0, 0)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return (0, 0)
