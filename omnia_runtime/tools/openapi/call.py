"""The request of an OpenAPI operation with what the handler adds: headers and the credential."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import structs

from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.tools import ToolRetry
from omnia_runtime.tools.credentials import Credential
from omnia_runtime.tools.http.request import HTTPCall, proven, without

if TYPE_CHECKING:
    from omnia_core.openapi import Operation


def openapi_call(
    operation: "Operation",
    arguments: JsonObject,
    fixed: Mapping[str, str],
    credential: Credential,
) -> HTTPCall:
    """Build the request. Neither a fixed header nor the credential is changed by an argument.

    Raises:
        ToolRetry: an argument cannot stand where it must.
        CredentialUnusable: the key that the operation wants is not there.
    """
    from omnia_core.openapi import (  # noqa: PLC0415 - loaded with the first document
        ArgumentUnusable,
        ParameterLocation,
        build_request,
    )

    try:
        request = build_request(operation, arguments)
    except ArgumentUnusable as error:
        raise ToolRetry(str(error)) from error
    headers = {**without(request.headers, fixed), **fixed}
    call = HTTPCall(request.method, request.url, headers, request.body)
    key, value = operation.key, credential.value()
    if key is None or not value:
        return proven(call, credential.headers())
    if key.place is ParameterLocation.HEADER:
        return proven(call, {key.name: value})
    return structs.replace(call, url=_with_key(call.url, quote(key.name, safe=""), value))


def _with_key(url: str, name: str, value: str) -> str:
    path, _, query = url.partition("?")
    pairs = [each for each in query.split("&") if each and each.partition("=")[0] != name]
    key = quote(value, safe="")
    return f"{path}?{'&'.join([*pairs, f'{name}={key}'])}"
