"""Fetches an OpenAPI document."""

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from omnia_core.files.tools import OpenAPIConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.tools.addresses import is_refused
from omnia_runtime.tools.credentials import Credential
from omnia_runtime.tools.http.request import without

if TYPE_CHECKING:
    import aiohttp

LARGEST = 5 * 1024 * 1024
_MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SUCCESS = 200
_ACCEPT = "application/json, application/yaml, */*"


class DocumentMissing(Exception):
    """There is no document; the message says why, without the address."""


async def fetch_document(config: OpenAPIConfig, client: HTTPClient, credential: Credential) -> str:
    """Return the text of the document.

    Raises:
        DocumentMissing: it cannot be fetched, or is too large.
        CredentialUnusable: the credential is not there.
    """
    import aiohttp  # noqa: PLC0415 - loaded with the first document

    proof = credential.headers()
    ours = {"Accept": _ACCEPT, **without(config.headers, proof), **proof}
    url = config.spec_url
    try:
        for _ in range(_MOST_REDIRECTS + 1):
            # what is meant for one server is not shown to another
            headers = ours if _origin(url) == _origin(config.spec_url) else {"Accept": _ACCEPT}
            async with client.session().get(
                url, headers=headers, allow_redirects=False
            ) as response:
                if response.status in _REDIRECTS and "Location" in response.headers:
                    url = urljoin(url, response.headers["Location"])
                    continue
                if response.status != _SUCCESS:
                    raise DocumentMissing(f"the document's address answered HTTP {response.status}")
                return await _text(response)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if is_refused(error):
            raise DocumentMissing(
                "the document is at a private address, which tools may not be at here"
            ) from error
        raise DocumentMissing(
            f"the document's address cannot be reached: {type(error).__name__}"
        ) from error
    raise DocumentMissing("the document's address leads on to others without end")


async def _text(response: "aiohttp.ClientResponse") -> str:
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > LARGEST:
            response.close()
            raise DocumentMissing(f"the document is larger than {LARGEST >> 20} MiB: divide it")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DocumentMissing("the document is no UTF-8 text: correct the address") from error


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
