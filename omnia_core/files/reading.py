"""Reads mounted files and decodes them into their types."""

from pathlib import Path
from typing import TypeVar

import msgspec

from omnia_core.errors import ConfigurationError

T = TypeVar("T")


def read_text(path: str) -> str:
    """Return the text of a mounted file.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def decode_json(text: str, shape: type[T], what: str) -> T:
    """Decode JSON text; error messages begin with `what`.

    Raises:
        ConfigurationError: the text is invalid; the message names line and column, or a path.
    """
    try:
        return msgspec.json.decode(text, type=shape)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{what}: {error}") from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{what} is not JSON: {_syntax_error(text, error)}") from error


def decode_yaml(text: str, shape: type[T], what: str) -> T:
    """Decode YAML text; error messages begin with `what`.

    Raises:
        ConfigurationError: the text is invalid; the message names line and column, or a path.
    """
    try:
        return msgspec.yaml.decode(text, type=shape)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{what}: {error}") from error


def encode_yaml(value: object) -> str:
    """Return a value as YAML text."""
    return msgspec.yaml.encode(value).decode()


def _syntax_error(text: str, error: msgspec.DecodeError) -> str:
    import json  # noqa: PLC0415 - needed only to find the line of an error

    try:
        json.loads(text)
    except ValueError as precise:
        return str(precise)
    return str(error)
