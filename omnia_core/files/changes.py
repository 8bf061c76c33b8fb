"""Detect changed files by their stat, which is polled.

File system events are not enough: the kubelet replaces a mounted ConfigMap or Secret by swapping a
symbolic link, and a watch of the file itself does not show that.
"""

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

_FileState: TypeAlias = tuple[str, int, int, int] | tuple[str]
Signature: TypeAlias = tuple[_FileState, ...]


def signature(paths: Iterable[Path]) -> Signature:
    """Return a value that is another one after a file was written, replaced, added or removed.

    Symbolic links are followed. Of a folder, what is directly inside counts too. A path that cannot
    be read counts as absent. No content is read: a file that keeps its inode, size and modification
    time counts as unchanged.
    """
    found: list[_FileState] = []
    for path in paths:
        state, mode = _state(path)
        found.append(state)
        if stat.S_ISDIR(mode):
            found += (_state(inside)[0] for inside in _inside(path))
    return tuple(found)


def _state(path: Path) -> tuple[_FileState, int]:
    try:
        status = path.stat()
    except OSError:
        return (str(path),), 0
    return (str(path), status.st_ino, status.st_mtime_ns, status.st_size), status.st_mode


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
