"""Reads the parameters of a validator or an evaluation, and refuses unknown ones."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject

_SHOWN = 60  # characters of an invalid value that a message repeats


class Params:
    """The parameters of one validator or evaluation.

    The methods take the names of a parameter; aliases mean the same. They raise ConfigurationError
    with the place of the parameter.
    """

    def __init__(self, values: JsonObject, where: str) -> None:
        """`where` is the place of the parameters: "prompts.support.validators[1].params"."""
        self._values = values
        self._where = where
        self._known: list[str] = []

    def count(self, *names: str) -> int | None:
        """Return a whole number from 1 on; None when it is not given."""
        name, value = self._given(names)
        if value is None:
            return None
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        if not isinstance(whole, int) or isinstance(whole, bool) or whole < 1:
            self.refuse(name, f"expected a whole number from 1 on, found {_shown(value)}")
        return whole

    def natural(self, *names: str) -> int | None:
        """Return a whole number from 0 on; None when it is not given."""
        name, value = self._given(names)
        if value == 0 and not isinstance(value, bool):
            return 0
        return None if value is None else self.count(name)

    def number(self, *names: str) -> float | None:
        """Return a number from 0 on; None when it is not given."""
        name, value = self._given(names)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            self.refuse(name, f"expected a number from 0 on, found {_shown(value)}")
        return float(value)

    def texts(self, *names: str) -> tuple[str, ...]:
        """Return a required list with at least one text."""
        name, value = self._given(names)
        if value is None:
            self.missing(*names)
        if not isinstance(value, list) or not value:
            self.refuse(name, f"expected a list of texts with at least one, found {_shown(value)}")
        for index, text in enumerate(value):
            if not isinstance(text, str) or not text:
                self.refuse(f"{name}[{index}]", f"expected a text, found {_shown(text)}")
        return tuple(value)

    def has(self, name: str) -> bool:
        """Return whether a parameter is given; null counts as not given."""
        return self._given([name])[1] is not None

    def is_list(self, name: str) -> bool:
        """Return whether a parameter is given as a list."""
        return isinstance(self._given([name])[1], list)

    def text(self, *names: str) -> str | None:
        """Return a non-empty text; None when it is not given."""
        name, value = self._given(names)
        if value is not None and (not isinstance(value, str) or not value):
            self.refuse(name, f"expected a text, found {_shown(value)}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        _, value = self._given([name])
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(name, f"expected true or false, found {_shown(value)}")
        return value

    def choice(self, name: str, options: Sequence[str], default: str) -> str:
        """Return one of `options`."""
        _, value = self._given([name])
        if value is None:
            return default
        if value not in options:
            self.refuse(name, f"expected {' or '.join(options)}, found {_shown(value)}")
        return str(value)

    def object(self, name: str) -> JsonObject:
        """Return a required object."""
        _, value = self._given([name])
        if value is None:
            self.missing(name)
        if not isinstance(value, dict):
            self.refuse(name, f"expected an object, found {_shown(value)}")
        return value

    def finish(self) -> None:
        """Refuse parameters that were not read: a misspelt parameter would have no effect."""
        for name in self._values:
            if name not in self._known:
                self.refuse(name, f"is not known; known here: {', '.join(self._known)}")

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raise ConfigurationError for a parameter."""
        raise ConfigurationError(f"{self._where}.{name}: {problem}")

    def missing(self, *names: str) -> NoReturn:
        """Raise ConfigurationError for a required parameter that is not given."""
        also = f"; another name for it: {', '.join(names[1:])}" if names[1:] else ""
        self.refuse(names[0], f"is required and missing{also}")

    def _given(self, names: Sequence[str]) -> tuple[str, Any]:
        """Return the name that is used, and the value; null counts as not given."""
        self._known += [name for name in names if name not in self._known]
        used = [name for name in names if self._values.get(name) is not None]
        if len(used) > 1:
            self.refuse(used[1], f"means the same as {used[0]}: give one of them")
        return (used[0], self._values[used[0]]) if used else (names[0], None)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
