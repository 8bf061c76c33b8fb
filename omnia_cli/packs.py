"""The content of a PromptPack, where its ConfigMap is among the manifests."""

import json
from collections.abc import Iterator

from omnia_cli.content import Content
from omnia_cli.findings import Finding, about
from omnia_cli.manifests import Document
from omnia_core.documents import ValuePath
from omnia_core.errors import ConfigurationError
from omnia_core.files.evals import read_evals
from omnia_core.files.pack import DEFAULT_PROMPT, Pack
from omnia_core.files.pack.parse import read_pack
from omnia_core.files.pack.prompt import Eval


def check_content(
    document: Document, path: ValuePath, text: str, subject: str, version: str
) -> Iterator[Finding]:
    """Yield what is wrong with the text at `path` of a ConfigMap, and what nothing acts on.

    `version` is that of the PromptPack that names the text.
    """
    what = f"the content of {subject}"
    content = Content(document, path, text)
    try:
        outcome = read_pack(text, what)
    except ConfigurationError as error:
        yield content.at_line(_broken(text), error.message, "error")
        return
    for issue in outcome.issues:
        yield content.at(issue.place, f"{what}: {issue}", issue.severity)
    if outcome.pack is not None:
        if outcome.pack.version != version:
            yield content.at(
                ("version",),
                f"{what} has the version {outcome.pack.version}, and spec.version of {subject} is"
                f" {version}: change one of them",
                "warning",
            )
        for message in _entry(outcome.pack):
            yield about(document, path, message, "error")
        for place, message in _evals(outcome.pack):
            yield content.at(place, f"{what}: {message}", "warning")
        for note in outcome.pack.not_applied():
            yield about(document, path, note, "warning")


def _evals(pack: Pack) -> Iterator[tuple[ValuePath, str]]:
    """Yield the place of each evaluation that cannot be run, and why; the agent runs without it."""
    groups: dict[ValuePath, list[Eval]] = {("evals",): pack.evals}
    groups |= {("prompts", key, "evals"): each.evals for key, each in pack.prompts.items()}
    for where, declared in groups.items():
        for index, each in enumerate(declared):
            for problem in read_evals([each])[1]:
                yield (*where, index), problem


def _entry(pack: Pack) -> Iterator[str]:
    try:
        pack.prompt(DEFAULT_PROMPT)
    except ConfigurationError as error:
        yield error.message


def _broken(text: str) -> int:
    """Return the line at which a text stops being JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno - 1
    except RecursionError:
        pass
    return 0
