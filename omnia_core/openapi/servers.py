"""The address of an API, from the `servers` of its document."""

from typing import Any
from urllib.parse import urljoin, urlsplit

from omnia_core.errors import ConfigurationError


def base_url(levels: tuple[object, ...], where: str) -> str:
    """Return the base URL of the API, from the innermost `servers` that have an entry.

    Args:
        levels: the `servers` of the operation, the path and the document.
        where: the URL of the document; a relative server URL is resolved against it.

    Raises:
        ConfigurationError: no server can be called.
    """
    servers: list[Any] = next((found for level in levels if (found := _listed(level))), [{}])
    error: ConfigurationError | None = None
    for server in servers:
        try:
            return _url(server, where)
        except ConfigurationError as unusable:
            error = error or unusable
    assert error is not None  # noqa: S101 - there is at least one server
    raise error


def _listed(level: object) -> list[Any]:
    return level if isinstance(level, list) else [level] if isinstance(level, dict | str) else []


def _url(server: object, where: str) -> str:
    """Return the URL of a server, with the defaults of its variables and without a fragment."""
    described = server if isinstance(server, dict) else {"url": server}
    url = described.get("url")
    url = (url.strip() if isinstance(url, str) else "") or "/"
    variables = described.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        value = _default(variable)
        if value is not None:
            url = url.replace(f"{{{name}}}", value)
    if "{" in url:
        raise ConfigurationError(
            f'the server "{url}" has a variable without a default: add it, or set baseURL'
        )
    try:
        parts = urlsplit(urljoin(where, url))
        host = parts.hostname or ""
        if not host.isascii():
            parts = parts._replace(netloc=parts.netloc.replace(host, host.encode("idna").decode()))
        found = parts._replace(fragment="")
    except ValueError as error:
        raise ConfigurationError(
            f'the server "{url}" is not a URL: correct it, or set baseURL'
        ) from error
    if found.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f'the server "{url}" is not an http or https URL: set baseURL')
    return found.geturl().rstrip("/")


def _default(variable: object) -> str | None:
    """Return the default of a server variable, or the first value that it may have."""
    described = variable if isinstance(variable, dict) else {}
    choices = described.get("enum")
    values = [described.get("default"), *(choices if isinstance(choices, list) else [])]
    return next((str(value) for value in values if isinstance(value, str | int | float)), None)
