"""From a resolved agent to its plan."""

from omnia_core import names
from omnia_core.env import FacadeEnv, RuntimeEnv, SecretKeyRef
from omnia_core.names import Handler
from omnia_operator.api.agentruntime import AgentRuntimeSpec
from omnia_operator.plan.files import Folder, function_folder, runtime_folders
from omnia_operator.plan.shapes import AgentPlan, ContainerPlan, Mount, SecretCopy, Settings
from omnia_operator.resolve import Resolved, SecretSource


def plan(resolved: Resolved, settings: Settings) -> AgentPlan:
    """Return the entire desired state of an agent."""
    metadata, spec = resolved.agent.metadata, resolved.agent.spec
    function = function_folder(resolved)
    shared = () if function is None else (function,)
    own = () if spec.facade.handler is not Handler.RUNTIME else tuple(runtime_folders(resolved))
    folders = (*own, *shared)
    runs = spec.facade.handler is Handler.RUNTIME
    return AgentPlan(
        namespace=metadata.namespace,
        name=metadata.name,
        mode=spec.mode,
        port=spec.facade.port,
        facade=_facade(resolved, settings, shared),
        runtime=_runtime(resolved, settings, folders) if runs else None,
        config_maps=tuple(each.config_map for each in folders),
        volumes=(
            *(each.volume for each in folders),
            *(each.render() for each in spec.runtime.volumes if runs),
        ),
        secret_copies=tuple(
            SecretCopy(each.secret, _key_reference(resolved, each.name, each.secret))
            for each in resolved.providers
            if each.secret and each.secret.namespace != metadata.namespace
        ),
    )


def _facade(
    resolved: Resolved, settings: Settings, folders: tuple[Folder, ...]
) -> ContainerPlan[FacadeEnv]:
    metadata, spec = resolved.agent.metadata, resolved.agent.spec
    return ContainerPlan(
        name=names.FACADE_CONTAINER,
        image=spec.facade.image or settings.facade_image,
        module="omnia_facade",
        env=FacadeEnv(
            agent_name=metadata.name,
            namespace=metadata.namespace,
            mode=spec.mode,
            handler_mode=spec.facade.handler,
            facade_port=spec.facade.port,
            show_tools=spec.facade.show_tools,
            allow_unauthenticated=settings.allow_unauthenticated,
        ),
        extra_env=tuple(each.render() for each in spec.facade.extra_env),
        mounts=tuple(each.mount for each in folders),
        resources=spec.facade.resources,
    )


def _runtime(
    resolved: Resolved, settings: Settings, folders: tuple[Folder, ...]
) -> ContainerPlan[RuntimeEnv]:
    metadata, spec = resolved.agent.metadata, resolved.agent.spec
    return ContainerPlan(
        name=names.RUNTIME_CONTAINER,
        image=_runtime_image(spec, settings),
        module="omnia_runtime",
        env=RuntimeEnv(
            agent_name=metadata.name,
            namespace=metadata.namespace,
            mode=spec.mode,
            provider_api_keys={
                each.name: _key_reference(resolved, each.name, each.secret)
                for each in resolved.providers
                if each.secret
            },
            # session.type is not handed on: memory is the only store that the runtime has.
            session_ttl=spec.session.ttl,
            media_base_path=spec.media.base_path,
        ),
        extra_env=tuple(each.render() for each in spec.runtime.extra_env),
        mounts=(*(each.mount for each in folders), *_user_mounts(spec)),
        resources=spec.runtime.resources,
    )


def _key_reference(resolved: Resolved, provider: str, secret: SecretSource) -> SecretKeyRef:
    metadata = resolved.agent.metadata
    if secret.namespace == metadata.namespace:
        return SecretKeyRef(secret.name, secret.key)
    return SecretKeyRef(f"{metadata.name}-provider-keys", provider)


def _runtime_image(spec: AgentRuntimeSpec, settings: Settings) -> str:
    if spec.framework.image is not None:
        return spec.framework.image
    if spec.framework.version is None:
        return settings.runtime_image
    repository, slash, name = settings.runtime_image.rpartition("/")
    return f"{repository}{slash}{name.partition(':')[0]}:{spec.framework.version}"


def _user_mounts(spec: AgentRuntimeSpec) -> tuple[Mount, ...]:
    return tuple(
        Mount(each.name, each.mount_path, each.read_only or False, each.sub_path)
        for each in spec.runtime.volume_mounts
    )
