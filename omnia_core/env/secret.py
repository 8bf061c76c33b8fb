"""A credential: its value in a container, a reference to it in the operator."""

import msgspec


class SecretStr:
    """A secret's value that does not show itself in logs, errors or debuggers."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret; call it only where it is sent."""
        return self._value

    def __repr__(self) -> str:
        return "SecretStr('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class SecretKeyRef(msgspec.Struct, frozen=True):
    """A key of a Secret in the agent's namespace."""

    name: str
    key: str
