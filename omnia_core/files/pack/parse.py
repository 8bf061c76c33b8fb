"""Parses and checks a pack from JSON text."""

import msgspec
from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack.check import findings, may_have
from omnia_core.files.pack.document import Pack
from omnia_core.files.pack.formats import lowest_format, schema_issues
from omnia_core.files.pack.issues import Issue, differences, errors
from omnia_core.files.reading import decode_json
from omnia_core.jsonvalue import TooDeep, check_depth

_SHOWN = 5


class ReadPack(Struct, frozen=True):
    """A pack with its issues; `pack` is None when its shape is invalid.

    Attributes:
        issues: errors and warnings; those of the shape come first.
        format: the lowest version of the format that has all keys of the pack; "" when the pack
            uses additions of this platform, or its shape is invalid.
    """

    pack: Pack | None
    issues: list[Issue]
    format: str = ""


def read_pack(text: str, what: str = "the PromptPack") -> ReadPack:
    """Read a compiled PromptPack from JSON text, with all of its issues.

    Raises:
        ConfigurationError: the text is invalid JSON (the message names line and column), or is
            nested too deeply.
    """
    raw: object = decode_json(text, object, what)
    issues = list(differences(raw, Pack, may_have))
    try:
        pack = msgspec.json.decode(text, type=Pack)
    except msgspec.ValidationError as error:
        return ReadPack(None, issues if errors(issues) else [Issue((), str(error)), *issues])
    need = lowest_format(raw)
    issues += [*schema_issues(raw, need), *findings(pack)]
    return ReadPack(pack, issues, need.version)


def parse_pack(text: str, what: str = "the PromptPack") -> Pack:
    """Parse and check a compiled PromptPack from JSON text.

    Raises:
        ConfigurationError: the pack is invalid; the message names line and column, or paths.
    """
    pack = decode_pack(text, what)
    if wrong := errors(findings(pack)):
        raise _refusal(wrong, what)
    return pack


def decode_pack(text: str, what: str) -> Pack:
    """Parse a compiled PromptPack from JSON text; only its shape is checked.

    Raises:
        ConfigurationError: as `parse_pack`.
    """
    try:
        check_depth(text)
        return msgspec.json.decode(text, type=Pack)
    except (TooDeep, msgspec.DecodeError):
        raise _refusal(errors(read_pack(text, what).issues), what) from None


def _refusal(wrong: list[Issue], what: str) -> ConfigurationError:
    shown = "; ".join(map(str, wrong[:_SHOWN]))
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return ConfigurationError(f"{what}: {shown}{more}")
