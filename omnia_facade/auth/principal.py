from msgspec import Struct


class Principal(Struct, frozen=True):
    """Who is asking; an anonymous one has no subject."""

    subject: str = ""


ANONYMOUS = Principal()
