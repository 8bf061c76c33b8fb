"""Helm itself, for the tests that render the chart."""

import os
import shutil
from pathlib import Path

import pytest

from tests.chart.rendering import Renderer
from tests.cluster.harness.build import HELM, program
from tests.cluster.harness.paths import Layout


@pytest.fixture(scope="session")
def helm() -> Path:
    """The machine's Helm, or the one that `make helm` has built."""
    layout = Layout.of_this_user()
    if found := shutil.which("helm"):
        return Path(found)
    if not HELM.built(layout):
        reason = "Helm is not on this machine; build it: make helm"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return program(layout, "helm")


@pytest.fixture(scope="session")
def renderer(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """The chart, rendered by Helm."""
    return Renderer(helm, tmp_path_factory.mktemp("values"))
