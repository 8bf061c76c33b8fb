"""Certificate authorities that are trusted for one server, beside the public ones."""

import ssl

from omnia_core.errors import ConfigurationError
from omnia_core.files.config_text import ConfigText


def trust(context: ssl.SSLContext, authority: ConfigText) -> None:
    """Trust the certificates of an authority in a context.

    Raises:
        ConfigurationError: the text is missing, or holds no certificates in PEM.
    """
    if not authority.text.strip():
        raise ConfigurationError(f"{authority.origin} is missing or empty: add it")
    try:
        context.load_verify_locations(cadata=authority.text)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            f"{authority.origin} is no certificate: expected certificates in PEM, which begin with"
            " -----BEGIN CERTIFICATE-----"
        ) from error


def context_with(authority: ConfigText | None) -> ssl.SSLContext | None:
    """Return a context that trusts an authority too; None for the default context.

    Raises:
        ConfigurationError: as `trust`.
    """
    if authority is None:
        return None
    context = ssl.create_default_context()
    trust(context, authority)
    return context
