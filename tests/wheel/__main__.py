"""`python -m tests.wheel [3.11 …]`: the wheels in a clean environment of a CPython.

Without versions: the oldest and the newest of this machine. For each: install `omnia-agents` from
its wheels, make a folder with `omnia init`, validate it, run it, talk to it, and run the tests that
need no further program.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.services import free_port

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
OLDEST = (3, 11)
LIMIT = 900.0  # seconds for one command, on a machine that does other things, too
# What differs between versions of CPython: types, event loop, text, and the libraries below us.
PURE = (
    *("core/test_units.py", "core/test_env.py", "core/test_templates.py"),
    *("core/test_jsonschema.py", "core/test_file_changes.py", "runtime/test_prompts.py"),
    *("cli/test_pack_folders.py", "cli/test_tool_folders.py", "tools/test_functions.py"),
)
# Without plugins for what these tests do not use.
TEST_PACKAGES = (
    *("pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "hypothesis"),
    *("kubernetes-validate", "jsonschema"),
)


def main() -> int:
    """Check each version; return 1 when there is none, or one fails."""
    found = dict(interpreters())
    wanted = [tuple(map(int, each.split("."))) for each in sys.argv[1:]]
    if missing := [each for each in wanted if each not in found]:
        there = ", ".join(map(_text, sorted(found))) or "none"
        names = ", ".join(map(_text, missing))
        print(f"there is no CPython {names} on this machine; there are: {there}")
        return 1
    for version in wanted or sorted({min(found), max(found)}):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="omnia-wheel-") as folder:
            try:
                check(found[version], Path(folder))
            except (subprocess.SubprocessError, AssertionError) as error:
                print(f"CPython {_text(version)}: {error}")
                return 1
        print(f"CPython {_text(version)}: passed in {time.monotonic() - began:.0f} s")
    return 0


def interpreters() -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield version and program of each CPython from 3.11 on, pyenv's included."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    names = [
        *pyenv.glob("versions/3.*/bin/python3"),
        *(f"python3.{each}" for each in range(11, 20)),
    ]
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2], sys.implementation.name)"
    seen = set()
    for name in names:
        program = shutil.which(str(name))
        done = program and subprocess.run(
            [program, "-c", code], capture_output=True, text=True, check=False, timeout=LIMIT
        )
        if not program or not done or done.returncode:
            continue
        major, minor, implementation = done.stdout.split()
        version = int(major), int(minor)
        if implementation == "cpython" and version >= OLDEST and version not in seen:
            seen.add(version)
            yield version, program


def check(python: str, folder: Path) -> None:
    """Install the wheels below `folder` and use them as a newcomer does.

    Raises:
        AssertionError: something answers differently.
        SubprocessError: a command fails; its output is printed.
    """
    for source in (ROOT, ROOT / "release/omnia-agents"):
        run(
            *(UV, "build", "--quiet", "--wheel", "--no-build-isolation", "--offline"),
            *("--python", sys.executable, "--out-dir", folder / "dist", source),
        )
    venv = folder / "venv"
    run(UV, "venv", "--quiet", "--python", python, venv)
    number = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    install(venv, folder / "dist", f"omnia-agents=={number}")
    environment = {
        "PATH": f"{venv / 'bin'}:{os.defpath}",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
    }

    def omnia(*words: str) -> str:
        return run(venv / "bin/omnia", *words, cwd=folder, env=environment)

    assert omnia("--version") == f"omnia {number}\n"
    omnia("init", "mine")
    omnia("validate", "mine")
    run(
        venv / "bin/python", "-m", "unittest", "discover", "mine/tests", cwd=folder, env=environment
    )
    command = [str(venv / "bin/omnia"), "up", "mine", "--json", "--port", str(free_port())]
    up = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE)
    try:
        assert up.stdout
        for line in up.stdout:
            if json.loads(line)["event"] == "serving":
                break
        assert omnia("chat", "mine", "hello").startswith("Hello! I can look up an order")
        answer = omnia("chat", "mine", "Where is order A-1001?")
        assert answer == "Order A-1001 (oak desk) is on its way.\n", answer
        called = json.loads(omnia("call", "mine-function", '{"message": "my invoice"}'))
        assert called["output"] == {"topic": "payment"}, called
        assert "mine-function" in omnia("sessions", "list")
    finally:
        up.terminate()
        up.wait(LIMIT)
    install(venv, folder / "dist", *TEST_PACKAGES)
    tests = [str(ROOT / "tests" / each) for each in PURE]
    options = ["-n0", "-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib"]
    print(run(venv / "bin/python", "-m", "pytest", *options, *tests, cwd=ROOT).splitlines()[-1])


def install(venv: Path, wheels: Path, *packages: str) -> None:
    """Install packages by uv, or by pip where only pip knows an index."""
    words = ("install", "--quiet", f"--find-links={wheels}", *packages)
    try:
        run(UV, "pip", *words, "--python", venv, "--refresh-package=omnia-agents-slim")
    except subprocess.CalledProcessError:
        run(sys.executable, "-m", "pip", "--python", venv, *words)


def run(*words: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it prints; when it fails, print that first."""
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, env=env, capture_output=True, text=True, check=False,
        timeout=LIMIT,
    )  # fmt: skip
    if done.returncode:
        print(re.sub(r"\n{2,}", "\n", done.stdout + done.stderr), file=sys.stderr)
    done.check_returncode()
    return done.stdout


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main())
