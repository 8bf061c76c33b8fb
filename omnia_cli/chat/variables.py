"""Variables of the prompt: what a user gives as `NAME=VALUE`."""

from collections.abc import Iterable


class VariableInvalid(ValueError):
    """A text that is not `NAME=VALUE`; the message is for people."""


def variables_of(given: Iterable[str]) -> dict[str, str]:
    """Return the values by name; a value may be empty.

    Raises:
        VariableInvalid: a text has no name, or no `=`.
    """
    found = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise VariableInvalid(f'expected NAME=VALUE, found "{text}"')
        found[name.strip()] = value
    return found
