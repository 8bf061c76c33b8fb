"""What each image has beside its base, as CycloneDX: `make sbom` writes dist/sbom."""

from pathlib import Path

from tests.cluster.harness.commands import run
from tests.cluster.harness.console import say
from tests.cluster.harness.images import NAMES
from tests.cluster.harness.paths import ROOT

# An environment of its own, which the Makefile makes.
_PROGRAM = ROOT / ".venv-sbom/bin/cyclonedx-py"


def write(source: Path, folder: Path, suffix: str = "") -> list[Path]:
    """Write one file for each image, from the hashed requirements below `source`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in NAMES:
        file = folder / f"{name}{suffix}.cdx.json"
        run(
            *(_PROGRAM, "requirements", source / f"requirements/{name}.txt"),
            *("--pyproject", source / "pyproject.toml", "--mc-type", "application"),
            *("--output-reproducible", "-o", file),
            environment={"PYTHONWARNINGS": "ignore"},
        )
        written.append(file)
    return written


if __name__ == "__main__":
    for path in write(ROOT, ROOT / "dist/sbom"):
        say(f"{path.relative_to(ROOT)}")
