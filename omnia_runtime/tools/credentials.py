"""What a tool server is shown to let the runtime in: a token from a mounted file."""

import base64
from collections.abc import Mapping
from pathlib import Path

from omnia_core.files.changes import Signature, signature
from omnia_core.files.tools import ToolAuth
from omnia_runtime.ports.tools import ToolFailed

_BEARER = frozenset({"bearer", "serviceAccount"})
_LARGEST = 64 * 1024


class CredentialUnusable(ToolFailed):
    """The file with the credential is missing or holds none. The message never quotes it."""


class Credential:
    """The credential of one handler. A file that was replaced is read again at the next call."""

    def __init__(self, auth: ToolAuth | None) -> None:
        """Take where the credential is; nothing is read yet.

        Raises:
            ValueError: the type is not one that the runtime knows.
        """
        if auth is not None and auth.type not in _BEARER | {"basic"}:
            raise ValueError(
                f"auth.type {auth.type} is not part of this version: use bearer, basic or"
                " serviceAccount"
            )
        self._auth = auth
        self._seen: Signature | None = None
        self._value = ""

    def headers(self) -> Mapping[str, str]:
        """Return the header that proves who asks, none where the server wants no proof.

        Raises:
            CredentialUnusable: says which Secret and key are wanted.
        """
        if self._auth is None:
            return {}
        value = self.value()
        if self._auth.type == "basic":
            return {"Authorization": f"Basic {base64.b64encode(value.encode()).decode()}"}
        return {"Authorization": f"Bearer {value}"}

    def value(self) -> str:
        """Return the bare credential, "" where the server wants no proof.

        Raises:
            CredentialUnusable: says which Secret and key are wanted.
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
                f"{self._named()} is not there: add it ({path}: {error.strerror})"
            ) from None
        return self._value

    def _read(self, path: Path) -> str:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
        # a key that was made with `echo` ends with a line break
        value = raw.decode(errors="replace").strip()
        if not value:
            raise CredentialUnusable(f"{self._named()} is empty: fill it in")
        if len(raw) > _LARGEST or not (value.isascii() and value.isprintable()):
            raise CredentialUnusable(
                f"{self._named()} is no text that fits in a header: correct it"
            )
        return value

    def _named(self) -> str:
        origin = self._auth.origin if self._auth else ""
        return origin or "the file with the credential"
