"""The commit that is released, as a folder of its own with the version in it."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.commands import run
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.paths import ROOT

WHOLE = "release/omnia-agents"
"""The distribution that requires the other one with the whole command line."""

# Where the repository's own values are replaced: a file, a pattern, what it becomes, how often.
_STAMPS = (
    ("pyproject.toml", r'^version = "[^"]+"$', 'version = "{version}"', 1),
    (f"{WHOLE}/pyproject.toml", r'^version = "[^"]+"$', 'version = "{version}"', 1),
    (f"{WHOLE}/pyproject.toml", r'==[^"]+"\]$', '=={version}"]', 9),
    ("charts/omnia/Chart.yaml", r"^version: .+$", "version: {version}", 1),
    ("charts/omnia/Chart.yaml", r"^appVersion: .+$", 'appVersion: "{version}"', 1),
)
_REPOSITORY = re.compile(r"^(\s+repository: )localhost/(omnia-[a-z]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """A released commit."""

    folder: Path
    version: str
    commit: str
    epoch: int
    """The time of the commit in seconds since 1970: the time of every file that is built."""


def uncommitted() -> list[str]:
    """Return what `git status` lists: changes that no release has."""
    return run("git", "status", "--porcelain", folder=ROOT).splitlines()


def export(folder: Path, commit: str, version: str, registry: str) -> Source:
    """Write the files of a commit to an empty folder, with the version and the images' registry.

    Raises:
        HarnessError: git cannot, or a file does not have what is to be replaced.
    """
    commit = run("git", "rev-parse", "--verify", f"{commit}^{{commit}}", folder=ROOT).strip()
    epoch = int(run("git", "show", "--no-patch", "--format=%ct", commit, folder=ROOT))
    archive = folder / "source.tar"
    run("git", "archive", f"--output={archive}", commit, folder=ROOT)
    run("tar", f"--directory={folder}", "--extract", f"--file={archive}")
    archive.unlink()
    for name, pattern, line, times in _STAMPS:
        text = line.format(version=version)
        _replace(folder / name, re.compile(pattern, re.MULTILINE), text, times)
    if registry:
        values = folder / "charts/omnia/values.yaml"
        _replace(values, _REPOSITORY, rf"\g<1>{registry}/\g<2>", 3)
    return Source(folder, version, commit, epoch)


def _replace(file: Path, pattern: re.Pattern[str], text: str, times: int) -> None:
    changed, found = pattern.subn(text, file.read_text(encoding="utf-8"))
    if found != times:
        raise HarnessError(f"{file.name}: expected {times} lines {pattern.pattern}, found {found}")
    file.write_text(changed, encoding="utf-8")
