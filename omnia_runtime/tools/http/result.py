"""From an HTTP answer to what the model is told."""

import base64
from collections.abc import Collection
from typing import Any

import msgspec

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolResult
from omnia_runtime.ports.tools import ToolFailed
from omnia_runtime.tools.http.mapping import MappingFailed, apply_expression

REDACTED = "[REDACTED]"
_MAX_ERROR_BYTES = 512
_SERVER_ERROR = 500


class Answer(msgspec.Struct, frozen=True):
    """An HTTP response, read to its end.

    Attributes:
        content_type: without parameters, in lower case.
        retry_after: seconds that the server asks to wait, None when it does not.
    """

    status: int
    content_type: str
    body: bytes
    retry_after: float | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP statuses


class Reading(msgspec.Struct, frozen=True):
    """How a handler wants its answers read.

    Attributes:
        handler: its name.
        redact: names of fields whose values the model does not see, at any depth.
        expression: JMESPath that picks the result, None for all of it.
    """

    handler: str
    redact: frozenset[str] = frozenset()
    expression: str | None = None

    def result(self, answer: Answer) -> ToolResult:
        """Return the result: JSON without white space; what is no JSON is wrapped in `result`.

        Raises:
            ToolFailed: the status is no success, or the expression does not fit the answer.
        """
        if not answer.succeeded:
            raise ToolFailed(
                f'handler "{self.handler}" answered HTTP {answer.status}: {self._excerpt(answer)}',
                server_fault=answer.status >= _SERVER_ERROR,
            )
        if _is_image(answer.content_type):
            return _image(answer)
        if not self.redact and self.expression is None:
            return ToolResult(_compact(answer.body))
        return ToolResult(msgspec.json.encode(self._mapped(_parsed(answer.body))).decode())

    def _mapped(self, value: Any) -> Any:
        seen = redacted(value, self.redact) if self.redact else value
        if self.expression is None:
            return seen
        try:
            return apply_expression(self.expression, seen)
        except MappingFailed as error:
            raise ToolFailed(
                f'the responseMapping of handler "{self.handler}" does not fit the answer: {error}'
            ) from error

    def _excerpt(self, answer: Answer) -> str:
        body = answer.body
        if self.redact:
            try:
                value = msgspec.json.decode(body)
            except msgspec.DecodeError:
                return "(the text is not shown, because the handler has fields to redact)"
            body = msgspec.json.encode(redacted(value, self.redact))
        return body[:_MAX_ERROR_BYTES].decode(errors="replace")


def redacted(value: Any, names: Collection[str]) -> Any:
    """Return parsed JSON with the values of the named fields replaced, at any depth."""
    if isinstance(value, dict):
        return {
            key: REDACTED if key in names else redacted(each, names) for key, each in value.items()
        }
    return [redacted(each, names) for each in value] if isinstance(value, list) else value


def _compact(body: bytes) -> str:
    try:
        # unlike decoding and encoding, this keeps every number as it is written
        return msgspec.json.format(body, indent=-1).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(_wrapped(body)).decode()


def _parsed(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return _wrapped(body)


def _wrapped(body: bytes) -> dict[str, str]:
    return {"result": body.decode(errors="replace")}


def _is_image(content_type: str) -> bool:
    # a drawing in XML is text, and no vendor takes it as an image
    return content_type.startswith("image/") and content_type != "image/svg+xml"


def _image(answer: Answer) -> ToolResult:
    text = {"result": f"an image, {answer.content_type}, {len(answer.body)} bytes"}
    media = Media(mime_type=answer.content_type, data=base64.b64encode(answer.body).decode())
    return ToolResult(msgspec.json.encode(text).decode(), parts=(Part("image", media=media),))
