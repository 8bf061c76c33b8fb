"""The scripted responses of mock providers, in a resource or in a ConfigMap."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from omnia_cli.content import Content
from omnia_cli.findings import Finding, Severity, about
from omnia_cli.manifests import Document
from omnia_core.documents import ValuePath
from omnia_core.errors import ConfigurationError
from omnia_core.files.mock_responses import ResponsesInvalid, build_responses, unknown_fields
from omnia_core.files.reading import decode_yaml
from omnia_core.names import API_VERSION, Kind
from omnia_core.suggestions import MAX_FINDINGS
from omnia_operator.api.findings import suggestion

_PLACES: dict[str, ValuePath] = {
    Kind.PROVIDER: ("spec", "mock"),
    Kind.AGENT_RUNTIME: ("spec", "provider", "mock"),
}
_WHAT = "the responses of the mock provider"

_At = Callable[[ValuePath, str, Severity], Finding]


ConfigMaps: TypeAlias = Mapping[tuple[str, str], Sequence[Document]]
"""By namespace and name."""


def check_responses(document: Document, config_maps: ConfigMaps) -> Iterator[Finding]:
    """Yield what is wrong with responses, and what nothing reads."""
    place = _PLACES.get(document.kind)
    if place is None or document.value.get("apiVersion") != API_VERSION:
        return
    mock = document.value
    for step in place:
        mock = mock.get(str(step)) or {}
        if not isinstance(mock, dict):
            return
    responses, reference = mock.get("responses"), mock.get("configMapRef")
    if isinstance(responses, dict):
        inline = (*place, "responses")
        yield from _check(
            responses,
            lambda path, message, severity: about(document, (*inline, *path), message, severity),
        )
    if isinstance(reference, dict):
        yield from _referenced(document, reference, config_maps)


def _referenced(
    document: Document, reference: dict[str, Any], config_maps: ConfigMaps
) -> Iterator[Finding]:
    key = str(reference.get("key") or "mock-responses.yaml")
    for candidate in config_maps.get((document.namespace, str(reference.get("name"))), ()):
        text = candidate.data.get(key)
        if not isinstance(text, str) or not text.strip():
            continue
        content = Content(candidate, ("data", key), text)
        try:
            value = decode_yaml(text, Any, _WHAT)
        except ConfigurationError as error:
            yield content.at((), error.message, "error")
            continue
        yield from _check(value, content.at)


def _check(value: Any, at: _At) -> Iterator[Finding]:
    try:
        build_responses(value, _WHAT)
    except ResponsesInvalid as error:
        yield at(error.path, error.problem, "error")
    except ConfigurationError as error:
        yield at((), error.message, "error")
    nowhere = unknown_fields(value)
    for path, known in islice(nowhere, MAX_FINDINGS):
        near = suggestion(path[-1], known) or f"; the fields here are {', '.join(known)}"
        yield at(path, f"unknown field {path[-1]}, which nothing reads{near}", "warning")
    if more := sum(1 for _ in nowhere):
        yield at((), f"there are {more} more fields that nothing reads", "warning")
