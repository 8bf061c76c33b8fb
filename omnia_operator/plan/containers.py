"""Containers of users in Kubernetes' form, with no more privileges than the agent's own."""

from collections.abc import Iterable

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.container import ContainerSecurity, ExtraContainer, InitContainer
from omnia_operator.api.meta import VolumeMount
from omnia_operator.plan.shapes import MountPlan

_UNPRIVILEGED: JsonObject = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


def mounts(wanted: Iterable[VolumeMount]) -> tuple[MountPlan, ...]:
    """Return the mounts of a user's volumes."""
    return tuple(
        MountPlan(mount.name, mount.mount_path, mount.read_only or False, mount.sub_path)
        for mount in wanted
    )


def containers(wanted: Iterable[ExtraContainer]) -> tuple[JsonObject, ...]:
    """Return containers in Kubernetes' form."""
    return tuple(_container(each) for each in wanted)


def _container(container: ExtraContainer) -> JsonObject:
    policy = container.restart_policy if isinstance(container, InitContainer) else None
    entry: JsonObject = {
        "name": container.name,
        "image": container.image,
        "imagePullPolicy": container.image_pull_policy and container.image_pull_policy.value,
        "restartPolicy": policy,
        "command": list(container.command),
        "args": list(container.args),
        "workingDir": container.working_dir,
        "env": [variable.render() for variable in container.env],
        "envFrom": list(container.env_from),
        "ports": [
            port.model_dump(mode="json", by_alias=True, exclude_none=True)
            for port in container.ports
        ],
        "resources": container.resources,
        "volumeMounts": [mount.render() for mount in mounts(container.volume_mounts)],
        "livenessProbe": container.liveness_probe,
        "readinessProbe": container.readiness_probe,
        "startupProbe": container.startup_probe,
        "lifecycle": container.lifecycle,
        # Without a message of its own a crash is told by its last lines.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _security(container.security_context),
    }
    return {field: value for field, value in entry.items() if value not in (None, [])}


def _security(chosen: ContainerSecurity | None) -> JsonObject:
    own = {} if chosen is None else chosen.model_dump(by_alias=True, exclude_none=True)
    return {**own, **_UNPRIVILEGED}
