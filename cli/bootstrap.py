"""Makes the virtual environment of a checkout: ``python3 cli/bootstrap.py``. Needs nothing but Python and pip.

Everything comes from requirements.lock, each file held to its hash, and the command ``servoir`` is put into
``.venv/bin``. When the lock has not changed since, nothing is done.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
STAMP = VENV / "installed"
OLDEST, NEWEST = (3, 11), (3, 13)
_PIP = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
_WIDTH = 60


def main() -> int:
    """Bring ``.venv`` to what the lock says; return the exit code."""
    if wrong := complaint(sys.version_info[:2]):
        print(wrong, file=sys.stderr)
        return 1
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    began = time.monotonic()
    if not _has_pip():
        print("making .venv", flush=True)
        venv.create(VENV, with_pip=True, symlinks=True, clear=True)
    if not _install([*_PIP, "install", "--require-hashes", "-r", str(LOCK)], count=_packages()):
        return 1
    if not _install([*_PIP, "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], count=1):
        return 1
    STAMP.write_text(wanted)
    print(f".venv is ready after {time.monotonic() - began:.0f} s", flush=True)
    return 0


def complaint(version: tuple[int, ...]) -> str:
    """Return what this machine, with a Python of this *version*, lacks; nothing where it lacks nothing."""
    name = ".".join(map(str, version))
    if not OLDEST <= version <= NEWEST:
        return (
            f"Python 3.11, 3.12 or 3.13 is needed, for which all packages of {LOCK.name} are made; this is {name}: "
            "install one of them, and say `make PYTHON=python3.13 …`"
        )
    missing = [module for module in ("venv", "ensurepip") if importlib.util.find_spec(module) is None]
    if missing and not _has_pip():
        return f"this Python lacks {' and '.join(missing)}: install the Debian package python{name}-venv"
    return ""


def _has_pip() -> bool:
    """Return whether ``.venv`` is there, whole: one whose making was broken off has no pip, or half of one."""
    try:
        return subprocess.run([*_PIP, "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def _packages() -> int:
    return len(re.findall(r"^[A-Za-z0-9]", LOCK.read_text(), re.MULTILINE))


def _install(command: list[str], *, count: int) -> bool:
    """Run pip, showing one line of progress; show all that it said when it fails."""
    said: list[str] = []
    done = 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            said.append(line)
            if line.startswith(("Collecting ", "Obtaining ")):
                done += 1
                _show(f"  {done} of {count}  {line.split()[1][:_WIDTH]}")
            elif line.startswith("Installing collected packages") and count > 1:
                _show(f"  unpacking {count} packages, about a minute")
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)
    if pip.returncode:
        print("".join(said[-30:]), file=sys.stderr)
        print("pip could not install the packages: is the package index reachable from here?", file=sys.stderr)
    return pip.returncode == 0


def _show(text: str) -> None:
    """Show *text* in place of the last one; on something that is no terminal, a line for every twentieth package."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)
    elif not re.match(r"  \d*[1-9] of|  \d*[13579]0 of", text):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
