"""Renders the objects of an agent from YAML templates.

Every value is a placeholder in the YAML and is filled in after parsing. So a value cannot break the
syntax, be indented wrongly or change its type, and a missing value is an error.
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
_MARK = "="  # no other text of a template begins with it
_TEMPLATES = (
    *(f"{kind.name.lower()}.yaml.j2" for kind in OWNED if kind != SECRET),
    # A second Deployment, and Services of one side of a rollout.
    "evals.yaml.j2",
    "sideservice.yaml.j2",
)


def render(agent: AgentPlan) -> list[Manifest]:
    """Return every object of an agent except Secrets, in the order of their creation."""
    return [
        Manifest.of(document) for template in _TEMPLATES for document in _documents(template, agent)
    ]


def secrets(agent: AgentPlan, values: Mapping[SecretCopy, str]) -> list[Manifest]:
    """Return the Secrets with copied values, in base64 like the originals."""
    data: dict[str, dict[str, str]] = {}
    for copy in agent.secret_copies:
        data.setdefault(copy.target.name, {})[copy.target.key] = values[copy]
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


@pass_context
def _placeholder(context: Context, value: object) -> str:
    str(value)  # an undefined value raises here
    values = context[_VALUES]
    values.append(value)
    return f'"{_MARK}{len(values) - 1}"'


def _documents(template: str, agent: AgentPlan) -> list[JsonObject]:
    values: list[Any] = []
    text = _ENVIRONMENT.get_template(template).render(agent=agent, **{_VALUES: values})
    parsed = yaml.load_all(text, Loader=Loader)  # noqa: TID251 - our own templates
    return [_filled(document, values) for document in parsed if document is not None]


def _filled(node: Any, values: list[Any]) -> Any:
    if isinstance(node, str) and node.startswith(_MARK):
        return _plain(values[int(node.removeprefix(_MARK))])
    if isinstance(node, dict):
        entries = {key: _filled(inner, values) for key, inner in node.items()}
        # The API server reads null as a request to remove: fields without a value are left out.
        return {key: inner for key, inner in entries.items() if inner is not None and inner != []}
    return [_filled(inner, values) for inner in node] if isinstance(node, list) else node


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


_ENVIRONMENT = Environment(
    loader=PackageLoader("omnia_operator.manifests"),
    undefined=StrictUndefined,
    finalize=_placeholder,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # noqa: S701 - the output is not HTML, and values are filled in later
)
