"""Converts between documents of the API server and models of the resources."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from omnia_core.jsonvalue import JsonObject, TooDeep
from omnia_operator.api import AnyResource, InvalidResource, dotted, parse_served
from omnia_operator.api.findings import ResourceFinding
from omnia_operator.api.meta import Status
from omnia_operator.cluster.store import TOO_DEEP

StatusT = TypeVar("StatusT", bound=Status)

_SHOWN = 5


def parsed(document: JsonObject) -> AnyResource | str:
    """Return a resource without its status, or what is wrong with it."""
    if document.get(TOO_DEEP):
        return f"the document is {TooDeep()}"
    try:
        return parse_served({key: value for key, value in document.items() if key != "status"})
    except InvalidResource as error:
        return explained(error.findings)


def explained(findings: Sequence[ResourceFinding]) -> str:
    """Return the first findings about a resource as one message."""
    messages = [f"{dotted(finding.path)}: {finding.message}" for finding in findings[:_SHOWN]]
    more = len(findings) - len(messages)
    return "; ".join(messages) + (f"; and {more} more" if more else "")


def status_of(document: JsonObject, kind: type[StatusT]) -> StatusT:
    """Return the present status; an empty one if it has the form of another version."""
    try:
        return kind.model_validate(document.get("status") or {}, strict=False)
    except ValidationError:
        return kind()


def rendered(status: Status) -> JsonObject:
    """Return a status in the form of the API server."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def generation_of(document: JsonObject) -> int:
    """Return the generation of a document's spec."""
    return int(document["metadata"].get("generation", 0))
