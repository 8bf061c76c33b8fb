"""The chart, rendered by Helm without a cluster."""

import copy
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
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
# In YAML nothing but the end of a document begins a line with it.
SEPARATOR = re.compile(r"^---$", re.MULTILINE)
# A date is an error: Kubernetes reads it as text.
STRICT = orjson.OPT_PASSTHROUGH_DATETIME
# Objects of the Prometheus operator.
FOREIGN = ("ServiceMonitor", "PodMonitor", "PrometheusRule")


class Renderer:
    """Renders the chart with values; the same values are rendered once."""

    def __init__(self, helm: Path, folder: Path) -> None:
        self.helm = helm
        self._folder = folder
        self._numbers = itertools.count()
        self._rendered: dict[str, list[bytes]] = {}
        # Most objects, and the largest ones, are the same whatever the values are.
        self._parsed: dict[str, list[bytes]] = {}

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
                # It ends before there is anything worth collecting.
                environment={"GOGC": "off"},
            )
            self._rendered[key] = [
                each for text in SEPARATOR.split(rendered) for each in self._read(text)
            ]
        return [orjson.loads(each) for each in self._rendered[key]]

    def _read(self, text: str) -> list[bytes]:
        """Return the objects of a document as JSON."""
        if text not in self._parsed:
            loaded = yaml.load_all(text, LOADER)
            self._parsed[text] = [orjson.dumps(each, option=STRICT) for each in loaded if each]
        return self._parsed[text]


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


def without_definitions(values: Object, name: str) -> Object:
    """Return the values for a rendering that is about one of them.

    Without the resource definitions, which are most of Helm's work, where the value is none that
    reaches them.
    """
    reaches = name.startswith(("crds.", "common", "nameOverride"))
    return values if reaches else merged(values, nested("crds.install", value=False))


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
