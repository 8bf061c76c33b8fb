"""The chain as the mounted files want it now: they change under a running pod."""

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
from omnia_facade.auth.chain import Unauthorized, Validator
from omnia_facade.auth.clientkeys import ClientKeys
from omnia_facade.auth.edge import EdgeHeaders
from omnia_facade.auth.management import ManagementTokens
from omnia_facade.auth.oidc import OidcTokens
from omnia_facade.auth.principal import Principal
from omnia_facade.auth.secretfiles import read_client_keys, read_user_id_key
from omnia_facade.auth.userid import identified

# How old what is known of the files may be when somebody asks. Nobody looks while nobody asks.
LOOK_SECONDS = 2.0

_log = structlog.get_logger()


class _Chain(Struct, frozen=True):
    """What one state of the files says."""

    validators: tuple[Validator, ...] = ()
    user_id_key: bytes | None = None
    usable: bool = True


class MountedValidators:
    """The validators of `auth.json` and of the Secret's folder, in the order of the chain."""

    def __init__(
        self, path: str, folder: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(path)
        self._folder = Path(folder)
        self._clock = clock
        self._looked: float | None = None
        self._signature: Signature | None = None
        self._chain = _Chain()

    @property
    def expected(self) -> str:
        return "; ".join(each.expected for each in self._chain.validators if each.expected)

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        chain = self._current()
        if not chain.usable:
            raise Unauthorized("this agent cannot check credentials; its log says why")
        for validator in chain.validators:
            principal = await validator.validate(headers)
            if principal is not None:
                return identified(principal, chain.user_id_key)
        return None

    def _current(self) -> _Chain:
        now = self._clock()
        if self._looked is None or now - self._looked >= LOOK_SECONDS:
            current = signature([self._path, self._folder])
            if current != self._signature:
                self._chain = self._read()
                self._signature = current
            self._looked = now
        return self._chain

    def _read(self) -> _Chain:
        try:
            chain = self._parsed()
        except (ConfigurationError, OSError) as error:
            # What cannot be read lets nobody in, not even whom the last state let in.
            _log.error("credentials cannot be checked", reason=str(error))
            return _Chain(usable=False)
        _log.info("credentials", accepted=[type(each).__name__ for each in chain.validators])
        return chain

    def _parsed(self) -> _Chain:
        if not self._path.exists():
            return _Chain()
        file = decode_json(read_text(str(self._path)), AuthFile, str(self._path))
        key = read_user_id_key(self._folder) if file.keyed_user_ids else None
        if file.keyed_user_ids and key is None:
            raise ConfigurationError(f"{self._folder} lacks {names.USER_ID_KEY}")
        return _Chain(tuple(self._validators(file)), key)

    def _validators(self, file: AuthFile) -> Iterator[Validator]:
        if file.management is not None:
            yield ManagementTokens(file.management)
        if file.client_keys is not None:
            yield ClientKeys(file.client_keys, read_client_keys(self._folder))
        if file.oidc is not None:
            yield OidcTokens(file.oidc)
        if file.edge_trust is not None:
            yield EdgeHeaders(file.edge_trust)
