"""Building blocks of the types: patterns, bounds, and the version that introduced a key."""

from typing import Annotated, Any, TypeAlias

from msgspec import Meta, Struct

_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_NUMBER = r"(?:0|[1-9][0-9]*)"

Version: TypeAlias = Annotated[
    str,
    Meta(
        pattern=rf"^v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
        rf"(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?\Z",
        description='a semantic version such as "1.0.0"',
    ),
]
PackId: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]*\Z",
        max_length=100,
        description="small letters, digits and hyphens, a letter first, 100 at most",
    ),
]
KeyId: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_-]*\Z",
        description="small letters, digits, hyphens and underscores, a letter first",
    ),
]
Identifier: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z",
        description="letters, digits and underscores, no digit first",
    ),
]
ProviderKey: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_-]+\Z",
        description="letters, digits, hyphens and underscores",
    ),
]
MediaType: TypeAlias = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9_]+\Z", description="small letters, digits and underscores"),
]
MetricName: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_:][A-Za-z0-9_:]*\Z",
        description="the name of a Prometheus metric: letters, digits, underscores and colons",
    ),
]
Language: TypeAlias = Annotated[
    str, Meta(pattern=r"^[a-z]{2}\Z", description='a language of two letters such as "en"')
]
Date: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])\Z",
        description='a date such as "2026-01-31"',
    ),
]
DateTime: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[Tt]"
        r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
        r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])\Z",
        description='a time such as "2026-01-31T12:00:00Z"',
    ),
]
# A non-empty ISO 8601 period such as P3M.
Period: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^P(?=.)(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+W)?(?:[0-9]+D)?"
        r"(?:T(?=.)(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)?\Z",
        description='a period such as "P3M"',
    ),
]
NotEmpty: TypeAlias = Annotated[str, Meta(min_length=1, description="a text that is not empty")]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]
Natural: TypeAlias = Annotated[int, Meta(ge=0)]
NotNegative: TypeAlias = Annotated[float, Meta(ge=0)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]

# Annotations for other programs; never read here.
Extensions: TypeAlias = Annotated[dict[str, Any] | None, Meta(extra={"since": "1.8"})]


class PackObject(Struct, frozen=True, omit_defaults=True):
    """An object of the format. Unknown keys are warnings."""


class OpenPackObject(PackObject, frozen=True, omit_defaults=True):
    """An object that may have additional keys of its author."""


def since(version: str) -> Meta:
    """Mark a key with the version of the format that introduced it."""
    return Meta(extra={"since": version})


# Marks a key whose null has a meaning: "no limit".
NULLABLE = Meta(extra={"null": True})

# Marks a key of this platform that no version of the format has.
ADDITION = Meta(extra={"since": ""})
