"""Plans an agent: its containers, files and volumes."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

import msgspec

from omnia_core import names
from omnia_core.env import FacadeEnv, RuntimeEnv, SecretKeyRef
from omnia_core.env.shared import SessionType
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Handler, Mode
from omnia_core.units import Duration
from omnia_operator.api.agentruntime import AgentRuntimeSpec
from omnia_operator.api.budget import BudgetSpec
from omnia_operator.api.framework import FrameworkType
from omnia_operator.api.meta import ContainerEnvVar
from omnia_operator.api.session import SessionNaming
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.auth import AuthPlan, auth_file, auth_plan
from omnia_operator.plan.containers import mounts
from omnia_operator.plan.desired import AgentPlan
from omnia_operator.plan.doors import POD_ADDRESS, card_folder, card_key_copy, forwards, with_doors
from omnia_operator.plan.evals import evals_plan, with_evals
from omnia_operator.plan.exposure import exposure_plan, service_plan
from omnia_operator.plan.files import Folder, function_folder, runtime_folders
from omnia_operator.plan.media import MediaPlan, media_plan
from omnia_operator.plan.rollout import ROLLOUT_MOUNT, rollout_volume
from omnia_operator.plan.sessions import SessionFilePlan, session_file_plan
from omnia_operator.plan.shapes import ContainerPlan, MountPlan, SecretCopy, Settings
from omnia_operator.plan.tools import tool_secrets
from omnia_operator.plan.workload import pods, ready_path
from omnia_operator.resolve import Resolved, SecretSource, needed_grants

EnvT = TypeVar("EnvT", FacadeEnv, RuntimeEnv)


def plan(resolved: Resolved, settings: Settings) -> AgentPlan:
    """Return the entire desired state of an agent."""
    metadata, spec = resolved.agent.metadata, resolved.agent.spec
    needed = None if settings.allow_unauthenticated else auth_file(resolved)
    functions = tuple(filter(None, (function_folder(resolved),)))
    shared = (*functions, *filter(None, (card_folder(resolved, needed),)))
    own = () if spec.facade.handler is not Handler.RUNTIME else tuple(runtime_folders(resolved))
    folders = (*own, *shared)
    runs = spec.facade.handler is Handler.RUNTIME
    auth = auth_plan(resolved)
    media = media_plan(resolved)
    file = session_file_plan(resolved)
    facade = _facade(resolved, settings, shared, auth, media)
    secrets = tool_secrets(resolved) if runs else None
    secret_mounts = () if secrets is None else (secrets.mount,)
    runtime = (
        _runtime(resolved, settings, (*own, *functions), secret_mounts, media) if runs else None
    )
    if file is not None and runtime is not None:
        facade, runtime = _with_file(facade, file), _with_file(runtime, file)
    containers = (facade,) if runtime is None else (facade, runtime)
    pod_plan = pods(resolved.agent, settings, containers)
    return AgentPlan(
        namespace=metadata.namespace,
        name=metadata.name,
        mode=spec.mode,
        port=spec.facade.port,
        facade=facade,
        runtime=runtime,
        config_maps=(*(folder.config_map for folder in folders), auth.rules.config_map),
        volumes=(
            *(folder.volume for folder in folders),
            auth.rules.volume,
            auth.volume,
            *((rollout_volume(metadata.name),) if runs else ()),
            *(() if secrets is None else (secrets.volume,)),
            *(() if media is None else (media.volume,)),
            *(() if file is None else (file.volume,)),
            *_user_volumes(spec, runs=runs),
        ),
        secret_copies=(
            *(
                SecretCopy(
                    provider.secret, _key_reference(resolved, provider.name, provider.secret)
                )
                for provider in resolved.providers
                if provider.secret and provider.secret.namespace != metadata.namespace
            ),
            *(() if secrets is None else secrets.copies),
            *filter(None, (card_key_copy(resolved),)),
            *auth.copies,
        ),
        credentials=tuple(
            secret
            for secret in (*(provider.secret for provider in resolved.providers), resolved.store)
            if secret is not None
        ),
        pods=pod_plan,
        evals=evals_plan(resolved, settings, runtime, pod_plan, own) if runtime else None,
        service=service_plan(spec),
        exposure=exposure_plan(spec.facade.expose),
        uid=metadata.uid,
        operator=settings.operator,
        grants=tuple(sorted({str(grant) for grant in needed_grants(resolved.agent)})),
    )


def _session_ttl(resolved: Resolved) -> Duration:
    """Return how long after its last use a session can be continued."""
    own, policy = resolved.agent.spec.session.ttl, resolved.retention
    if policy is None or policy.bounds.dry_run:
        return own
    return policy.retention.bounded(own)


def _with_retention(resolved: Resolved, env: RuntimeEnv) -> RuntimeEnv:
    """Add the SessionRetentionPolicy in force, unchanged, to the runtime's environment."""
    if resolved.retention is None:
        return env
    policy = resolved.retention.retention
    return msgspec.structs.replace(
        env,
        retention_ttl=policy.ttl,
        retention_days=policy.days,
        retention_max_messages=policy.max_messages,
        retention_dry_run=policy.dry_run,
    )


def _with_naming(naming: SessionNaming | None, env: RuntimeEnv) -> RuntimeEnv:
    """Add how sessions are named, if they are."""
    if naming is None or not naming.enabled:
        return env
    return msgspec.structs.replace(
        env,
        session_naming=True,
        session_naming_every_turns=naming.every_turns,
        session_naming_max_words=naming.max_words,
        session_naming_max_length=naming.max_length,
        session_naming_provider=naming.provider,
    )


def _with_budget(budget: BudgetSpec | None, env: RuntimeEnv) -> RuntimeEnv:
    """Add what the agent may spend, if that is limited."""
    if budget is None:
        return env
    return msgspec.structs.replace(
        env,
        budget_usd_per_day=budget.usd_per_day,
        budget_usd_per_month=budget.usd_per_month,
        budget_on_exceeded=budget.on_exceeded,
    )


def _with_file(container: ContainerPlan[EnvT], file: SessionFilePlan) -> ContainerPlan[EnvT]:
    """Return a container with the volume of the sessions."""
    env = msgspec.structs.replace(container.env, session_path=file.path)
    return replace(container, env=env, mounts=(*container.mounts, file.mount))


def _facade(
    resolved: Resolved,
    settings: Settings,
    folders: tuple[Folder, ...],
    auth: AuthPlan,
    media: MediaPlan | None,
) -> ContainerPlan[FacadeEnv]:
    metadata, spec = resolved.agent.metadata, resolved.agent.spec
    env = FacadeEnv(
        agent_name=metadata.name,
        namespace=metadata.namespace,
        mode=spec.mode,
        handler_mode=spec.facade.handler,
        facade_port=spec.facade.port,
        show_tools=spec.facade.show_tools,
        console=spec.facade.console or settings.console,
        console_inside=spec.facade.console_shows == "inside",
        allow_unauthenticated=settings.allow_unauthenticated,
    )
    store = spec.session.type
    keeps = spec.facade.handler is Handler.RUNTIME and store is not SessionType.MEMORY
    if keeps or spec.mode is Mode.FUNCTION:
        # Interrupted answers and replies of functions are stored where every pod can read them.
        env = msgspec.structs.replace(
            env,
            session_type=store,
            session_url=_key(resolved.store),
            session_ttl=_session_ttl(resolved),
        )
    env = with_doors(resolved, env)
    mounted = (*(folder.mount for folder in folders), auth.rules.mount, auth.mount)
    if spec.facade.handler is Handler.RUNTIME:
        mounted = (*mounted, ROLLOUT_MOUNT)
    if media is not None:
        env = media.facade(env)
        mounted = (*mounted, media.mount(read_only=False))
    return ContainerPlan(
        name=names.FACADE_CONTAINER,
        image=spec.facade.image or settings.facade_image,
        module="omnia_facade",
        env=env,
        extra_env=(
            *((POD_ADDRESS,) if forwards(spec) else ()),
            *_extra_env(settings, spec.facade.extra_env),
        ),
        mounts=mounted,
        resources=spec.facade.resources or settings.facade_resources,
        pull_policy=settings.facade_pull_policy,
        ports=(
            _port("facade", spec.facade.port),
            _port("facade-health", names.FACADE_HEALTH_PORT),
        ),
    )


def _runtime(
    resolved: Resolved,
    settings: Settings,
    folders: tuple[Folder, ...],
    secrets: tuple[MountPlan, ...],
    media: MediaPlan | None,
) -> ContainerPlan[RuntimeEnv]:
    metadata, spec = resolved.agent.metadata, resolved.agent.spec
    uploads = () if media is None else (media.mount(read_only=True),)
    env = RuntimeEnv(
        agent_name=metadata.name,
        namespace=metadata.namespace,
        mode=spec.mode,
        provider_api_keys={
            provider.name: _key_reference(resolved, provider.name, provider.secret)
            for provider in resolved.providers
            if provider.secret
        },
        session_type=spec.session.type,
        session_url=_key(resolved.store),
        session_ttl=_session_ttl(resolved),
        session_keep_variables=spec.session.keep_variables,
        media_base_path=spec.media.base_path,
    )
    env = _with_naming(spec.session.naming, _with_retention(resolved, env))
    env = with_evals(resolved, _with_budget(spec.budget, env))
    return ContainerPlan(
        name=names.RUNTIME_CONTAINER,
        image=_runtime_image(spec, settings),
        module=None if spec.framework.type is FrameworkType.CUSTOM else "omnia_runtime",
        env=env if media is None else media.runtime(env),
        extra_env=_extra_env(settings, spec.runtime.extra_env),
        mounts=(
            *(folder.mount for folder in folders),
            *secrets,
            *uploads,
            *mounts(spec.runtime.volume_mounts),
        ),
        resources=spec.runtime.resources or settings.runtime_resources,
        pull_policy=settings.runtime_pull_policy,
        # The gRPC port listens on the loopback address of the pod only.
        ports=(_port("runtime-health", names.RUNTIME_HEALTH_PORT),),
        ready_path=ready_path(spec.framework.type),
    )


def _port(name: str, number: int) -> JsonObject:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _extra_env(settings: Settings, own: Iterable[ContainerEnvVar]) -> tuple[JsonObject, ...]:
    """Return the variables of every agent and the user's own, which have precedence."""
    entries = {name: {"name": name, "value": value} for name, value in settings.tracing.items()}
    return tuple({**entries, **{variable.name: variable.render() for variable in own}}.values())


def _key(secret: SecretSource | None) -> SecretKeyRef | None:
    return None if secret is None else SecretKeyRef(secret.name, secret.key)


def _key_reference(resolved: Resolved, provider: str, secret: SecretSource) -> SecretKeyRef:
    metadata = resolved.agent.metadata
    if secret.namespace == metadata.namespace:
        return SecretKeyRef(secret.name, secret.key)
    return SecretKeyRef(OwnedNames(metadata.name).copied_keys, provider)


def _runtime_image(spec: AgentRuntimeSpec, settings: Settings) -> str:
    if spec.framework.image is not None:
        return spec.framework.image
    if spec.framework.version is None:
        return settings.runtime_image
    repository, slash, name = settings.runtime_image.rpartition("/")
    return f"{repository}{slash}{name.partition(':')[0]}:{spec.framework.version}"


def _user_volumes(spec: AgentRuntimeSpec, *, runs: bool) -> Iterator[JsonObject]:
    """Yield the user's volumes; without a runtime those that other containers mount."""
    workload = spec.runtime
    more = (*workload.extra_containers, *workload.init_containers)
    mounted = {mount.name for container in more for mount in container.volume_mounts}
    for volume in workload.volumes:
        if runs or volume.name in mounted:
            yield volume.render()
