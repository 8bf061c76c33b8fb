"""Secrets in the input, whose values are never written: by the name of a value, and by its look."""

import re
from typing import Any

from omnia_cli.importing.fields import PLACEHOLDER

_NAME = re.compile(
    r"TOKEN|SECRET|PASSWO?R?D|CREDENTIAL|AUTHORIZATION|COOKIE|PRIVATE|(?:^|[-_.])(?:API|ACCESS)?[-_.]?KEY"
    r"(?:$|[-_.])|APIKEY|(?:^|[-_.])(?:PAT|PWD|PASS|DSN)(?:$|[-_.])"
)
_LARGEST = 2**63
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VALUE = re.compile(
    r"\b(?:sk-[\w-]{8,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{8,}"
    r"|AKIA[0-9A-Z]{12,}|AIza[\w-]{20,}|hf_\w{16,}|npm_\w{20,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*)"
    r"|(?i:\b(?:bearer|basic)\s+(?!\$|replace-me)[\w+/=.~-]{12,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\n|[\w+/=\s])*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
    re.DOTALL,
)
_USER = re.compile(r"(?<=://)[^/\s@]+:[^/\s@]+@")
_IN_QUERY = re.compile(r"(?<=[?&])([\w.-]+)=(?!replace-me)([^&\s#]+)")


def is_secret_name(name: str) -> bool:
    """Whether a variable, header or option has the name of a secret."""
    return bool(_NAME.search(_WORDS.sub("_", name).upper()))


def without_secrets(text: str) -> str:
    """Return a text in which a placeholder stands for each value that looks like a secret."""
    text = _VALUE.sub(PLACEHOLDER, text)
    text = _USER.sub("", text)
    return _IN_QUERY.sub(
        lambda found: f"{found[1]}={PLACEHOLDER}" if is_secret_name(found[1]) else found[0], text
    )


def without_secret_arguments(arguments: list[str]) -> list[str]:
    """Return arguments of a program without the values of options such as --token."""
    found: list[str] = []
    for argument in arguments:
        name, sign, _ = argument.partition("=")
        before = found[-1] if found else ""
        if sign and is_secret_name(name):
            found.append(f"{name}={PLACEHOLDER}")
        elif before.startswith("-") and "=" not in before and is_secret_name(before):
            found.append(argument if argument.startswith("-") else PLACEHOLDER)
        else:
            found.append(argument)
    return found


def cleaned(value: Any) -> tuple[Any, bool]:
    """Return a value without texts that look like secrets, and whether there were some."""
    if isinstance(value, dict):
        pairs = {key: cleaned(inner) for key, inner in value.items()}
        return {key: inner for key, (inner, _) in pairs.items()}, any(c for _, c in pairs.values())
    if isinstance(value, list):
        entries = [cleaned(inner) for inner in value]
        return [inner for inner, _ in entries], any(changed for _, changed in entries)
    if isinstance(value, str):
        clean = without_secrets(value)
        return (value, False) if clean == value else (clean, True)
    if isinstance(value, int | float) and not -_LARGEST < value < _LARGEST:
        # Neither JSON nor the API server has such numbers.
        return str(value), False
    return value, False
