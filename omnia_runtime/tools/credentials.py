"""Credentials for tool servers, from mounted files."""

import base64
from collections.abc import Mapping
from pathlib import Path

from omnia_core.files.changes import Signature, signature
from omnia_core.files.tools import ToolAuth
from omnia_runtime.ports.tools import ToolFailed

_BEARER = frozenset({"bearer", "serviceAccount"})
_MAX_BYTES = 64 * 1024


def no_headers() -> Mapping[str, str]:
    """Return the headers for a server without auth."""
    return {}


class CredentialUnusable(ToolFailed):
    """The file with the credential is missing or invalid. The message never quotes it."""


class Credential:
    """The credential of one handler. A replaced file is read again at the next call."""

    def __init__(self, auth: ToolAuth | None) -> None:
        """Prepare; nothing is read yet.

        Raises:
            ValueError: the type is not supported.
        """
        if auth is not None and auth.type not in _BEARER | {"basic"}:
            raise ValueError(
                f"auth.type {auth.type} is not supported: use bearer, basic or serviceAccount"
            )
        self._auth = auth
        self._seen: Signature | None = None
        self._value = ""

    def headers(self) -> Mapping[str, str]:
        """Return the header with the credential, none without auth.

        Raises:
            CredentialUnusable: the message names the Secret and key.
        """
        if self._auth is None:
            return {}
        value = self.value()
        if self._auth.type == "basic":
            return {"Authorization": f"Basic {base64.b64encode(value.encode()).decode()}"}
        return {"Authorization": f"Bearer {value}"}

    def value(self) -> str:
        """Return the credential itself, "" without auth.

        Raises:
            CredentialUnusable: the message names the Secret and key.
        """
        if self._auth is None:
            return ""
        path = Path(self._auth.path)
        try:
            seen = signature([path])
            if seen != self._seen:
                self._value = self._read(path)
                self._seen = seen
        except OSError as error:
            self._seen = None
            raise CredentialUnusable(
                f"{self._origin()} is missing: add it ({path}: {error.strerror})"
            ) from None
        return self._value

    def _read(self, path: Path) -> str:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        # A key that was written with `echo` ends with a line break.
        value = raw.decode(errors="replace").strip()
        if not value:
            raise CredentialUnusable(f"{self._origin()} is empty: fill it in")
        if len(raw) > _MAX_BYTES or not (value.isascii() and value.isprintable()):
            raise CredentialUnusable(
                f"{self._origin()} is not text that fits into a header: correct it"
            )
        return value

    def _origin(self) -> str:
        origin = self._auth.origin if self._auth else ""
        return origin or "the file with the credential"
