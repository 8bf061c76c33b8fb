"""Plans the evaluation of an agent: in its runtime, and in a Deployment of its own where needed."""

from dataclasses import dataclass, replace

import msgspec

from omnia_core import names
from omnia_core.env import RuntimeEnv
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Handler
from omnia_operator import labels
from omnia_operator.api.evals import Evals
from omnia_operator.api.framework import FrameworkType
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.files import Folder
from omnia_operator.plan.shapes import ContainerPlan, Settings
from omnia_operator.plan.workload import PodPlan
from omnia_operator.resolve import DeclaredEvals, Resolved, declared_evals

# The folders that it reads: those of the pack and of the providers.
_FOLDERS = (names.PACK_PATH, names.PROVIDERS_PATH.rpartition("/")[0])


@dataclass(frozen=True)
class EvalsPlan:
    """The Deployment that evaluates the sessions of an agent."""

    agent: str
    container: ContainerPlan[RuntimeEnv]
    volumes: tuple[JsonObject, ...]
    pods: PodPlan
    config_hash: str = ""
    """Hash of what the container reads only at the start."""

    @property
    def name(self) -> str:
        """Name of the Deployment."""
        return OwnedNames(self.agent).evals

    @property
    def command(self) -> list[str]:
        """The command: the image of the runtime begins the runtime."""
        return ["python", "-m", self.container.module or ""]

    @property
    def selector(self) -> JsonObject:
        """Labels that select the pods, and no Service does."""
        return labels.selector(self.name)

    @property
    def pod_labels(self) -> JsonObject:
        """Labels of the pods."""
        return {**(self.pods.labels or {}), **labels.owned(self.name), labels.COMPONENT: "evals"}

    @property
    def pod_annotations(self) -> JsonObject:
        """Annotations of the pods."""
        return {**(self.pods.annotations or {}), labels.CONFIG_HASH: self.config_hash}


def with_evals(resolved: Resolved, env: RuntimeEnv) -> RuntimeEnv:
    """Add to the runtime's environment how sessions are evaluated, if they are."""
    wanted = enabled(resolved)
    if wanted is None:
        return env
    on = msgspec.structs.replace(
        env,
        evals_enabled=True,
        evals_default_rate=wanted.sampling.default_rate,
        evals_extended_rate=wanted.sampling.extended_rate,
        evals_max_per_second=wanted.rate_limit.max_evals_per_second,
        evals_worker=works(resolved),
    )
    # What only a worker reads replaces no pod of the agent when it changes.
    return on if resolved.agent.spec.session.type.shared else _of_worker(wanted, on)


def _of_worker(wanted: Evals, env: RuntimeEnv) -> RuntimeEnv:
    return msgspec.structs.replace(
        env,
        evals_max_judge_calls=wanted.rate_limit.max_concurrent_judge_calls,
        evals_inactivity_timeout=wanted.session_completion.inactivity_timeout,
        evals_usd_per_day=wanted.budget.usd_per_day if wanted.budget else None,
    )


def evals_plan(
    resolved: Resolved,
    settings: Settings,
    runtime: ContainerPlan[RuntimeEnv],
    pods: PodPlan,
    folders: tuple[Folder, ...],
) -> EvalsPlan | None:
    """Return the Deployment that evaluates; None where the runtime does all of it."""
    spec = resolved.agent.spec
    wanted = enabled(resolved)
    if wanted is None or not works(resolved) or not spec.session.type.shared:
        return None
    mounted = [each for each in folders if each.path in _FOLDERS]
    custom = spec.framework.type is FrameworkType.CUSTOM
    return EvalsPlan(
        agent=resolved.agent.metadata.name,
        container=replace(
            runtime,
            name=names.EVALS_CONTAINER,
            image=settings.runtime_image if custom else runtime.image,
            module="omnia_runtime.evals",
            env=msgspec.structs.replace(
                _of_worker(wanted, runtime.env),
                health_port=names.EVALS_HEALTH_PORT,
                evals_light=custom,
            ),
            mounts=tuple(each.mount for each in mounted),
            resources=settings.evals_resources,
            ports=(
                {
                    "name": "evals-health",
                    "containerPort": names.EVALS_HEALTH_PORT,
                    "protocol": "TCP",
                },
            ),
            ready_path="/readyz",
        ),
        volumes=tuple(each.volume for each in mounted),
        # One pod keeps the limits exactly; a second one beside it would not.
        pods=replace(
            pods,
            replicas=1,
            autoscaler=None,
            topology=(),
            extra_containers=(),
            init_containers=(),
            replaced_at_once=True,
        ),
    )


def works(resolved: Resolved) -> bool:
    """Whether sessions are evaluated beside their turns."""
    found = evaluated(resolved)
    if enabled(resolved) is None or found is None:
        return False
    custom = resolved.agent.spec.framework.type is FrameworkType.CUSTOM
    if custom and not resolved.agent.spec.session.type.shared:
        return False
    return bool(found.others or (custom and found.light))


def enabled(resolved: Resolved) -> Evals | None:
    """Return the settings of the evaluations of an agent; None if there are none."""
    spec = resolved.agent.spec
    runs = spec.facade.handler is Handler.RUNTIME
    return spec.evals if runs and spec.evals is not None and spec.evals.enabled else None


def evaluated(resolved: Resolved) -> DeclaredEvals | None:
    """Return what the versions of the agent's pack declare; None without a pack."""
    if resolved.pack is None:
        return None
    return declared_evals(pack.text for pack in resolved.pack.packs)
