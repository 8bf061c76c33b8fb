"""Validators from mounted files, which change while the pod runs."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import structlog
from msgspec import Struct

from omnia_core import names
from omnia_core.errors import ConfigurationError
from omnia_core.files.auth import AuthFile
from omnia_core.files.changes import Signature, signature
from omnia_core.files.reading import decode_json, read_text
from omnia_facade.auth.chain import Unauthorized, Validator, expected_kinds
from omnia_facade.auth.client_keys import ClientKeyValidator, read_client_keys
from omnia_facade.auth.edge import ProxyHeaderValidator
from omnia_facade.auth.principal import Principal, with_user_id
from omnia_facade.auth.tokens import OidcTokenValidator, ServiceAccountTokenValidator

# The files are checked for changes by a request, if the last check was so long ago.
CHECK_SECONDS = 2.0

_log = structlog.get_logger()


class _Chain(Struct, frozen=True):
    """One state of the files."""

    validators: tuple[Validator, ...] = ()
    user_id_key: bytes | None = None
    usable: bool = True


class MountedValidator:
    """Asks the validators of `auth.json` and of the mounted Secret, in the order of the chain."""

    def __init__(
        self,
        path: str,
        folder: str,
        *,
        resource: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet.

        Args:
            path: that of `auth.json`, which may be absent.
            folder: that of the Secret, which may be absent.
            resource: another audience of tokens of the OpenID provider; "" for none.
            clock: seconds.
        """
        self._resource = resource
        self._path = Path(path)
        self._folder = Path(folder)
        self._clock = clock
        self._checked: float | None = None
        self._signature: Signature | None = None
        self._chain = _Chain()

    @property
    def expected(self) -> str:
        return expected_kinds(self._chain.validators)

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        chain = self._current()
        if not chain.usable:
            raise Unauthorized("this agent cannot check credentials; see its log")
        for validator in chain.validators:
            principal = await validator.validate(headers)
            if principal is not None:
                return with_user_id(principal, chain.user_id_key)
        return None

    def _current(self) -> _Chain:
        now = self._clock()
        if self._checked is None or now - self._checked >= CHECK_SECONDS:
            current = signature([self._path, self._folder])
            if current != self._signature:
                self._chain = self._read()
                self._signature = current
            self._checked = now
        return self._chain

    def _read(self) -> _Chain:
        try:
            chain = self._parsed()
        except (ConfigurationError, OSError) as error:
            # Unreadable files admit no caller, not even one that the last state admitted.
            _log.error("credentials cannot be checked", reason=str(error))
            return _Chain(usable=False)
        accepted = [type(validator).__name__ for validator in chain.validators]
        _log.info("credentials loaded", accepted=accepted)
        return chain

    def _parsed(self) -> _Chain:
        if not self._path.exists():
            return _Chain()
        file = decode_json(read_text(str(self._path)), AuthFile, str(self._path))
        key = _read_user_id_key(self._folder) if file.keyed_user_ids else None
        if file.keyed_user_ids and key is None:
            raise ConfigurationError(f"{self._folder} lacks {names.USER_ID_KEY}")
        return _Chain(tuple(self._validators(file)), key)

    def _validators(self, file: AuthFile) -> Iterator[Validator]:
        if file.management is not None:
            yield ServiceAccountTokenValidator(file.management)
        if file.client_keys is not None:
            yield ClientKeyValidator(file.client_keys, read_client_keys(self._folder))
        if file.oidc is not None:
            yield OidcTokenValidator(file.oidc, self._resource)
        if file.edge_trust is not None:
            yield ProxyHeaderValidator(file.edge_trust)


def _read_user_id_key(folder: Path) -> bytes | None:
    try:
        return (folder / names.USER_ID_KEY).read_bytes() or None
    except FileNotFoundError:
        return None
