"""The certificate authority of a server that the public ones do not know."""

from omnia_operator.api.meta import ConfigMapKey
from omnia_operator.api.model import Model, Text


class CertificateAuthorityRef(ConfigMapKey):
    """A ConfigMap with certificates in PEM."""

    key: Text = "ca.crt"
    """Key in the ConfigMap."""


class Tls(Model):
    """How TLS with the server is checked."""

    ca_config_map_ref: CertificateAuthorityRef
    """A ConfigMap of the same namespace with certificates in PEM, which are trusted for this server
    beside the public ones."""
