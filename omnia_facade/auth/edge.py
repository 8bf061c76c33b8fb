"""Headers of a proxy in front of the agent that has authenticated the caller."""

from collections.abc import Mapping

from omnia_core.files.auth import EdgeTrust
from omnia_facade.auth.chain import Unauthorized
from omnia_facade.auth.principal import Origin, Principal


class RepeatedField(str):
    """The joined values of a header that came more than once (RFC 9110, section 5.3)."""

    __slots__ = ()


class ProxyHeaderValidator:
    """Trusts the configured headers, whatever client sends them."""

    def __init__(self, rules: EdgeTrust) -> None:
        self._rules = rules

    @property
    def expected(self) -> str:
        return ""  # A caller must not learn which headers are trusted.

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        rules = self._rules
        subject = _single_value(headers, rules.subject)
        if not subject:
            return None
        claims = ((name, _value(headers, header)) for name, header in rules.claims.items())
        return Principal(
            subject,
            Origin.EDGE_TRUST,
            _single_value(headers, rules.role),
            tuple((name, value) for name, value in claims if value),
            _single_value(headers, rules.end_user),
            _single_value(headers, rules.email),
        )


def _value(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    # One of the values may be the client's own.
    if isinstance(headers.get(name), RepeatedField):
        raise Unauthorized(f"the header {name} came more than once")
    return value


def _single_value(headers: Mapping[str, str], name: str | None) -> str:
    value = _value(headers, name) if name else ""
    # A proxy may have joined the client's value and its own. A list, such as groups, is a claim.
    if "," in value:
        raise Unauthorized(f"the header {name} came more than once, or holds a comma")
    return value
