"""Templates give the shape, and every value is one JSON string in them that stands for it.

The values take their places once the YAML is parsed. So none can break out of its place, be
wrongly indented or change its type on the way, and one that is missing is an error.
"""

from collections.abc import Mapping
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import OWNED, SECRET
from omnia_operator.cluster.manifest import Manifest
from omnia_operator.plan import AgentPlan, SecretCopy

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # a PyYAML without the C library
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

_VALUES = "_values"
_MARK = "="  # no text of a template begins with it


@pass_context
def _stand_in(context: Context, value: object) -> str:
    str(value)  # an undefined value raises when it is written
    values = context[_VALUES]
    values.append(value)
    return f'"{_MARK}{len(values) - 1}"'


_ENVIRONMENT = Environment(
    loader=PackageLoader("omnia_operator.manifests"),
    undefined=StrictUndefined,
    finalize=_stand_in,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # noqa: S701 - nothing is HTML, and no value is text of the template
)
_TEMPLATES = tuple(f"{kind.name.lower()}.yaml.j2" for kind in OWNED if kind != SECRET)


def render(agent: AgentPlan) -> list[Manifest]:
    """Return every object of an agent but its Secrets, in the order in which they are made."""
    return [
        Manifest.of(document) for template in _TEMPLATES for document in _documents(template, agent)
    ]


def _documents(template: str, agent: AgentPlan) -> list[JsonObject]:
    values: list[Any] = []
    text = _ENVIRONMENT.get_template(template).render(agent=agent, **{_VALUES: values})
    parsed = yaml.load_all(text, Loader=Loader)
    return [_filled(document, values) for document in parsed if document is not None]


def _filled(node: Any, values: list[Any]) -> Any:
    if isinstance(node, str) and node.startswith(_MARK):
        return _plain(values[int(node.removeprefix(_MARK))])
    if isinstance(node, dict):
        entries = {key: _filled(each, values) for key, each in node.items()}
        # To the API server null is a wish to remove: a field without a value is left out.
        return {key: each for key, each in entries.items() if each is not None and each != []}
    return [_filled(each, values) for each in node] if isinstance(node, list) else node


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def secrets(agent: AgentPlan, values: Mapping[SecretCopy, str]) -> list[Manifest]:
    """Return the Secrets with the copies, as base64 like their originals."""
    data: dict[str, dict[str, str]] = {}
    for each in agent.secret_copies:
        data.setdefault(each.target.name, {})[each.target.key] = values[each]
    return [
        Manifest.of(
            {
                "apiVersion": SECRET.api_version,
                "kind": SECRET.name,
                "metadata": {
                    "name": name,
                    "namespace": agent.namespace,
                    "labels": agent.labels,
                    "ownerReferences": agent.owners,
                },
                "type": "Opaque",
                "data": copies,
            }
        )
        for name, copies in data.items()
    ]
