"""What AgentRuntimes may ask of their pods: switches for those who run the operator.

Who may create an AgentRuntime decides about pods, so these switches narrow what that gives.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omnia_core.env import FacadeEnv
from omnia_core.env.operator import RESTRICTED_VOLUMES
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import GROUP
from omnia_operator.api.agentruntime import AgentRuntime, AgentRuntimeSpec
from omnia_operator.api.container import ExtraContainer
from omnia_operator.api.expose import ServiceType
from omnia_operator.api.findings import Path, ResourceFinding
from omnia_operator.api.meta import ContainerEnvVar, Volume

_VALUES = "in the values of the operator's chart"
# Sources of a projected volume that are credentials of the pod at the API server.
_CREDENTIALS = ("serviceAccountToken", "podCertificate")
_ADMITTING = frozenset(
    FacadeEnv.variable(field)
    for field in ("allow_unauthenticated", "auth_path", "auth_secrets_path")
)
_CLOSED = frozenset({"false", "0"})


@dataclass(frozen=True)
class Policy:
    """What is allowed; the defaults are those of the chart."""

    volumes: tuple[str, ...] = RESTRICTED_VOLUMES
    """Allowed types of volumes, as in Kubernetes."""
    service_account_tokens: bool = False
    """Whether volumes may have tokens of the pod's ServiceAccount."""
    custom_images: bool = True
    """Whether containers may run other images than the operator's."""
    extra_environment: bool = True
    """Whether containers may have more environment variables."""
    unauthenticated_agents: bool = False
    """Whether an agent may accept requests without credentials by a variable of its own."""
    custom_service_accounts: bool = False
    """Whether pods may run as a ServiceAccount that the operator has not made for them."""
    extra_containers: bool = True
    """Whether pods may have containers beside the operator's."""
    host_ports: bool = False
    """Whether containers may have ports of the node."""
    exposure: bool = True
    """Whether agents may be exposed outside the cluster."""


def refusals(agent: AgentRuntime, policy: Policy) -> Iterator[ResourceFinding]:
    """Yield every field of an agent that a policy does not allow."""
    spec = agent.spec
    yield from _volumes(spec, policy)
    if not policy.custom_images:
        yield from _images(spec)
    for container, variables in (
        ("facade", spec.facade.extra_env),
        ("runtime", spec.runtime.extra_env),
    ):
        path: Path = ("spec", container, "extraEnv")
        if variables and not policy.extra_environment:
            yield _more_environment(path)
    if not policy.unauthenticated_agents:
        yield from _admitting(spec.facade.extra_env)
    if spec.runtime.service_account_name is not None and not policy.custom_service_accounts:
        yield _refused(
            ("spec", "runtime", "serviceAccountName"),
            "a ServiceAccount that the operator has not made is",
            "policy.customServiceAccounts is true",
            "remove the field; serviceAccountAnnotations give the operator's a cloud identity",
        )
    for place, more in _more_containers(spec):
        yield from _container(place, more, policy)
    if not policy.exposure:
        yield from _exposure(spec)


def _more_containers(spec: AgentRuntimeSpec) -> Iterator[tuple[Path, ExtraContainer]]:
    for field, containers in (
        ("extraContainers", spec.runtime.extra_containers),
        ("initContainers", spec.runtime.init_containers),
    ):
        for index, container in enumerate(containers):
            yield ("spec", "runtime", field, index), container


def _container(path: Path, container: ExtraContainer, policy: Policy) -> Iterator[ResourceFinding]:
    if not policy.extra_containers:
        yield _refused(
            path,
            "a container beside the operator's is",
            "policy.extraContainers is true",
            "remove the container",
        )
        return
    if not policy.custom_images:
        yield _foreign_image((*path, "image"))
    if not policy.extra_environment:
        for field, given in (("env", container.env), ("envFrom", container.env_from)):
            if given:
                yield _more_environment((*path, field))
    if not policy.host_ports:
        for index, port in enumerate(container.ports):
            if port.host_port is not None:
                yield _refused(
                    (*path, "ports", index, "hostPort"),
                    "a port of the node is",
                    "policy.hostPorts is true",
                    "remove the field; a Service reaches the port by the pod's address",
                )
    for field, request in (
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
        ("lifecycle", container.lifecycle),
    ):
        yield from _hosts((*path, field), request)


def _hosts(path: Path, value: object) -> Iterator[ResourceFinding]:
    """Yield the hosts in a probe or hook: requests to them come from the node."""
    if not isinstance(value, dict):
        return
    for field, inner in value.items():
        if field == "host" and inner:
            message = (
                "a host in a probe or hook is refused, because the node would connect to it: remove"
                " the field, which then is the pod"
            )
            yield ResourceFinding((*path, field), message)
        yield from _hosts((*path, field), inner)


def _exposure(spec: AgentRuntimeSpec) -> Iterator[ResourceFinding]:
    expose, service = spec.facade.expose, spec.facade.service
    if expose is not None:
        yield _exposed(("expose",))
    if service.type is not ServiceType.CLUSTER_IP:
        yield _exposed(("service", "type"))
    # Controllers expose a Service by its annotations; the operator's own describe it as a tool.
    if not all(name.startswith(f"{GROUP}/") for name in service.annotations):
        yield _exposed(("service", "annotations"))


def _exposed(fields: Path) -> ResourceFinding:
    return _refused(
        ("spec", "facade", *fields),
        "exposure of an agent outside the cluster is",
        "policy.exposure is true",
        "remove the field",
    )


def _volumes(spec: AgentRuntimeSpec, policy: Policy) -> Iterator[ResourceFinding]:
    for index, volume in enumerate(spec.runtime.volumes):
        path: Path = ("spec", "runtime", "volumes", index)
        for source in _sources(volume):
            if source not in policy.volumes:
                yield _unlisted((*path, source), source)
        if not policy.service_account_tokens:
            yield from _tokens((*path, "projected", "sources"), volume)
    if "persistentVolumeClaim" in policy.volumes:
        return
    media = spec.facade.media
    for block, claim in (
        (("facade", "media"), media.persistent_volume_claim if media else None),
        (("session",), spec.session.persistent_volume_claim),
    ):
        if claim is not None:
            yield _unlisted(("spec", *block, "persistentVolumeClaim"), "persistentVolumeClaim")


def _sources(volume: Volume) -> Iterator[str]:
    for field, value in volume.render().items():
        if field != "name" and value is not None:
            yield field


def _tokens(path: Path, volume: Volume) -> Iterator[ResourceFinding]:
    for index, source in enumerate(_projected(volume)):
        for credential in _CREDENTIALS:
            if source.get(credential) is not None:
                yield _refused(
                    (*path, index, credential),
                    "a credential of the pod's ServiceAccount in a volume is",
                    "policy.serviceAccountTokens is true",
                    "remove the source; tools have their own tokens by auth.serviceAccount of"
                    " their ToolRegistry",
                )


def _projected(volume: Volume) -> Iterator[JsonObject]:
    projected = volume.render().get("projected")
    sources = projected.get("sources") if isinstance(projected, dict) else None
    for source in sources if isinstance(sources, list) else ():
        yield source if isinstance(source, dict) else {}


def _images(spec: AgentRuntimeSpec) -> Iterator[ResourceFinding]:
    images: list[Path] = [
        ("spec", block, field)
        for block, field, value in (
            ("framework", "image", spec.framework.image),
            ("framework", "version", spec.framework.version),
            ("facade", "image", spec.facade.image),
        )
        if value is not None
    ]
    images += [
        ("spec", "runtime", "volumes", index, "image")
        for index, volume in enumerate(spec.runtime.volumes)
        if "image" in _sources(volume)
    ]
    yield from map(_foreign_image, images)


def _foreign_image(path: Path) -> ResourceFinding:
    return _refused(
        path,
        "an image other than the operator's is",
        "policy.customImages is true",
        "remove the field",
    )


def _more_environment(path: Path) -> ResourceFinding:
    return _refused(
        path,
        "more environment variables are",
        "policy.extraEnvironment is true",
        "remove the field",
    )


def _admitting(variables: Iterable[ContainerEnvVar]) -> Iterator[ResourceFinding]:
    for index, variable in enumerate(variables):
        # A value from elsewhere, or one with a reference such as $(NAME), is not known here.
        closed = variable.value_from is None and (variable.value or "").lower() in _CLOSED
        if variable.name in _ADMITTING and not closed:
            yield _refused(
                ("spec", "facade", "extraEnv", index),
                f"{variable.name}, which decides who may talk to the agent, is",
                "policy.unauthenticatedAgents is true",
                "remove the variable, and state in spec.externalAuth whose credentials are"
                " accepted",
            )


def _unlisted(path: Path, source: str) -> ResourceFinding:
    return _refused(
        path,
        f"a volume of the type {source} is",
        f"policy.volumes has {source}",
        "use a volume of another type",
    )


def _refused(path: Path, what: str, unless: str, instead: str) -> ResourceFinding:
    return ResourceFinding(path, f"{what} refused unless {unless} {_VALUES}: {instead}")
