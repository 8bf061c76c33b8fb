"""Text of a ConfigMap that the operator puts into a mounted file."""

from msgspec import Struct


class ConfigText(Struct, frozen=True, omit_defaults=True):
    """Text of a ConfigMap.

    Attributes:
        text: "" if the ConfigMap or its key does not exist.
        origin: where it comes from, for messages: `the key "ca.crt" of the ConfigMap "ca"`.
    """

    text: str = ""
    origin: str = ""
