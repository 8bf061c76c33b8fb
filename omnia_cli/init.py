"""The command `omnia init`: a folder of one's own that runs, made from an example."""

import re
from collections.abc import Iterator
from pathlib import Path

DEFAULT_EXAMPLE = "starter"
DEFAULT_NAME = "my-agent"
# Generated names are longer than the agent's own.
MAX_NAME = 40
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")


class InitFailed(Exception):
    """No folder was made; the message says why."""


def examples() -> Path:
    """Return the folder of the examples, which a wheel has beside the code."""
    inside = Path(__file__).parent / "examples"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "examples"


def init(name: str, example: str, parent: Path) -> Path:
    """Make a folder with the objects of an example under names of their own; return it.

    Raises:
        InitFailed: the name is invalid, the folder has something in it, or there is no such
            example.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise InitFailed(
            f'"{name}" cannot be the name of an agent: expected at most {MAX_NAME} lower-case'
            " letters, digits and hyphens, beginning with a letter"
        )
    source = examples() / example
    known = sorted(each.name for each in examples().iterdir() if each.is_dir())
    if example not in known:
        raise InitFailed(f'there is no example "{example}"; there are: {", ".join(known)}')
    folder = parent / name
    if folder.exists() and any(folder.iterdir()):
        raise InitFailed(f"{folder} is not empty: choose another name, or delete it")
    files = [file for file in sorted(source.rglob("*")) if file.is_file() and _is_source(file)]
    names = _renamed(source, example, name)
    texts = {file.relative_to(source): _replaced(file.read_text("utf-8"), names) for file in files}
    for file, text in texts.items():
        # `tests/test_starter.py` becomes `tests/test_mine.py`.
        renamed = file.name.replace(f"_{example}.", f"_{_module(name)}.")
        path = folder / file.with_name(_replaced(renamed, names))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(f"examples/{name}", "."), "utf-8")
    return folder


def _is_source(file: Path) -> bool:
    return "__pycache__" not in file.parts and file.suffix != ".pyc"


def _module(name: str) -> str:
    return name.replace("-", "_")


def _renamed(source: Path, example: str, name: str) -> dict[str, str]:
    """Return the new name of each object: with the new name in front, so that two can be applied.

    `support-agent` becomes `NAME`, `support-pack` becomes `NAME-pack`.
    """
    stem = example.partition("-")[0]
    return {
        each: name if each == example else f"{name}-{each.removeprefix(f'{stem}-')}"
        for each in _names(source)
    }


def _names(source: Path) -> Iterator[str]:
    # Every command loads this module, and that one the models of the operator.
    from omnia_cli.sources import load

    for document in load([source]):
        yield document.name


def _replaced(text: str, names: dict[str, str]) -> str:
    # The longest first: one name can begin another one.
    either = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(rf"(?<![\w-])({either})(?![\w-])", lambda found: names[found[1]], text)
