"""The objects that a pack folder stands for: a PromptPack, and the ConfigMap with its content."""

from omnia_cli.folders.pack import PACK_FILE, PackFolder
from omnia_cli.manifests import ManifestError
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION, Kind

KEY = "pack.json"
# What the API server accepts in a ConfigMap, with room for the names.
LARGEST_CONFIG_MAP = (1 << 20) - 4096


def pack_objects(pack: PackFolder, namespace: str = "") -> list[JsonObject]:
    """Return the ConfigMap and the PromptPack; both have the id of the pack as their name.

    Raises:
        ManifestError: the pack does not fit in a ConfigMap.
    """
    content = pack.json()
    size = len(content.encode())
    if size > LARGEST_CONFIG_MAP:
        raise ManifestError(
            pack.folder / PACK_FILE,
            None,
            f"the pack has {size >> 10} KiB, and a ConfigMap holds {LARGEST_CONFIG_MAP >> 10} KiB:"
            " shorten or divide it",
        )
    metadata = {"name": pack.name} | ({"namespace": namespace} if namespace else {})
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: content}},
        {
            "apiVersion": API_VERSION,
            "kind": str(Kind.PROMPT_PACK),
            "metadata": dict(metadata),
            "spec": {
                "version": pack.version,
                "source": {"type": "configmap", "configMapRef": {"name": pack.name, "key": KEY}},
            },
        },
    ]


def for_helm(text: str) -> str:
    """Return text that a template of Helm renders to itself: `{{` begins its actions."""
    return text.replace("{{", '{{ "{{" }}')
