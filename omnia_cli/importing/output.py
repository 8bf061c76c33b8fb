"""Writes the objects of an import: one file for each namespace, in the folder and nowhere else."""

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from omnia_cli.importing.names import label
from omnia_cli.importing.objects import Written
from omnia_cli.importing.yaml_writer import comment, render


class OutputFailed(Exception):
    """The manifests cannot be written; the message is for people."""


def files_of(objects: Sequence[Written]) -> dict[str, str]:
    """Return the content of each file by its name."""
    files: dict[str, list[str]] = {}
    for written in objects:
        name = f"{label(written.namespace or written.group)}.yaml"
        files.setdefault(name, []).append(_document(written))
    return {name: "---\n".join(documents) for name, documents in sorted(files.items())}


def write(folder: Path, files: Mapping[str, str], *, force: bool) -> list[Path]:
    """Write the files; one that is there with another content is only replaced with `force`.

    Raises:
        OutputFailed: a file is there, or cannot be written.
    """
    paths = {folder / name: text for name, text in files.items()}
    for path, text in paths.items():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if path.read_text(encoding="utf-8") == text:
                continue
        if (path.exists() or path.is_symlink()) and not force:
            raise OutputFailed(
                f"{path} is there already and would be replaced: name another folder in -o, or add"
                " --force"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            _replace(path, text)
    except OSError as error:
        raise OutputFailed(f"{folder} cannot be written: {error.strerror or error}") from error
    return list(paths)


def _replace(path: Path, text: str) -> None:
    """Write a file atomically; a link in its place is replaced, never followed."""
    handle, made = tempfile.mkstemp(dir=path.parent, prefix=".import-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(made).chmod(0o644)
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def _document(written: Written) -> str:
    lines = []
    for source in dict.fromkeys(map(id, written.sources)):
        found = next(each for each in written.sources if id(each) == source)
        lines.append(comment(f"from {found.title}"))
        lines += [comment(f"{note.kind}: {note.text}") for note in found.notes]
    return "\n".join([*lines, render(written.render())])
