"""`python -m release VERSION`: what `make release` calls."""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from release import images, platforms, provenance, registry, sbom, source, version
from release.platforms import Platform
from release.source import Source
from tests.cluster.harness.commands import run
from tests.cluster.harness.console import say, step
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.images import Buildah
from tests.cluster.harness.kind import helm
from tests.cluster.harness.paths import ROOT, Layout
from tests.cluster.harness.requirements import FOR_RELEASE, need_programs

CHECKSUMS = "SHA256SUMS"


def main() -> int:
    """Build one release."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("version")
    parser.add_argument("--registry", default="", help="push images and chart below this name")
    parser.add_argument("--platforms", default="", help="linux/amd64,linux/arm64")
    parser.add_argument("--base", default="", help="the base image, or debian")
    parser.add_argument("--commit", default="HEAD", help="what is built, HEAD by default")
    parser.add_argument("--builder", default="", help="a URI for who runs this build")
    parser.add_argument("--out", type=Path, help="the folder to write, dist/VERSION by default")
    arguments = parser.parse_args()
    try:
        release(arguments)
    except HarnessError as error:
        say(f"{error}")
        return 1
    return 0


def release(arguments: argparse.Namespace) -> None:
    """Build the files of a release, and push them when a registry is given.

    Raises:
        HarnessError: a value is wrong, or something cannot be built.
    """
    number = version.parse(arguments.version)
    target = registry.parse(arguments.registry)
    wanted = platforms.parse(arguments.platforms)
    if changes := source.uncommitted():
        note = f"{len(changes)} uncommitted changes are not in the release"
        if target:
            raise HarnessError(f"{note}: commit or stash them before you push one")
        say(note)
    need_programs(FOR_RELEASE)
    folder: Path = arguments.out or ROOT / "dist" / number
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    began = time.time()
    with tempfile.TemporaryDirectory() as exported:
        commit = source.export(Path(exported), arguments.commit or "HEAD", number, target)
        # A release for fewer platforms is no accident of the machine: somebody asked for it.
        strict = bool(target or arguments.platforms)
        bases, missing = _bases(wanted, arguments.base, commit, strict=strict)
        _distributions(commit, folder)
        program = helm(Layout.of_this_user())
        chart = _chart(commit, program, folder)
        sbom.write(commit.folder, folder, f"-{number}")
        digests = images.build(commit, bases, folder)
    files = {file.name: _sha256(file) for file in sorted(folder.iterdir())}
    statement = provenance.statement(
        commit,
        files | digests,
        {f"{base.name} ({each.name})": base.digest for each, base in bases.items()},
        platforms=[each.name for each in bases],
        builder=arguments.builder,
        seconds=(began, time.time()),
    )
    origin = folder / "provenance.intoto.json"
    origin.write_text(json.dumps(statement, indent=2) + "\n")
    files[origin.name] = _sha256(origin)
    lines = [f"{digest}  {name}\n" for name, digest in sorted(files.items())]
    (folder / CHECKSUMS).write_text("".join(lines))
    for name, digest in digests.items():
        say(f"{name} sha256:{digest}")
    if target:
        archives = {name: folder / f"{name.replace(':', '-')}.oci.tar" for name in digests}
        for pushed in registry.push(target, archives, digests, chart, program):
            say(f"pushed {pushed}")
    say(f"Release {number} is in {folder}")
    for reason in missing:
        say(f"Not in this release: {reason}")


def _bases(
    wanted: list[Platform], name: str, commit: Source, *, strict: bool
) -> tuple[dict[Platform, images.Base], list[str]]:
    """Return the base image of each platform that can be built, and why the others cannot."""
    buildah = Buildah(Layout.of_this_user())
    found: dict[Platform, images.Base] = {}
    missing: list[str] = []
    for each in wanted:
        reason = each.obstacle()
        if not reason:
            try:
                found[each] = images.base_of(each, name, commit, buildah)
            except HarnessError as error:
                reason = str(error)
        if reason:
            missing.append(f"{each.name}: {reason}")
    if missing and (strict or not found):
        raise HarnessError(
            "\n".join([*missing, "make release PLATFORMS=linux/amd64 leaves a platform out"])
        )
    return found, missing


def _distributions(commit: Source, folder: Path) -> None:
    """Write the wheels and the source distributions of `omnia-agents-slim` and `omnia-agents`."""
    environment = {"SOURCE_DATE_EPOCH": str(commit.epoch)}
    with step("building the wheels and the source distributions"):
        for project in (commit.folder, commit.folder / source.WHOLE):
            run(
                *(ROOT / ".venv/bin/uv", "build", "--quiet", "--no-build-isolation", "--offline"),
                *("--python", sys.executable, "--out-dir", folder, project),
                environment={**environment, "UV_NO_CONFIG": "1"},
            )
    (folder / ".gitignore").unlink(missing_ok=True)


def _chart(commit: Source, program: Path, folder: Path) -> Path:
    with step("packaging the chart"):
        run(program, "package", commit.folder / "charts/omnia", f"--destination={folder}")
    return folder / f"omnia-{commit.version}.tgz"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


if __name__ == "__main__":
    os.umask(0o022)  # what an image has is read by another user
    sys.exit(main())
