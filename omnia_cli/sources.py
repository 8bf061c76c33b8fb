"""What `omnia up` and `omnia validate` read: manifests, and folders that stand for objects.

A folder with `pack.yaml` stands for a PromptPack and its ConfigMap, a folder with `toolserver.yaml`
for a server of tools in Python. Such a folder is named, or is in a folder of manifests. Its objects
are in the namespaces of the agents. An object of the manifests takes precedence over one of a
folder that has the same kind and name.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from omnia_cli.folders.pack import PACK_FILE, is_pack_folder, pack_files, read_pack_folder
from omnia_cli.folders.pack_objects import pack_objects
from omnia_cli.folders.tool_server import (
    SERVER_FILE,
    is_tool_folder,
    read_tool_folder,
    tool_files,
    tool_objects,
)
from omnia_cli.manifests import DEFAULT_NAMESPACE, STDIN, Document, load_file, manifest_files
from omnia_core.documents import Lines
from omnia_core.names import Kind


def source_files(paths: Sequence[Path]) -> list[Path]:
    """Return every file that `load` reads.

    Raises:
        ManifestError: a path does not exist, or a folder holds nothing.
    """
    packs, tools, manifests = _divided(paths)
    files = manifest_files(manifests)
    for folder in packs:
        files += pack_files(folder)
    for folder in tools:
        files += [folder / SERVER_FILE, *tool_files(folder)]
    return files


def load(paths: Sequence[Path]) -> list[Document]:
    """Read every object in `paths`.

    Raises:
        ManifestError: a file is not what it should be.
    """
    packs, tools, manifests = _divided(paths)
    documents = [each for file in manifest_files(manifests) for each in load_file(file)]
    agents = {each.namespace for each in documents if each.kind == Kind.AGENT_RUNTIME}
    made: list[Document] = []
    for namespace in sorted(agents) or [DEFAULT_NAMESPACE]:
        made += [document for folder in packs for document in _pack(folder, namespace)]
        made += [document for folder in tools for document in _tools(folder, namespace)]
    own = {(document.kind, document.key) for document in documents}
    return documents + [each for each in made if (each.kind, each.key) not in own]


def _pack(folder: Path, namespace: str) -> Iterator[Document]:
    pack = read_pack_folder(folder)
    for value in pack_objects(pack, namespace):
        yield Document(folder / PACK_FILE, value, Lines(None), pack)


def _tools(folder: Path, namespace: str) -> Iterator[Document]:
    server = read_tool_folder(folder)
    for value in tool_objects(server, namespace, here=True):
        yield Document(folder / SERVER_FILE, value, Lines(None))


def _divided(paths: Sequence[Path]) -> tuple[list[Path], list[Path], list[Path]]:
    """Return the pack folders, the tool folders and the rest; each once."""
    packs: dict[Path, None] = {}
    tools: dict[Path, None] = {}
    rest: list[Path] = []
    kinds: tuple[tuple[Callable[[Path], bool], dict[Path, None]], ...] = (
        (is_pack_folder, packs),
        (is_tool_folder, tools),
    )
    for path in paths:
        named = [found for is_one, found in kinds if path != STDIN and is_one(path)]
        for found in named:
            found[path] = None
        if named:
            continue
        rest.append(path)
        if path != STDIN and path.is_dir():
            for inside in sorted(path.iterdir()):
                for is_one, found in kinds:
                    if is_one(inside):
                        found[inside] = None
    return list(packs), list(tools), rest
