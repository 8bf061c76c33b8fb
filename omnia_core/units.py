"""Durations and byte sizes, parsed and formatted as in manifests."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
BYTE_SIZE_PATTERN = r"^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$"

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_BYTES = {
    "Ti": 1 << 40,
    "Gi": 1 << 30,
    "Mi": 1 << 20,
    "Ki": 1 << 10,
    "T": 10**12,
    "G": 10**9,
    "M": 10**6,
    "k": 10**3,
    "": 1,
}


@dataclass(frozen=True, order=True, slots=True)
class Duration:
    """A duration in whole milliseconds, written as in Go: `24h`, `1h30m`, `500ms`."""

    milliseconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `text`.

        Raises:
            ValueError: `text` is not a duration; the message shows examples.
        """
        if not re.fullmatch(DURATION_PATTERN, text):
            raise ValueError(f'expected a duration such as "30s", "5m" or "1h30m", found "{text}"')
        parts = _DURATION_PART.findall(text)
        return cls(round(sum(Decimal(number) * _MILLISECONDS[unit] for number, unit in parts)))

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return self.milliseconds / 1000

    def __str__(self) -> str:
        if self.milliseconds == 0:
            return "0s"
        rest, text = self.milliseconds, ""
        for unit, size in _MILLISECONDS.items():
            count, rest = divmod(rest, size)
            text += f"{count}{unit}" if count else ""
        return text


@dataclass(frozen=True, order=True, slots=True)
class ByteSize:
    """A number of bytes, written as a Kubernetes quantity: `10Mi`, `512k`, `1048576`."""

    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `text`.

        Raises:
            ValueError: `text` is not a whole number of bytes; the message shows examples.
        """
        if not re.fullmatch(BYTE_SIZE_PATTERN, text):
            raise ValueError(f'expected a size such as "10Mi", "512k" or "1048576", found "{text}"')
        number = text.rstrip("kKMGTi")
        size = Decimal(number) * _BYTES[text[len(number) :]]
        if size % 1:
            raise ValueError(f'expected a whole number of bytes, found "{text}"')
        return cls(int(size))

    def __str__(self) -> str:
        for unit, size in _BYTES.items():
            if self.count and self.count % size == 0 and (len(unit) == 2 or not unit):  # noqa: PLR2004
                return f"{self.count // size}{unit}"
        return str(self.count)
