"""Resource definitions of other projects, from their Go modules: the API server checks by them."""

import json
from collections.abc import Collection
from pathlib import Path

import yaml

from omnia_core.jsonvalue import JsonObject
from tests.cluster.harness.commands import run
from tests.cluster.harness.paths import GO_MODULES
from tests.cluster.harness.requirements import need_go

ISTIO = "istio.io/api"
_ISTIO_FILE = "kubernetes/customresourcedefinitions.gen.yaml"


def istio_definitions(names: Collection[str]) -> list[JsonObject]:
    """Return definitions of Istio by their names.

    Raises:
        MissingPart: there is no Go.
        HarnessError: the module cannot be downloaded.
    """
    text = (_module(ISTIO) / _ISTIO_FILE).read_text(encoding="utf-8")
    return [
        document
        for document in yaml.safe_load_all(text)
        if document and document["metadata"]["name"] in names
    ]


def _module(path: str) -> Path:
    """Return the folder of a module of `go/definitions`, which has its version and its hash."""
    need_go()
    answer = run(
        *("go", "mod", "download", "-json", path),
        folder=GO_MODULES / "definitions",
        environment={"GOTOOLCHAIN": "auto"},
        seconds=300,
    )
    return Path(json.loads(answer)["Dir"])
