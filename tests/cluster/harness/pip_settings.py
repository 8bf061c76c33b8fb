"""This machine's way to its package index, lent to an image build and left out of the image."""

import ast
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.harness.commands import run

# Options that say where packages come from; the others are this machine's own affair.
OPTIONS = ("cert", "index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")


@contextmanager
def mounted() -> Iterator[list[str]]:
    """Yield the `--volume` options that make pip work in a build as it does here."""
    settings = _settings()
    if not settings:
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pip.conf"
        lines = [f"{option} = {value}" for option, value in settings.items()]
        file.write_text("\n".join(["[global]", *lines, ""]))
        file.chmod(0o644)
        paths = [value for value in settings.values() if Path(value).is_absolute()]
        yield [
            f"--volume={file}:/etc/pip.conf:ro",
            *(f"--volume={path}:{path}:ro" for path in paths if Path(path).exists()),
        ]


def _settings() -> dict[str, str]:
    """Return what pip is told here by files and by the environment; the environment wins."""
    found: dict[str, str] = {}
    # pip prints lines such as: global.cert='/etc/…'
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        key, _, value = line.partition("=")
        option = key.rpartition(".")[2]
        if option in OPTIONS:
            found[option] = " ".join(str(ast.literal_eval(value)).split())
    return found
