"""Images and chart in an OCI registry, with the digests that they have in their archives."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.harness.commands import run
from tests.cluster.harness.console import step
from tests.cluster.harness.errors import HarnessError

_NAME = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*|\[[0-9a-f:]+\](:[0-9]+)?")
_SECONDS = 1800.0


def parse(text: str) -> str:
    """Return the registry and path that images are pushed below.

    Raises:
        HarnessError: it is no name of that kind.
    """
    name = text.rstrip("/")
    if name and not _NAME.fullmatch(name):
        raise HarnessError(
            f'REGISTRY is "{text}": expected HOST[:PORT][/PATH] in lower case and without a '
            "scheme, such as registry.example.org/omnia"
        )
    return name


def push(
    registry: str, images: Mapping[str, Path], digests: Mapping[str, str], chart: Path, helm: Path
) -> list[str]:
    """Push the archives and the chart; return what was pushed, as a user names it.

    A registry on this machine is spoken to without TLS, as other tools do. Credentials are those
    of `skopeo login` and `helm registry login`.

    Raises:
        HarnessError: the registry refuses, or has another digest afterwards.
    """
    plain = _is_loopback(registry)
    pushed = []
    for image, archive in images.items():
        target = f"{registry}/{image}"
        tls = "--dest-tls-verify=false" if plain else "--dest-tls-verify=true"
        with step(f"pushing {target}"):
            run(
                *("skopeo", "copy", "--quiet", "--all", "--preserve-digests", tls),
                *(f"oci-archive:{archive}", f"docker://{target}"),
                seconds=_SECONDS,
            )
        tls = "--tls-verify=false" if plain else "--tls-verify=true"
        inspected = ("skopeo", "inspect", tls, "--format={{.Digest}}", f"docker://{target}")
        digest = run(*inspected).strip()
        if digest != f"sha256:{digests[image]}":
            raise HarnessError(f"{target} is {digest}, expected sha256:{digests[image]}")
        pushed.append(f"{target}@{digest}")
    charts = f"oci://{registry}/charts"
    with step(f"pushing {charts}"):
        run(helm, "push", chart, charts, *(("--plain-http",) if plain else ()), seconds=_SECONDS)
    return [*pushed, f"{charts}/omnia"]


def _is_loopback(registry: str) -> bool:
    host = registry.partition("/")[0]
    host = re.sub(r":[0-9]+$", "", host).strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
