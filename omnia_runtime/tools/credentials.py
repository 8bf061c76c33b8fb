"""Credentials for tool servers, from mounted files."""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path

from omnia_core.files.changes import Signature, signature
from omnia_core.files.tools import SecretFile, ToolAuth, bearer
from omnia_runtime.ports.tools import ToolFailed

_BEARER = frozenset({"bearer", "serviceAccount"})
_MAX_BYTES = 64 * 1024


def no_headers() -> Mapping[str, str]:
    """Return the headers for a server without auth."""
    return {}


class CredentialUnusable(ToolFailed):
    """The file with the credential is missing or invalid. The message never quotes it."""


class MountedSecret:
    """A value in a mounted file. A replaced file is read again at the next call."""

    def __init__(self, path: str, origin: str) -> None:
        """Prepare; nothing is read yet. `origin` says where the file comes from, for messages."""
        self._path = Path(path)
        self._origin = origin or "the file with the credential"
        self._seen: Signature | None = None
        self._value = ""

    def value(self) -> str:
        """Return the value, which fits into a header.

        Raises:
            CredentialUnusable: the message names the Secret and key.
        """
        try:
            seen = signature([self._path])
            if seen != self._seen:
                self._value = self._read()
                self._seen = seen
        except OSError as error:
            self._seen = None
            raise CredentialUnusable(
                f"{self._origin} is missing: add it ({self._path}: {error.strerror})"
            ) from None
        return self._value

    def _read(self) -> str:
        with self._path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        # A key that was written with `echo` ends with a line break.
        value = raw.decode(errors="replace").strip()
        if not value:
            raise CredentialUnusable(f"{self._origin} is empty: fill it in")
        if len(raw) > _MAX_BYTES or not (value.isascii() and value.isprintable()):
            raise CredentialUnusable(
                f"{self._origin} is not text that fits into a header: correct it"
            )
        return value


class Credential:
    """The credential of one handler."""

    def __init__(self, auth: ToolAuth | None) -> None:
        """Prepare; nothing is read yet.

        Raises:
            ValueError: the type is not supported.
        """
        if auth is not None and auth.type not in _BEARER | {"basic"}:
            raise ValueError(
                f"auth.type {auth.type} is not supported: use bearer, basic or serviceAccount"
            )
        self._basic = auth is not None and auth.type == "basic"
        self._secret = None if auth is None else MountedSecret(auth.path, auth.origin)

    def headers(self) -> Mapping[str, str]:
        """Return the header with the credential, none without auth.

        Raises:
            CredentialUnusable: the message names the Secret and key.
        """
        if self._secret is None:
            return {}
        value = self.value()
        if self._basic:
            return {"Authorization": f"Basic {base64.b64encode(value.encode()).decode()}"}
        return {"Authorization": bearer(value)}

    def value(self) -> str:
        """Return the credential itself, "" without auth.

        Raises:
            CredentialUnusable: the message names the Secret and key.
        """
        return "" if self._secret is None else self._secret.value()


class SecretValues:
    """Named values in mounted files: headers, or variables of a program."""

    def __init__(self, files: Iterable[SecretFile]) -> None:
        """Prepare; nothing is read yet."""
        self._secrets = [(file.name, MountedSecret(file.path, file.origin)) for file in files]

    def read(self) -> dict[str, str]:
        """Return the present values by name.

        Raises:
            CredentialUnusable: the message names the Secret and key.
        """
        return {name: secret.value() for name, secret in self._secrets}
