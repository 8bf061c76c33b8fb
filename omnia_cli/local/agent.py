"""The AgentPlan of a cluster as processes on this machine."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from omnia_cli.local.desired import AgentSummary
from omnia_cli.local.objects import Addresses, CannotRun, Key, Objects, environment
from omnia_cli.local.ports import LOOPBACK, Ports
from omnia_cli.local.process import ProcessSpec
from omnia_cli.local.report import AgentState, Serving
from omnia_cli.local.volumes import Folders, Mount, place
from omnia_core import names
from omnia_core.env import EnvContract
from omnia_core.names import Door, Mode
from omnia_operator.plan import AgentPlan, ContainerPlan, Settings
from omnia_operator.plan.doors import PATHS
from omnia_operator.plan.rollout import ROLLOUT_MOUNT


@dataclass(frozen=True)
class AgentPorts:
    """The local ports of one agent; they stay the same as long as it runs."""

    client: int
    facade_health: int
    grpc: int
    runtime_health: int
    evals_health: int = 0
    peer: int = 0

    @classmethod
    def choose(cls, client: int, ports: Ports) -> "AgentPorts":
        """Return the port for clients with others for the programs of the agent."""
        return cls(client, *(ports.any() for _ in range(5)))

    @property
    def all(self) -> tuple[int, ...]:
        """Every port."""
        health = self.facade_health, self.runtime_health, self.evals_health
        return self.client, self.grpc, self.peer, *health


@dataclass(frozen=True)
class KnownAgent:
    """An agent of the manifests; `state` is None where it does not run, and `port` then 0."""

    key: Key
    summary: AgentSummary
    state: AgentState | None
    port: int


@dataclass(frozen=True)
class LocalAgent:
    """The processes of one agent."""

    plan: AgentPlan
    ports: AgentPorts
    processes: tuple[ProcessSpec, ...]
    notes: tuple[str, ...] = ()
    history: str = ""

    def serving(self, pids: dict[str, int]) -> Serving:
        """Describe the running agent."""
        path = "/ws" if self.plan.mode is Mode.AGENT else f"/functions/{self.plan.name}"
        scheme = "ws" if self.plan.mode is Mode.AGENT else "http"
        return Serving(
            namespace=self.plan.namespace,
            name=self.plan.name,
            mode=self.plan.mode,
            url=f"{scheme}://{LOOPBACK}:{self.ports.client}{path}",
            console=f"http://{LOOPBACK}:{self.ports.client}/",
            pids=pids,
            health=self.health,
            history=self.history,
            doors=self.doors,
        )

    @property
    def starting(self) -> Serving:
        """Describe the agent before it serves."""
        return replace(self.serving({}), state=AgentState.STARTING)

    @property
    def doors(self) -> dict[str, str]:
        """The URL of each protocol besides WebSocket and functions, by its name."""
        served = self.plan.facade.env.doors
        own = {Door.MCP} if self.plan.mode is Mode.FUNCTION else set(Door)
        base = f"http://{LOOPBACK}:{self.ports.client}"
        return {str(door): base + PATHS[door] for door in Door if door in own and door in served}

    @property
    def health(self) -> dict[str, str]:
        """The URLs at which the processes answer `/healthz` and `/readyz`."""
        urls = {"facade": f"http://{LOOPBACK}:{self.ports.facade_health}"}
        if self.plan.runtime:
            urls["runtime"] = f"http://{LOOPBACK}:{self.ports.runtime_health}"
        if self.plan.evals:
            urls["evals"] = f"http://{LOOPBACK}:{self.ports.evals_health}"
        return urls


@dataclass(frozen=True)
class Machine:
    """The folder, objects, addresses and variables that all agents of one run share.

    Attributes:
        hub: the address of the page of all of them; "" without one.
    """

    root: Path
    objects: Objects
    addresses: Addresses
    inherited: Mapping[str, str]
    hub: str = ""


def localise(plan: AgentPlan, ports: AgentPorts, machine: Machine) -> LocalAgent:
    """Turn a plan into processes.

    Raises:
        CannotRun: an object that the plan needs is neither in the manifests nor on this machine, or
            the runtime is an image.
    """
    facade_env = msgspec.structs.replace(
        plan.facade.env,
        facade_port=ports.client,
        health_port=ports.facade_health,
        bind_address=LOOPBACK,
        peer_port=ports.peer if plan.is_candidate else None,
        runtime_address=f"{LOOPBACK}:{ports.grpc}",
        allow_unauthenticated=True,
        # Cards and metadata name the address of the request.
        public_url=None,
        media_public_url=plan.facade.env.media_public_url and f"http://{LOOPBACK}:{ports.client}",
        console=True,
        console_inside=True,
        console_hub=machine.hub,
        trial=True,
    )
    made = [_container(plan, plan.facade, facade_env, machine)]
    if plan.runtime:
        keep_variables = plan.runtime.env.session_keep_variables
        runtime_env = msgspec.structs.replace(
            plan.runtime.env,
            session_keep_variables=True if keep_variables is None else keep_variables,
            grpc_port=ports.grpc,
            grpc_host=LOOPBACK,
            health_port=ports.runtime_health,
            bind_address=LOOPBACK,
            trial=True,
        )
        made.append(_container(plan, plan.runtime, runtime_env, machine))
    if plan.evals:
        evals_env = msgspec.structs.replace(
            plan.evals.container.env, health_port=ports.evals_health, bind_address=LOOPBACK
        )
        made.append(_container(plan, plan.evals.container, evals_env, machine))
    unused = [_unused_image(plan.facade), _unused_image(plan.runtime) if plan.runtime else ""]
    mounted = dict.fromkeys(note for _, folders in made for note in folders.notes)
    notes = (*filter(None, unused), *mounted, *_left_out(plan, ports))
    return LocalAgent(plan, ports, tuple(spec for spec, _ in made), notes)


def _left_out(plan: AgentPlan, ports: AgentPorts) -> Iterator[str]:
    """Yield what an agent has in a cluster only, and would miss here."""
    for container in (*plan.pods.init_containers, *plan.pods.extra_containers):
        yield (
            f'container "{container["name"]}": not run on this machine, because it is the image'
            f" {container['image']}"
        )
    if plan.exposure is not None:
        names = ", ".join(plan.exposure.hostnames)
        yield f"facade.expose ({names}): only a cluster has it; port {ports.client} serves here"


_DEFAULTS = Settings()


def _unused_image(container: ContainerPlan[Any]) -> str:
    """Return what to know about an image of the user's; "" without one."""
    if container.image in (_DEFAULTS.facade_image, _DEFAULTS.runtime_image):
        return ""
    note = f"the {container.name} image {container.image} is not used on this machine"
    if container.name != names.RUNTIME_CONTAINER:
        return note
    return (
        f"{note}, the built-in runtime runs: if the image has a runtime of its own, add"
        " type: custom below framework"
    )


def _container(
    plan: AgentPlan, container: ContainerPlan[Any], env: EnvContract, machine: Machine
) -> tuple[ProcessSpec, Folders]:
    if container.module is None:
        raise CannotRun(
            f"framework.type: custom runs the image {container.image}, and images are not run here:"
            " deploy the agent to a cluster, or set framework.type: promptkit to run the built-in"
            " runtime"
        )
    objects = _with_generated(plan, machine)
    mounts = [Mount(mount.volume, mount.path, mount.sub_path or "") for mount in container.mounts]
    shared = machine.root / f"{plan.namespace}.{plan.name}" / "volumes"
    root = shared.with_name(container.name)
    folders = place(list(plan.volumes), mounts, root, shared, plan.namespace, objects)
    generated = {config_map.name for config_map in plan.config_maps}
    ours = {
        root / volume["name"]
        for volume in plan.volumes
        if (volume.get("configMap") or {}).get("name") in generated
    }

    def follow(text: str) -> str:
        return folders.paths.follow(machine.addresses.follow(text, plan.namespace))

    files = {
        path: follow(content.decode()).encode() if path.parent in ours else content
        for path, content in folders.files.items()
    }
    values = {name: follow(value) for name, value in _values(plan, env, objects).items()}
    extra = environment(list(container.extra_env), plan.namespace, plan.name, objects)
    spec = ProcessSpec(
        title=f"{plan.name}/{container.name}",
        command=(sys.executable, "-m", container.module),
        environment={
            **machine.inherited,
            **values,
            **{name: follow(value) for name, value in extra.items()},
        },
        files=files,
        folders=folders.empty,
        read_at_start=_read_at_start(files, root) if container is plan.facade else frozenset(),
    )
    return spec, folders


def _read_at_start(files: Iterable[Path], root: Path) -> frozenset[Path]:
    """Return the files that a facade does not watch: it compiles its schemas once."""
    watched = root / ROLLOUT_MOUNT.volume
    return frozenset(path for path in files if path.parent != watched)


def _values(plan: AgentPlan, env: EnvContract, objects: Objects) -> dict[str, str]:
    values = {}
    # With the defaults, because a default path has to follow its mount too.
    for variable in env.render(defaults=True):
        if variable.secret is None:
            values[variable.name] = variable.value or ""
            continue
        key = (plan.namespace, variable.secret.name)
        values[variable.name] = objects.secret(key, variable.secret.key)
    return values


def _with_generated(plan: AgentPlan, machine: Machine) -> Objects:
    generated = {
        (plan.namespace, config_map.name): {
            name: text.encode() for name, text in config_map.data.items()
        }
        for config_map in plan.config_maps
    }
    secrets = {key: dict(data) for key, data in machine.objects.secrets.items()}
    for copy in plan.secret_copies:
        source = (copy.source.namespace, copy.source.name)
        if copy.optional and copy.source.key not in machine.objects.secrets.get(source, {}):
            continue
        value = machine.objects.secret(source, copy.source.key)
        secrets.setdefault((plan.namespace, copy.target.name), {})[copy.target.key] = value.encode()
    return Objects({**machine.objects.config_maps, **generated}, secrets)


__all__ = ["AgentPorts", "CannotRun", "LocalAgent", "Machine", "localise"]
