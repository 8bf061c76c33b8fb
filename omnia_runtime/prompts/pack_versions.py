"""Reads the versions of the agent's PromptPack, and assigns sessions to them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from msgspec import Struct, structs

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import Pack, parse_pack
from omnia_core.files.placement import (
    PLACEMENT_FILE,
    Placement,
    file_of,
    parse_placement,
    place,
    version_of,
)
from omnia_core.files.reading import read_text

T = TypeVar("T")
U = TypeVar("U")


class PackVersions(Struct, Generic[T], frozen=True):
    """The usable versions, as packs or as what was built from them.

    Attributes:
        packs: by version; the stable version is always present.
        problems: what is wrong with the other versions.
    """

    placement: Placement
    packs: dict[str, T]
    problems: tuple[str, ...] = ()

    @property
    def stable(self) -> T:
        """The stable version."""
        return self.packs[self.placement.stable]

    def for_session(self, session_id: str, begun_with: str) -> T:
        """Return the version for a session, as `version_for`."""
        return self.packs[self.version_for(session_id, begun_with)]

    def version_for(self, session_id: str, begun_with: str) -> str:
        """Return the version for a session: the one that it began with, while that is usable.

        `begun_with` is "" for a new session.
        """
        if begun_with in self.packs:
            return begun_with
        version = place(session_id, self.placement)
        return version if version in self.packs else self.placement.stable

    def map(self, build: Callable[[T], U]) -> "PackVersions[U]":
        """Apply `build` to every version; a version for which it fails is not usable.

        Raises:
            ConfigurationError: `build` fails for the stable version.
        """
        return _build_versions(self.placement, self.packs, build, self.problems)


def read_packs(path: str) -> PackVersions[Pack]:
    """Read a folder of versions, or a file with a single version.

    In a folder, the name of a file is its version, and replaces the version inside the pack.

    Raises:
        ConfigurationError: the placement or the stable version is invalid; the message names the
            file. What is wrong with another version is in `problems`.
    """
    if not Path(path).is_dir():
        pack = _read_pack(Path(path))
        return PackVersions(Placement(pack.version), {pack.version: pack})
    file = str(Path(path, PLACEMENT_FILE))
    placement = parse_placement(read_text(file), file)
    # A missing file is read too, so that the error names it.
    versions = {placement.stable, placement.candidate, *map(_file_version, pack_files(path))} - {""}
    sources = {version: (version, Path(path, file_of(version))) for version in sorted(versions)}
    return _build_versions(placement, sources, _read_version)


def pack_files(path: str) -> list[Path]:
    """Return the files that `read_packs` reads now, to be watched."""
    if not Path(path).is_dir():
        return [Path(path)]
    versions = sorted(file for file in Path(path).iterdir() if version_of(file.name))
    return [Path(path, PLACEMENT_FILE), *versions]


def _file_version(file: Path) -> str:
    return version_of(file.name) or ""


def _read_version(source: tuple[str, Path]) -> Pack:
    version, file = source
    return structs.replace(_read_pack(file), version=version)


def _read_pack(file: Path) -> Pack:
    return parse_pack(read_text(str(file)), str(file))


def _build_versions(
    placement: Placement,
    sources: Mapping[str, T],
    build: Callable[[T], U],
    problems: tuple[str, ...] = (),
) -> PackVersions[U]:
    packs: dict[str, U] = {}
    for version, source in sources.items():
        try:
            packs[version] = build(source)
        except ConfigurationError as error:
            if version == placement.stable:
                raise
            problems += (f"version {version} gets no sessions: {error.message}",)
    return PackVersions(placement, packs, problems)
