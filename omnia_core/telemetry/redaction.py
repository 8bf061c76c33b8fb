"""Secrets in log events, recognised by their type or by the name of their key."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from omnia_core.env.contract import SecretStr

REDACTED = "***"

# Words of a key, which may be written with dashes, underscores or capitals. Plural tokens are
# counted, not kept secret; a bare `secret` is the name of a Kubernetes Secret.
_SECRET_KEY = re.compile(
    r"authorization|cookie|passw(or)?d|passphrase|token$|credential$|_secret$|api_?key$"
    r"|(access|private|signing|secret|client)_?key$"
)
_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|-")
_DEEPEST = 4


def redact_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Replace what is secret in an event of structlog, in its mappings and lists as well."""
    for key, value in event.items():
        # an exception is written later, by a processor that wants it as it is
        if key != "exc_info" and (type(value) is not str or _is_secret(key)):
            event[key] = _redacted(key, value, _DEEPEST)
    return event


def _redacted(key: object, value: object, depth: int) -> object:
    if isinstance(value, SecretStr):
        return REDACTED
    if isinstance(value, str | bytes):
        return REDACTED if isinstance(key, str) and _is_secret(key) else value
    if isinstance(value, Mapping | list | tuple | set | frozenset) and not depth:
        return REDACTED
    if isinstance(value, Mapping):
        return {name: _redacted(name, each, depth - 1) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(key, each, depth - 1) for each in value]
    return value


def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(_BOUNDARY.sub("_", key).lower()) is not None
