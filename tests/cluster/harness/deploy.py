"""Omnia in a cluster: its images, its resource definitions and its chart."""

import contextlib

from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.commands import Argument, run
from tests.cluster.harness.console import step
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.images import NAMES, image
from tests.cluster.harness.paths import ROOT

RELEASE = "omnia"
NAMESPACE = "omnia-system"
READY_SECONDS = 300


def deploy(cluster: Cluster) -> None:
    """Install the chart, or upgrade it, and return when the operator is ready.

    Raises:
        HarnessError: it does not get ready; with what its pods say.
    """
    everywhere = (cluster.kubectl, f"--kubeconfig={cluster.kubeconfig}")
    kubectl = (*everywhere, f"--namespace={NAMESPACE}")
    operator = ("deployment", f"--selector=app.kubernetes.io/instance={RELEASE}")
    with step("loading the images"):
        changed = cluster.load([image(name) for name in NAMES])
    with step("applying the resource definitions"):
        # The tests apply them too, so they are not the release's.
        crds = f"--filename={ROOT / 'crds'}"
        run(*everywhere, "apply", "--server-side", "--force-conflicts", crds)
    with step(f"helm upgrade --install {RELEASE}"):
        before = run(*kubectl, "get", *operator, "--output=name").strip()
        run(
            *(cluster.helm, f"--kubeconfig={cluster.kubeconfig}", "upgrade", "--install"),
            *(RELEASE, ROOT / "charts/omnia", f"--namespace={NAMESPACE}", "--create-namespace"),
            *("--set=agents.allowUnauthenticated=true", "--set=crds.install=false"),
            "--set=istio.enabled=true",
            *image_settings(),
        )
    with step("waiting for the operator"):
        if before and image("operator") in changed:  # the same name, another content
            run(*kubectl, "rollout", "restart", *operator)
        try:
            rollout = ("rollout", "status", *operator, f"--timeout={READY_SECONDS}s")
            run(*kubectl, *rollout, seconds=READY_SECONDS + 30)
        except HarnessError as error:
            raise HarnessError(f"{error}\n{_what_the_pods_say(kubectl)}") from error


def image_values() -> dict[str, dict[str, dict[str, str]]]:
    """Return the images that were built, as values of the chart."""
    parts = {name: image(name).rpartition(":") for name in NAMES}
    return {
        name: {"image": {"repository": repository, "tag": tag}}
        for name, (repository, _, tag) in parts.items()
    }


def image_settings() -> list[str]:
    """Return the same as arguments of Helm."""
    return [
        f"--set={name}.image.{key}={value}"
        for name, block in image_values().items()
        for key, value in block["image"].items()
    ]


def _what_the_pods_say(kubectl: tuple[Argument, ...]) -> str:
    chosen = f"--selector=app.kubernetes.io/instance={RELEASE}"
    told = [run(*kubectl, "get", "pods", chosen)]
    with contextlib.suppress(HarnessError):  # a container that never started has no log
        told.append(run(*kubectl, "logs", chosen, "--tail=20"))
    return "\n".join(told)
