"""The standard streams of a command, whatever its caller made of them."""

import io
import os
import sys
from pathlib import Path

_NOTHING = Path(os.devnull)


def prepare() -> None:
    """Make the streams usable: a closed one is an empty file, and no character is an error."""
    # Python sets a stream that its caller has closed to None.
    sys.stdin = sys.stdin or _NOTHING.open(encoding="utf-8")
    sys.stdout = sys.stdout or _NOTHING.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or _NOTHING.open("w", encoding="utf-8")
    for stream in (sys.stdin, sys.stdout):
        # Bytes that are no text, and characters that the encoding of a terminal does not have.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
