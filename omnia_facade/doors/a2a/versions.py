"""Which version of A2A a request speaks."""

from collections.abc import Collection

from omnia_facade.doors.a2a.errors import A2aError, Reason

V10 = "1.0"
V03 = "0.3"
HEADER = "A2A-Version"


def is_legacy(header: str, parameter: str, served: Collection[str]) -> bool:
    """Return whether a request speaks 0.3, from its header and its query parameter.

    A request that names no version speaks 0.3 (1.0.1, section 3.6.2).

    Raises:
        A2aError: VERSION_NOT_SUPPORTED.
    """
    named = (header or parameter).strip() or V03
    # A patch version changes nothing.
    version = ".".join(named.split(".")[:2])
    if version not in served:
        raise A2aError(
            Reason.VERSION_NOT_SUPPORTED,
            f'A2A {named[:32]} is not served; send the header "{HEADER}: {max(served)}"',
        )
    return version == V03
