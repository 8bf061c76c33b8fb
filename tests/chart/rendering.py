"""The chart, rendered by Helm without a cluster."""

import copy
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.harness.commands import run
from tests.operator.objects import LOADER, parsed

CHART = Path(__file__).parents[2] / "charts/omnia"
KUBERNETES = "1.34.0"
RELEASE = "omnia"
NAMESPACE = "omnia-system"

Object = dict[str, Any]

# Every part of the chart enabled.
ENABLED: Object = {
    "history": {"enabled": True, "database": {"secretName": "history", "key": "url"}},
    "imagePullSecrets": ["pull", {"name": "more"}],
    "commonLabels": {"team": "agents"},
    "commonAnnotations": {"owner": "agents"},
    "agents": {
        "imagePullSecrets": ["pull"],
        "podLabels": {"team": "text"},
        "priorityClassName": "conversations",
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    },
    "istio": {"enabled": True},
    "tracing": {"enabled": True, "endpoint": "http://collector:4317"},
    "prometheus": {"address": "http://prometheus:9090"},
    "discovery": {
        "proxy": {"http": "http://proxy:3128", "https": "http://proxy:3128"},
        "caBundle": {"configMapName": "bundle"},
    },
    "operator": {
        "priorityClassName": "high",
        "watchNamespaces": ["agents"],
        "podDisruptionBudget": {"enabled": True},
        "serviceAccount": {"name": "account", "annotations": {"role": "text"}},
        "extraEnv": [{"name": "EXTRA", "value": "text"}],
        "extraVolumes": [{"name": "extra", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
    },
    "networkPolicy": {
        "enabled": True,
        "namespaces": ["agents"],
        "operator": {"enabled": True},
        "history": {"enabled": True},
    },
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"a": "text"}},
        "podMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "dashboard": {"enabled": True},
    },
}
# Objects of the Prometheus operator.
FOREIGN = ("ServiceMonitor", "PodMonitor", "PrometheusRule")


class Renderer:
    """Renders the chart with values; the same values are rendered once."""

    def __init__(self, helm: Path, folder: Path) -> None:
        self.helm = helm
        self._folder = folder
        self._numbers = itertools.count()
        self._rendered: dict[str, list[Object]] = {}

    def __call__(
        self, values: Object, namespace: str = NAMESPACE, release: str = RELEASE
    ) -> list[Object]:
        """Return the objects of the chart.

        Raises:
            HarnessError: Helm refuses the values; with what it says.
        """
        text = json.dumps(values)
        key = f"{namespace} {release} {text}"
        if key not in self._rendered:
            file = self._folder / f"{next(self._numbers)}.json"
            file.write_text(text, encoding="utf-8")
            rendered = run(
                *(self.helm, "template", release, CHART, f"--namespace={namespace}"),
                *(f"--values={file}", f"--kube-version={KUBERNETES}"),
            )
            loaded = yaml.load_all(rendered, LOADER)
            self._rendered[key] = [each for each in loaded if each]
        return copy.deepcopy(self._rendered[key])


def named(objects: list[Object]) -> dict[str, Object]:
    """Return objects by kind and name, as `Deployment/omnia-operator`."""
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in objects}


def of_kind(objects: list[Object], kind: str) -> Iterator[Object]:
    """Yield the objects of one kind."""
    return (each for each in objects if each["kind"] == kind)


def merged(base: Object, change: Object) -> Object:
    """Return `base` with `change` on top."""
    result = copy.deepcopy(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def nested(path: str, value: Any) -> Object:
    """Return values in which one has its name as `--set` has it."""
    for key in reversed(path.split(".")):
        value = {key: value}
    result: Object = value
    return result


def everything() -> Object:
    """Return all values of the chart with every part of it enabled."""
    return merged(parsed((CHART / "values.yaml").read_text()), ENABLED)


def container(objects: list[Object], component: str = "operator") -> Object:
    """Return the container of a component."""
    pod = named(objects)[f"Deployment/{RELEASE}-{component}"]["spec"]["template"]["spec"]
    (found,) = pod["containers"]
    result: Object = found
    return result


def environment(objects: list[Object], component: str = "operator") -> dict[str, str]:
    """Return the variables of a component that have a literal value."""
    return {
        each["name"]: each["value"]
        for each in container(objects, component)["env"]
        if "value" in each
    }
