"""The three images: one OCI archive for each, with every platform in it."""

import hashlib
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release.platforms import Platform
from release.source import Source
from tests.cluster.harness import pip_settings
from tests.cluster.harness.commands import run, succeeds
from tests.cluster.harness.console import step
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.images import LONGEST_BUILD, NAMES, Buildah

# In place of the name of a base image: one that is built here, of Debian's packages.
DEBIAN = "debian"
_BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Base:
    """The image that the images of a platform stand on."""

    name: str
    digest: str


def base_of(platform: Platform, name: str, source: Source, buildah: Buildah) -> Base:
    """Return the base image for a platform; it is pulled, or built from Debian's packages.

    Raises:
        HarnessError: it cannot be had; with what else would do.
    """
    if name == DEBIAN:
        name = buildah.base_for(platform.architecture)
    else:
        name = name or _BASE.findall((source.folder / "Dockerfile.operator").read_text())[0]
        try:
            pulled = run("buildah", "pull", "--quiet", f"--platform={platform.name}", name)
        except HarnessError as error:
            raise HarnessError(
                f"the base image {name} cannot be pulled for {platform.name}; without a registry: "
                f"make release BASE={DEBIAN}. {error}"
            ) from error
        name = pulled.strip()
    return Base(name, buildah.identity(name))


def build(source: Source, bases: Mapping[Platform, Base], folder: Path) -> dict[str, str]:
    """Write omnia-NAME-VERSION.oci.tar for each image; return the digests of their indexes.

    Raises:
        HarnessError: an image cannot be built.
    """
    digests = {}
    for name in NAMES:
        image = f"omnia-{name}:{source.version}"
        built = [_build(source, name, platform, base) for platform, base in bases.items()]
        archive = folder / f"omnia-{name}-{source.version}.oci.tar"
        with step(f"writing {archive.name}"):
            _write(image, built, archive)
        digests[image] = digest_of(archive)
    return digests


def digest_of(archive: Path) -> str:
    """Return the SHA-256 of the index in an OCI archive: what a registry calls the image's digest.

    Raises:
        HarnessError: the archive does not hold one index, or its content is another.
    """
    with tarfile.open(archive) as packed:
        entry = packed.extractfile("index.json")
        manifests = json.load(entry)["manifests"] if entry else []
        if len(manifests) != 1 or manifests[0]["mediaType"] != _INDEX:
            raise HarnessError(f"{archive.name}: expected one image index, found {manifests}")
        digest: str = manifests[0]["digest"].removeprefix("sha256:")
        content = packed.extractfile(f"blobs/sha256/{digest}")
        if content is None or hashlib.sha256(content.read()).hexdigest() != digest:
            raise HarnessError(f"{archive.name}: the content of the index is not that of {digest}")
    return digest


def _build(source: Source, name: str, platform: Platform, base: Base) -> str:
    image = f"localhost/omnia-{name}:{source.version}-{platform.architecture}"
    labels = {
        "title": f"omnia-{name}",
        "version": source.version,
        "revision": source.commit,
        "licenses": "Apache-2.0",
    }
    with step(f"building omnia-{name} for {platform.name}"), pip_settings.mounted() as settings:
        run(
            *("buildah", "build", "--pull=never", "--isolation=chroot", "--network=host"),
            *("--layers", f"--platform={platform.name}", f"--timestamp={source.epoch}"),
            *(f"--label=org.opencontainers.image.{key}={text}" for key, text in labels.items()),
            *(f"--build-arg=BASE={base.name}", f"--build-arg=VERSION={source.version}"),
            *(*settings, f"--tag={image}"),
            *(f"--file={source.folder / f'Dockerfile.{name}'}", source.folder),
            seconds=4 * LONGEST_BUILD,  # emulated, a build takes several times as long
        )
    return image


def _write(image: str, built: list[str], archive: Path) -> None:
    manifest_list = f"localhost/{image}"
    if succeeds("buildah", "manifest", "inspect", manifest_list):
        run("buildah", "manifest", "rm", manifest_list)
    run("buildah", "manifest", "create", manifest_list)
    try:
        for each in built:
            run("buildah", "manifest", "add", manifest_list, f"containers-storage:{each}")
        archive.unlink(missing_ok=True)
        run(
            *("buildah", "manifest", "push", "--quiet", "--all", "--format=oci", manifest_list),
            f"oci-archive:{archive}:{manifest_list}",
            seconds=LONGEST_BUILD,
        )
    finally:
        run("buildah", "manifest", "rm", manifest_list)
