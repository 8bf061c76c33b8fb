"""Reads mounted files and decodes them into their types."""

import errno
import os
import stat
from typing import TypeVar

import msgspec

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import TooDeep, check_depth

T = TypeVar("T")

LARGEST_FILE = 16 * 1024 * 1024


def read_file(path: str, largest: int = LARGEST_FILE) -> bytes:
    """Return the content of a regular file. Devices and pipes, which may never end, are refused.

    Raises:
        OSError: the file cannot be read, is not regular, or has more than `largest` bytes.
    """
    # Without O_NONBLOCK a pipe would block here until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        content = file.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"larger than {largest >> 20} MiB", path)
    return content


def read_text(path: str) -> str:
    """Return the text of a mounted file.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        # As files opened in text mode, whose line breaks may be those of Windows.
        return read_file(path).decode().replace("\r\n", "\n")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} cannot be read: it is not text in UTF-8") from error


def decode_json(text: str, shape: type[T], what: str) -> T:
    """Decode JSON text; error messages begin with `what`.

    Raises:
        ConfigurationError: the text is invalid; the message names line and column, or a path.
    """
    try:
        check_depth(text)
        return msgspec.json.decode(text, type=shape)
    except TooDeep as error:
        raise ConfigurationError(f"{what} is {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{what}: {error}") from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{what} is not JSON: {_syntax_error(text, error)}") from error


def decode_yaml(text: str, shape: type[T], what: str) -> T:
    """Decode YAML text; error messages begin with `what`.

    Raises:
        ConfigurationError: the text is invalid; the message names the line, or a path.
    """
    # Imported here because the facade's files are JSON.
    from omnia_core.documents import FILE_LIMITS, DocumentInvalid, read_document  # noqa: PLC0415 - above

    try:
        return msgspec.convert(read_document(text, FILE_LIMITS), shape)
    except (DocumentInvalid, msgspec.ValidationError) as error:
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
