"""Writes a PromptPack as a folder."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from omnia_cli.folders.pack import ENGINE, FRAGMENTS, PACK_FILE, PROMPTS, read_pack_folder
from omnia_cli.manifests import ManifestError
from omnia_core.jsonvalue import JsonObject

# Keys that are file names on every system; the others stay in pack.yaml.
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class _Dumper(yaml.SafeDumper):
    """YAML as a person would write it: longer text as a block."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def yaml_of(value: Any) -> str:
    """Return a value as YAML."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)


def unpack(pack: JsonObject, folder: Path) -> list[Path]:
    """Write the files of a pack to an empty folder; return them.

    Raises:
        ManifestError: the folder has something in it, or the pack cannot be written as files.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ManifestError(folder, None, "the folder is not empty: name another one, or empty it")
    for field in (PROMPTS, FRAGMENTS):
        if not isinstance(pack.get(field, {}), dict):
            raise ManifestError(folder, None, f"the pack is not valid: {field} is no object")
    root = dict(pack)
    if root.get("template_engine") == ENGINE:
        del root["template_engine"]
    files = _move(root, PROMPTS, lambda key, value: _prompt(key, value, pack))
    files |= _move(root, FRAGMENTS, _fragment)
    written = {PACK_FILE: yaml_of(root), **files}
    for name, text in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="")
    if read_pack_folder(folder).value != pack:
        message = "the files do not have the whole pack: its JSON repeats a key, or is no pack"
        raise ManifestError(folder, None, message)
    return [folder / name for name in written]


def _move(root: JsonObject, field: str, write: Callable[[str, Any], str | None]) -> dict[str, str]:
    """Remove the entries of a field that can be files; return the files."""
    entries: JsonObject = root.get(field) or {}
    texts = {key: write(key, entry) for key, entry in entries.items() if _FILE_NAME.fullmatch(key)}
    files = {f"{field}/{key}.md": text for key, text in texts.items() if text is not None}
    if files:
        root[field] = {key: each for key, each in entries.items() if texts.get(key) is None}
        if not root[field]:
            del root[field]
    return files


def _prompt(key: str, prompt: Any, pack: JsonObject) -> str | None:
    if not isinstance(prompt, dict) or not _is_plain(prompt.get("system_template")):
        return None
    if any(not isinstance(prompt.get(field), str) for field in ("id", "name", "version")):
        return None
    fields = {name: value for name, value in prompt.items() if name != "system_template"}
    defaults = {"id": key, "version": pack.get("version"), "name": key}
    for name, value in defaults.items():
        if fields[name] == value:
            del fields[name]
    front = yaml_of(fields) if fields else ""
    return f"---\n{front}---\n\n{prompt['system_template']}\n"


def _fragment(_key: str, text: Any) -> str | None:
    is_front_matter = str(text).split("\n", 1)[0].rstrip() == "---"
    return f"{text}\n" if _is_plain(text) and not is_front_matter else None


def _is_plain(text: Any) -> bool:
    """Whether a file has the same text when it is read: it may have no other line breaks."""
    return isinstance(text, str) and bool(text.strip()) and not re.search("[\r\ufeff]", text)
