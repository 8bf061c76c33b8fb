"""Certificate authorities and OpenAPI documents in ConfigMaps.

A text that is missing costs only the server that needs it: the runtime reports it.
"""

from omnia_core.files.config_text import ConfigText
from omnia_operator.api.meta import ConfigMapKey
from omnia_operator.api.tls import Tls
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.resolve.found import Found


def authority(tls: Tls | None, namespace: str, found: Found) -> ConfigText | None:
    """Return the certificates of a server's authority; None if it needs no own one."""
    return None if tls is None else _text(tls.ca_config_map_ref, namespace, found)


def handler_authority(handler: ToolHandler, namespace: str, found: Found) -> ConfigText | None:
    """Return the certificates of the authority of a handler's server."""
    return authority(handler.tls, namespace, found)


def handler_document(handler: ToolHandler, namespace: str, found: Found) -> ConfigText | None:
    """Return the OpenAPI document of a handler; None if it has an address, or is none."""
    config = handler.open_api_config
    if config is None or config.spec_config_map_ref is None:
        return None
    return _text(config.spec_config_map_ref, namespace, found)


def _text(reference: ConfigMapKey, namespace: str, found: Found) -> ConfigText:
    text = found.config_maps.get((namespace, reference.name), {}).get(reference.key, "")
    return ConfigText(text, f'the key "{reference.key}" of the ConfigMap "{reference.name}"')
