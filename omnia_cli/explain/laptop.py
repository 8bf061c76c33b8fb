"""Explains an object of manifests: what `omnia validate` and `omnia up` find."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from omnia_cli.explain.chain import Cause, Explanation
from omnia_cli.findings import Finding
from omnia_cli.manifests import Document
from omnia_cli.running import running
from omnia_cli.sources import load
from omnia_cli.validate import check
from omnia_core.names import Kind

_VARIABLE = re.compile(r"environment variable ([A-Za-z_][A-Za-z0-9_]*)")


class NoObject(Exception):
    """There is no such object among the manifests; the message is for people."""


def explain_manifests(
    kind: Kind, name: str, paths: Sequence[Path], environ: Mapping[str, str]
) -> Explanation:
    """Return why an object of manifests cannot run on this machine.

    Raises:
        ManifestError: a file cannot be read.
        NoObject: the object is not among the manifests.
    """
    documents = load(paths)
    own = [document for document in documents if document.kind == kind and document.name == name]
    if not own:
        known = sorted({document.name for document in documents if document.kind == kind})
        there = f" (there are: {', '.join(known)})" if known else ""
        where = ", ".join(map(str, paths))
        raise NoObject(f'there is no {kind} "{name}" in {where}{there}: name one of the manifests')
    about = {each.title for each in (*own, *_related(own[0], documents))}
    findings = check(documents, references=True, environ=environ)
    runs = any(agent.name == name for agent in running(environ))
    return of_findings(kind, own[0], about, findings, runs=runs)


def of_findings(
    kind: Kind, own: Document, about: set[str], findings: Sequence[Finding], *, runs: bool
) -> Explanation:
    """Explain an object by the findings about it and about what it refers to; pure."""
    causes = [_cause(finding) for finding in findings if finding.object in about]
    wrong = [f for f in findings if f.object in about and f.severity == "error"]
    elsewhere = [f for f in findings if f.object not in about and f.severity == "error"]
    title = f"{kind.lower()}/{own.name} in {own.file}"
    if elsewhere and not wrong:
        # `omnia up` checks the files as a whole.
        causes += [_cause(elsewhere[0])]
    if wrong or elsewhere:
        return Explanation(title, "cannot run", tuple(causes[:4]), ("omnia up refuses it",))
    if kind is not Kind.AGENT_RUNTIME:
        return Explanation(title, "valid", tuple(causes[:4]))
    if runs:
        return Explanation(title, "runs on this machine", tuple(causes[:4]))
    note = f"it does not run: omnia up {own.file.parent}" if not causes else ""
    return Explanation(title, "valid", tuple(causes[:4]), (), note)


def _cause(finding: Finding) -> Cause:
    variable = _VARIABLE.search(finding.message)
    line = "" if finding.line is None else f"+{finding.line} "
    command = f"export {variable[1]}=VALUE" if variable else f"$EDITOR {line}{finding.file}"
    return Cause(
        finding.object,
        finding.path or "object",
        f"{finding.severity} at {finding.place}",
        finding.message,
        command,
    )


def _related(own: Document, documents: Sequence[Document]) -> Iterator[Document]:
    """Yield the documents whose names an object mentions, directly or through one of them."""
    named = set(_texts(own.value.get("spec")))
    seen = [document for document in documents if document.name in named and document is not own]
    further = {text for each in seen for text in _texts(each.value.get("spec"))}
    yield from seen
    yield from (
        document for document in documents if document.name in further and document not in seen
    )


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
