"""Headers of a proxy in front that has checked who is asking."""

from collections.abc import Mapping

from omnia_core.files.auth import EdgeTrust
from omnia_facade.auth.chain import Unauthorized
from omnia_facade.auth.principal import Origin, Principal


class EdgeHeaders:
    """Believes the headers that it was told to believe, whoever sends them."""

    def __init__(self, rules: EdgeTrust) -> None:
        self._rules = rules

    @property
    def expected(self) -> str:
        return ""  # how to be believed is no caller's business

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        rules = self._rules
        subject = _one(headers, rules.subject)
        if not subject:
            return None
        claims = ((name, headers.get(header, "")) for name, header in rules.claims.items())
        return Principal(
            subject,
            Origin.EDGE_TRUST,
            _one(headers, rules.role),
            tuple((name, value) for name, value in claims if value),
            _one(headers, rules.end_user),
            _one(headers, rules.email),
        )


def _one(headers: Mapping[str, str], name: str | None) -> str:
    value = headers.get(name, "").strip() if name else ""
    # Headers that come twice are joined: the client's own may be one of them.
    if "," in value:
        raise Unauthorized(f"the header {name} came more than once, or holds a comma")
    return value
