"""The content of a PromptPack, where its ConfigMap is among the manifests."""

import contextlib
import json
from collections.abc import Iterator, Sequence

from omnia_cli.content import Content
from omnia_cli.findings import Finding, about
from omnia_cli.folders.pack import PACK_FILE, PackFolder
from omnia_cli.manifests import Document
from omnia_core.documents import Lines, ValuePath
from omnia_core.errors import ConfigurationError
from omnia_core.files.evals import read_evals
from omnia_core.files.evals.metrics import metric_problems
from omnia_core.files.pack import DEFAULT_PROMPT, Pack
from omnia_core.files.pack.parse import read_pack
from omnia_core.files.pack.prompt import Eval
from omnia_core.files.pack.vocabulary import compiled_template, undeclared
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_core.suggestions import MAX_FINDINGS
from omnia_operator import api


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
    shown = outcome.issues
    if (more := len(shown) - MAX_FINDINGS) > 0:
        shown = sorted(shown, key=lambda issue: issue.severity != "error")
        message = f"{what}: there are {more} more findings: mend these first"
        yield content.at((), message, "warning")
    for issue in shown[:MAX_FINDINGS]:
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


def folder_findings(pack: PackFolder) -> Iterator[Finding]:
    """Yield what is wrong with the content of a pack folder."""
    document = Document(pack.folder / PACK_FILE, _named(pack.name), Lines(None), pack)
    subject = f'PromptPack "{pack.name}"'
    yield from check_content(document, (), pack.json(), subject, pack.version)
    parsed = read_pack(pack.json()).pack
    if parsed is None:
        return
    for key, prompt in parsed.prompts.items():
        place = ("prompts", key, "system_template")
        with contextlib.suppress(ConfigurationError):  # named already
            for path in undeclared(compiled_template(parsed, prompt, ""), parsed, prompt):
                message = f"{{{{{path.source}}}}} is not declared in variables"
                file, line = pack.place(place, message)
                text = f"{subject}: {message}: add it, unless it is a field of a function's input"
                yield Finding(str(file), line, document.title, "", text, "warning")


def content_of(name: str, documents: Sequence[Document]) -> str:
    """Return the JSON of a PromptPack whose ConfigMap is among the manifests.

    Raises:
        ConfigurationError: the PromptPack, its ConfigMap or the key is not there.
    """
    packs = {document.name: document for document in documents if document.kind == Kind.PROMPT_PACK}
    if name not in packs:
        there = ", ".join(packs) or "none"
        raise ConfigurationError(f'there is no PromptPack "{name}" here; there are: {there}')
    resource = api.parse(packs[name].value)
    source = resource.spec.source if isinstance(resource, api.PromptPack) else None
    reference = source.config_map_ref if source else None
    for each in documents:
        found = reference and (each.kind, each.key) == (
            "ConfigMap",
            (packs[name].namespace, reference.name),
        )
        text = each.data.get(reference.key) if found and reference else None
        if isinstance(text, str):
            return text
    wanted = f'the ConfigMap "{reference.name}"' if reference else "its source"
    raise ConfigurationError(f'{wanted} of PromptPack "{name}" is not among the manifests: add it')


def _named(name: str) -> JsonObject:
    return {"kind": str(Kind.PROMPT_PACK), "metadata": {"name": name}}


def _evals(pack: Pack) -> Iterator[tuple[ValuePath, str]]:
    """Yield the place of each evaluation that cannot be run, and why; the agent runs without it."""
    groups: dict[ValuePath, list[Eval]] = {("evals",): pack.evals}
    groups |= {("prompts", key, "evals"): each.evals for key, each in pack.prompts.items()}
    for where, declared in groups.items():
        for index, each in enumerate(declared):
            for problem in read_evals([each])[1]:
                yield (*where, index), problem
        places = {id(each): index for index, each in enumerate(declared)}
        for each, problem in metric_problems(declared):
            yield (*where, places[id(each)]), problem


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
