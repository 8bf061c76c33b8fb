"""The limits of a document, and the error of a document that breaks them."""

from msgspec import Struct


class Limits(Struct, frozen=True):
    """What a document may take. The depth of every document is limited by `MAX_DEPTH`.

    Attributes:
        yaml_characters: length of YAML; its parser takes 30 times as long as that of JSON.
        yaml_values: number of keys and values of YAML; a value behind an alias counts each time.
        json_values: number of values of JSON, of which short ones take up to 120 bytes of memory.
        json_objects: number of objects of JSON; one takes up to 250 bytes beside its values.
    """

    yaml_characters: int
    yaml_values: int
    json_values: int = 1_000_000
    json_objects: int = 420_000


FILE_LIMITS = Limits(yaml_characters=5 * 1024 * 1024, yaml_values=500_000)
"""Limits of the files that an agent mounts; a ConfigMap has 1 MiB at most."""


class DocumentInvalid(ValueError):
    """A document that is neither JSON nor YAML, or breaks a limit.

    Attributes:
        message: what is wrong, as a sentence.
        line: where, counted from 1; None if it is not known.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.message = message
        self.line = line
