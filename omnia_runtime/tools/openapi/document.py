"""The fetch of an OpenAPI document."""

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from omnia_core.addresses import is_refused
from omnia_core.files.tools import OpenAPIConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.tools.credentials import Credential
from omnia_runtime.tools.http.request import without

if TYPE_CHECKING:
    import ssl

    import aiohttp

MAX_DOCUMENT_BYTES = 5 * 1024 * 1024
# Only the operations that the filter names are kept of such a document.
MAX_FILTERED_BYTES = 24 * 1024 * 1024
_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SUCCESS = 200
_ACCEPT = "application/json, application/yaml, */*"


class DocumentUnavailable(Exception):
    """The document is not available; the message says why, without its address."""


async def fetch_document(
    config: OpenAPIConfig,
    client: HTTPClient,
    credential: Credential,
    tls: "ssl.SSLContext | bool" = True,
) -> str:
    """Return the text of the document.

    Raises:
        DocumentUnavailable: it cannot be fetched, or is too large.
        CredentialUnusable: the credential is missing.
        ConfigurationError: the document is no text.
    """
    import aiohttp  # noqa: PLC0415 - loaded with the first document

    auth = credential.headers()
    own = {"Accept": _ACCEPT, **without(config.headers, auth), **auth}
    url = config.spec_url
    try:
        for _ in range(_MAX_REDIRECTS + 1):
            # The headers for one server are never sent to another.
            headers = own if _origin(url) == _origin(config.spec_url) else {"Accept": _ACCEPT}
            async with client.session().get(
                url, headers=headers, allow_redirects=False, ssl=tls
            ) as response:
                if response.status in _REDIRECTS and "Location" in response.headers:
                    url = urljoin(url, response.headers["Location"])
                    continue
                if response.status != _SUCCESS:
                    raise DocumentUnavailable(
                        f"the document's address answered HTTP {response.status}"
                    )
                filtered = bool(config.operation_filter)
                limit = MAX_FILTERED_BYTES if filtered else MAX_DOCUMENT_BYTES
                return await _text(response, limit, filtered=filtered)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if is_refused(error):
            raise DocumentUnavailable(
                "the document is at a private address, where tools are not allowed here"
            ) from error
        raise DocumentUnavailable(
            f"the document's address cannot be reached: {type(error).__name__}"
        ) from error
    raise DocumentUnavailable(f"the document's address redirects more than {_MAX_REDIRECTS} times")


async def _text(response: "aiohttp.ClientResponse", limit: int, *, filtered: bool) -> str:
    from omnia_core.openapi import decode_document  # noqa: PLC0415 - loaded with the first document

    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit:
            response.close()
            remedy = "divide it" if filtered else "name its operations in operationFilter"
            raise DocumentUnavailable(f"the document is larger than {limit >> 20} MiB: {remedy}")
    return decode_document(bytes(content))


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
