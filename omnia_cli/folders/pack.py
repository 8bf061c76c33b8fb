"""A PromptPack as a folder.

`pack.yaml` has the fields of the pack, `prompts/KEY.md` a prompt each (its fields as front matter,
its `system_template` as text), and `fragments/KEY.md` a fragment each.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from omnia_cli.folders.front_matter import FrontMatter, read_mapping, read_markdown, read_text
from omnia_cli.manifests import ManifestError
from omnia_core.documents import Lines, ValuePath
from omnia_core.jsonvalue import JsonObject
from omnia_core.templates import PLACEHOLDER

PACK_FILE = "pack.yaml"
PROMPTS, FRAGMENTS = "prompts", "fragments"
ENGINE = {"version": "v1", "syntax": "{{variable}}"}
"""The `template_engine` of a pack whose file has none."""
_TEMPLATE = "system_template"
_QUOTED = re.compile('"([^"]+)"')
_ID = re.compile(r"[a-z]([a-z0-9-]{0,98}[a-z0-9])?")


@dataclass(frozen=True)
class PackFolder:
    """A folder that was read.

    Attributes:
        folder: where it is.
        value: the pack, as in the compiled JSON; the format's rules are not checked.
    """

    folder: Path
    value: JsonObject
    _lines: Lines
    _prompts: dict[str, tuple[Path, FrontMatter]]
    _fragments: dict[str, Path]

    @property
    def name(self) -> str:
        """The id of the pack, which is the name of its objects."""
        return str(self.value["id"])

    @property
    def version(self) -> str:
        """The version of the pack."""
        return str(self.value["version"])

    def json(self) -> str:
        """Return the compiled pack."""
        return msgspec.json.format(msgspec.json.encode(self.value), indent=2).decode()

    def place(self, path: ValuePath, message: str = "") -> tuple[Path, int | None]:
        """Return file and line of a value; `message` may quote a placeholder of a template."""
        match path:
            case ("prompts", str(key), *rest) if key in self._prompts:
                file, markdown = self._prompts[key]
                if rest[:1] == [_TEMPLATE] and _TEMPLATE not in markdown.fields:
                    return self._in_text(markdown.text, message, file, markdown.text_line)
                return file, markdown.lines.at(tuple(rest)).line
            case ("fragments", str(key), *_) if key in self._fragments:
                return self._fragments[key], 1
            case _:
                return self.folder / PACK_FILE, self._lines.at(path).line

    def _in_text(self, text: str, message: str, file: Path, first: int) -> tuple[Path, int]:
        """Return the line of the text, or of a fragment, that has what a message quotes."""
        quoted = {_last_word(each) for each in [*_QUOTED.findall(message), *_braced(message)]}
        texts = [(file, first, text)]
        inline = self.value.get("fragments")
        if isinstance(inline, dict):
            texts += [(at, 1, str(inline[key])) for key, at in self._fragments.items()]
        for where, line, content in texts:
            for found in PLACEHOLDER.finditer(content):
                if _last_word(found[1]) in quoted:
                    return where, line + content.count("\n", 0, found.start())
        return file, first


def is_pack_folder(path: Path) -> bool:
    """Whether a path is a folder with a `pack.yaml`."""
    return (path / PACK_FILE).is_file()


def pack_files(folder: Path) -> list[Path]:
    """Return the files that a pack is made of."""
    return [folder / PACK_FILE, *_texts(folder / PROMPTS), *_texts(folder / FRAGMENTS)]


def read_pack_folder(folder: Path) -> PackFolder:
    """Read a folder.

    Raises:
        ManifestError: a file cannot be read, is not in its place, or is not what it should be;
            with file, line, and what to do.
    """
    file = folder / PACK_FILE
    if not file.is_file():
        message = f"there is no {PACK_FILE}: add one, with id, name, version"
        raise ManifestError(folder, None, message)
    value, lines = read_mapping(file, read_text(file))
    if not isinstance(value.get("id"), str) or not _ID.fullmatch(value["id"]):
        raise ManifestError(
            file,
            lines.at(("id",)).line,
            "the field id is the name of the PromptPack: expected at most 100 lower-case letters,"
            f" digits and hyphens, beginning with a letter, found {_shown(value.get('id'))}",
        )
    version = value.get("version")
    if not isinstance(version, str):
        line = lines.at(("version",)).line
        message = f'expected version: "1.0.0" as text, found {_shown(version)}'
        raise ManifestError(file, line, message)
    prompts: dict[str, tuple[Path, FrontMatter]] = {}
    for each in _texts(folder / PROMPTS):
        prompts[each.stem] = each, read_markdown(each)
    fragments = {each.stem: each for each in _texts(folder / FRAGMENTS)}
    made = {key: _prompt(key, at, found, version) for key, (at, found) in prompts.items()}
    texts = {key: _fragment(at) for key, at in fragments.items()}
    pack = dict(value)
    pack.setdefault("template_engine", ENGINE)
    pack[PROMPTS] = _merged(file, value, lines, PROMPTS, made)
    if texts or FRAGMENTS in value:
        pack[FRAGMENTS] = _merged(file, value, lines, FRAGMENTS, texts)
    return PackFolder(folder, pack, lines, prompts, fragments)


def _prompt(key: str, file: Path, found: FrontMatter, version: str) -> JsonObject:
    if _TEMPLATE in found.fields and found.text.strip():
        line = found.lines.at((_TEMPLATE,)).line
        message = f"{_TEMPLATE} is the text below the front matter: remove this field, or the text"
        raise ManifestError(file, line, message)
    if _TEMPLATE not in found.fields and not found.text.strip():
        raise ManifestError(
            file, found.text_line, "the prompt has no text: write it below the front matter"
        )
    return {"id": key, "name": key, "version": version, _TEMPLATE: found.text, **found.fields}


def _fragment(file: Path) -> str:
    text = read_text(file)
    if text.split("\n", 1)[0].rstrip() == "---":
        raise ManifestError(
            file, 1, "a fragment has no front matter: remove it, or keep the text in pack.yaml"
        )
    return text.removesuffix("\n")


def _merged(
    file: Path, value: JsonObject, lines: Lines, field: str, files: JsonObject
) -> dict[str, Any]:
    """Return the entries of pack.yaml and those of the files."""
    inline = value.get(field) or {}
    if not isinstance(inline, dict):
        message = f"expected a mapping, or files in {field}/"
        raise ManifestError(file, lines.at((field,)).line, message)
    for key in inline.keys() & files.keys():
        line = lines.at((field, key)).line
        message = f'"{key}" is in {field}/{key}.md too: remove one of them'
        raise ManifestError(file, line, message)
    return {**inline, **files}


def _texts(folder: Path) -> list[Path]:
    return sorted(_checked(folder)) if folder.is_dir() else []


def _checked(folder: Path) -> Iterator[Path]:
    for each in folder.iterdir():
        if each.name.startswith(".") or each.name.endswith("~"):
            continue  # of editors and file managers
        if each.suffix != ".md" or not each.is_file():
            message = f"expected files that end in .md in {folder.name}/ only"
            raise ManifestError(each, None, message)
        yield each


def _braced(text: str) -> list[str]:
    return [found[1] for found in PLACEHOLDER.finditer(text)]


def _last_word(placeholder: str) -> str:
    """Return the name of a fragment without `fragments.`, or the last step of a path."""
    return re.split("[.:]", placeholder)[-1].strip()


def _shown(value: object) -> str:
    return "nothing" if value is None else msgspec.json.encode(value).decode()[:60]
