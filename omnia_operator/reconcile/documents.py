"""Between the API server's documents and the models of the resources."""

from typing import TypeVar

from pydantic import ValidationError

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import AnyResource, InvalidResource, dotted, parse
from omnia_operator.api.meta import Status

StatusT = TypeVar("StatusT", bound=Status)

_SHOWN = 5


def parsed(document: JsonObject) -> AnyResource | str:
    """Read a resource without its status, or say what is wrong with it."""
    try:
        return parse({key: value for key, value in document.items() if key != "status"})
    except InvalidResource as error:
        said = [f"{dotted(each.path)}: {each.message}" for each in error.findings[:_SHOWN]]
        more = len(error.findings) - len(said)
        return "; ".join(said) + (f"; and {more} more" if more else "")


def status_of(document: JsonObject, kind: type[StatusT]) -> StatusT:
    """Read the status that was written last; one of another version counts as none."""
    try:
        return kind.model_validate(document.get("status") or {}, strict=False)
    except ValidationError:
        return kind()


def rendered(status: Status) -> JsonObject:
    """Write a status as the API server has it."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def generation_of(document: JsonObject) -> int:
    """Return the generation of a document's spec."""
    return int(document["metadata"].get("generation", 0))
