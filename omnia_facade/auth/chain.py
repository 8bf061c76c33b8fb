"""Validators, asked one after another. Nobody is let in by default."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from omnia_core.tokens.jwt import Unauthorized
from omnia_facade.auth.principal import ANONYMOUS, Principal

__all__ = ["Authenticator", "Unauthorized", "Validator"]


class Validator(Protocol):
    """Knows one kind of credential."""

    @property
    def expected(self) -> str:
        """The kind of credential, for a caller who has none; "" when there is nothing to say."""

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        """Return whose credential the headers hold, or None when it is another validator's kind.

        Header names are lower-case.

        Raises:
            Unauthorized: the credential is of this kind, and not good.
        """


class Authenticator:
    """The chain."""

    def __init__(self, validators: Sequence[Validator], *, allow_unauthenticated: bool) -> None:
        self._validators = tuple(validators)
        self._allow_unauthenticated = allow_unauthenticated

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return who is asking.

        Raises:
            Unauthorized: no validator admits the request.
        """
        for validator in self._validators:
            principal = await validator.validate(headers)
            if principal is not None:
                return principal
        if self._allow_unauthenticated:
            return ANONYMOUS
        kinds = "; ".join(each.expected for each in self._validators if each.expected)
        accepted = f"; accepted: {kinds}" if kinds else ""
        raise Unauthorized(f"no credential of a kind that this agent accepts{accepted}")
