"""The versions of the agent's PromptPack, and the one that each session has."""

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
    """The versions that can be used, as packs or as what was built from them.

    Attributes:
        packs: by version; the stable one is always among them.
        problems: what is wrong with the versions that cannot be used.
    """

    placement: Placement
    packs: dict[str, T]
    problems: tuple[str, ...] = ()

    @property
    def stable(self) -> T:
        """The stable version."""
        return self.packs[self.placement.stable]

    def version_for(self, session_id: str, begun_with: str) -> str:
        """Return a session's version: the one that it began with, as long as that can be used.

        `begun_with` is "" for a new session.
        """
        if begun_with in self.packs:
            return begun_with
        version = place(session_id, self.placement)
        return version if version in self.packs else self.placement.stable

    def built(self, build: Callable[[T], U]) -> "PackVersions[U]":
        """Build something from every version; one that cannot be built cannot be used.

        Raises:
            ConfigurationError: the stable version cannot be built.
        """
        return _built(self.placement, self.packs, build, self.problems)


def read_packs(path: str) -> PackVersions[Pack]:
    """Read a folder of versions, or a file with a single one, whose version is the pack's own.

    In a folder the name of the file is the version, whatever the pack itself says: every pack
    comes with the version under which it is found.

    Raises:
        ConfigurationError: names the file, and what is wrong with the placement or the stable
            version. What is wrong with another version is one of the `problems`.
    """
    if not Path(path).is_dir():
        pack = _pack(Path(path))
        return PackVersions(Placement(pack.version), {pack.version: pack})
    file = str(Path(path, PLACEMENT_FILE))
    placement = parse_placement(read_text(file), file)
    # A file that is not there is read too: the error says which one it is.
    versions = {placement.stable, placement.candidate, *map(_version, pack_files(path))} - {""}
    sources = {version: (version, Path(path, file_of(version))) for version in sorted(versions)}
    return _built(placement, sources, _versioned)


def pack_files(path: str) -> list[Path]:
    """Return the files that `read_packs` reads now, to be watched."""
    if not Path(path).is_dir():
        return [Path(path)]
    versions = sorted(each for each in Path(path).iterdir() if version_of(each.name))
    return [Path(path, PLACEMENT_FILE), *versions]


def _version(file: Path) -> str:
    return version_of(file.name) or ""


def _versioned(source: tuple[str, Path]) -> Pack:
    version, file = source
    return structs.replace(_pack(file), version=version)


def _pack(file: Path) -> Pack:
    return parse_pack(read_text(str(file)), str(file))


def _built(
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
