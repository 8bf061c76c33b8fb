"""`make setup`: what a newcomer sees while packages are installed."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 30.0
# Prints as pip does, and goes on when its first line has been read.
PIP = """\
#!{python}
import pathlib, sys, time
print("Collecting one==1.0 (from -r requirements/local.txt)")
end = time.monotonic() + {limit}
while not pathlib.Path({seen!r}).exists() and time.monotonic() < end:
    time.sleep(0.01)
if time.monotonic() > end:
    sys.exit("nobody has read the line")
print("  Downloading one-1.0-py3-none-any.whl (846 kB)")
print("  Using cached two")
print("Installing collected packages: one")
"""


def test_each_package_is_shown_when_it_comes(tmp_path: Path) -> None:
    seen, venv = tmp_path / "seen", tmp_path / "venv"
    python = venv / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PIP.format(python=sys.executable, seen=str(seen), limit=LIMIT))
    python.chmod(0o755)
    command = ["make", f"VENV={venv}", f"PYTHON={sys.executable}", f"{venv}/local.stamp"]
    # As a person types it: the make that runs the tests says where it is.
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=own) as made:
        assert made.stdout
        first = [made.stdout.readline().strip() for _ in range(2)]
        seen.touch()
        rest = [line.strip() for line in made.stdout]
    assert made.returncode == 0
    assert first[0] == "Installing requirements/local.txt, which takes about a minute"
    assert first[1].startswith("Collecting one==1.0")
    assert rest == [
        "Downloading one-1.0-py3-none-any.whl (846 kB)",
        "Installing collected packages: one",
    ]
