"""The chain of credential validators. Without a validator that admits it, a request is rejected."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import structs

from omnia_core.tokens.jwt import Unauthorized
from omnia_facade.auth.principal import ANONYMOUS, Principal, affinity_of

__all__ = ["Authenticator", "Unauthorized", "Validator"]


class Validator(Protocol):
    """Validates one kind of credential."""

    @property
    def expected(self) -> str:
        """The kind of credential, for the answer to a request without one; "" to hide it."""

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        """Return the owner of the credential, or None if there is none of this kind.

        Header names are lower-case.

        Raises:
            Unauthorized: the credential is of this kind, and invalid.
        """


class Authenticator:
    """Asks the validators one after another."""

    def __init__(
        self,
        validators: Sequence[Validator],
        *,
        allow_unauthenticated: bool,
        placed_by: Callable[[], str] = lambda: "",
    ) -> None:
        """Admit callers that a validator admits, or every caller.

        Args:
            validators: asked in this order.
            allow_unauthenticated: whether a caller without a credential is admitted.
            placed_by: returns the header that places callers in a rollout; "" for none.
        """
        self._validators = tuple(validators)
        self._allow_unauthenticated = allow_unauthenticated
        self._placed_by = placed_by

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return the caller.

        Raises:
            Unauthorized: no validator admits the request.
        """
        principal = await self._admitted(headers)
        header = self._placed_by()
        value = headers.get(header, "") if header else ""
        return structs.replace(principal, affinity=affinity_of(value)) if value else principal

    async def _admitted(self, headers: Mapping[str, str]) -> Principal:
        for validator in self._validators:
            principal = await validator.validate(headers)
            if principal is not None:
                return principal
        if self._allow_unauthenticated:
            return ANONYMOUS
        kinds = expected_kinds(self._validators)
        accepted = f"; accepted: {kinds}" if kinds else ""
        raise Unauthorized(f"no credential of a kind that this agent accepts{accepted}")


def expected_kinds(validators: Sequence[Validator]) -> str:
    """Return the kinds of credentials that validators accept, as text."""
    return "; ".join(validator.expected for validator in validators if validator.expected)
