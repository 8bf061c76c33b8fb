"""A message that is written in the user's editor."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path


class EditFailed(Exception):
    """The editor did not return a message; the message is for people."""


def edited(text: str, environ: Mapping[str, str]) -> str:
    """Return what `$VISUAL` or `$EDITOR` makes of a text.

    Raises:
        EditFailed: the editor does not run, or ends with another exit code than 0.
    """
    words = shlex.split(environ.get("VISUAL") or environ.get("EDITOR") or "vi")
    descriptor, name = tempfile.mkstemp(prefix="omnia-", suffix=".md")
    file = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        subprocess.run([*words, name], check=True)  # noqa: S603 - the user names it
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError, subprocess.CalledProcessError) as error:
        command = shlex.join(words)
        raise EditFailed(f"{command}: {error}: set EDITOR to the editor of your choice") from error
    finally:
        file.unlink(missing_ok=True)
