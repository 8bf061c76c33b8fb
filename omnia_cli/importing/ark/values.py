"""Values of ARK: plain, or from a Secret, a ConfigMap or a Service."""

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.handlers import secret_reference
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import label
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject

GROUP = "ark.mckinsey.com"


def root_of(source: Source) -> Fields:
    """Return the fields of an object."""
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    return root


def value_of(fields: Fields, name: str, inputs: Inputs) -> tuple[str | None, JsonObject | None]:
    """Return the text and the Secret of a value {value | valueFrom}."""
    if name not in fields:
        return None, None
    if not isinstance(fields.raw(name), dict):
        return fields.text(name), None
    block = fields.object(name)
    source = block.object("valueFrom")
    secret = source.object("secretKeyRef")
    if secret.text("name"):
        secret.known("optional")
        return None, secret_reference(secret.text("name") or "", secret.text("key") or "")
    reference = source.object("configMapKeyRef")
    target, key = reference.text("name"), reference.text("key") or ""
    if target:
        data = inputs.config_map(fields.source.namespace, target) or {}
        return data.get(key) or reference.ask(f"the value of ConfigMap {target}, key {key}"), None
    if "serviceRef" in source:
        service = source.object("serviceRef")
        named, port = service.text("name") or "", service.text("port") or "80"
        space = service.text("namespace") or fields.source.namespace
        path = service.text("path") or ""
        return f"http://{label(named)}.{label(space)}:{port}{path}", None
    return block.text("value"), None
