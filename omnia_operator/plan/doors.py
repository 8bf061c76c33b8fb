"""Plans the doors of an agent: which protocols it is served by, their settings and addresses."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
import orjson

from omnia_core import names
from omnia_core.cards.card import CardContent, card_document
from omnia_core.cards.file import CardFile
from omnia_core.cards.signature import JWKS_PATH, public_key, signed
from omnia_core.env import FacadeEnv, SecretKeyRef, SessionType
from omnia_core.files.auth import AuthFile
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Door, Handler, Mode
from omnia_operator.api.agentruntime import AgentRuntime, AgentRuntimeSpec
from omnia_operator.api.doors import A2ADoor, AgentCard, CardSigning
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.exposure import exposed_url
from omnia_operator.plan.files import Folder, folder
from omnia_operator.plan.shapes import SecretCopy
from omnia_operator.resolve import Resolved, SecretSource

CARD_KEY = "key.pem"
"""The key of the Secret with the private key."""
# Pods of an agent pass requests on to the one that runs the turn.
POD_ADDRESS: JsonObject = {
    "name": FacadeEnv.variable("pod_address"),
    "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
}
PATHS = {
    Door.CHAT: "/api/chat",
    Door.OPENAI: "/v1",
    Door.AGUI: "/ag-ui",
    Door.A2A: "/.well-known/agent-card.json",
    Door.MCP: "/mcp",
}


def doors(spec: AgentRuntimeSpec) -> tuple[Door, ...]:
    """Return the doors of an agent, besides WebSocket."""
    facade = spec.facade
    chosen: tuple[Door, ...] = ()
    if spec.mode is Mode.AGENT:
        named = names.DEFAULT_DOORS if facade.doors is None else facade.doors
        chosen = tuple(Door(name.value) for name in named)
    if facade.a2a is not None and facade.a2a.enabled:
        chosen = (*chosen, Door.A2A)
    if facade.mcp is not None and facade.mcp.enabled:
        chosen = (*chosen, Door.MCP)
    return chosen


def with_doors(resolved: Resolved, env: FacadeEnv) -> FacadeEnv:
    """Add the settings of the doors to the facade's environment."""
    spec = resolved.agent.spec
    facade, found = spec.facade, doors(spec)
    if spec.mode is Mode.AGENT or found:
        env = msgspec.structs.replace(env, doors=tuple(map(str, found)) or (names.NO_DOORS,))
    env = msgspec.structs.replace(
        env,
        # Not the description of the pack: another version of it must not restart the pods.
        agent_description=spec.description or "",
        agent_examples="\n".join(spec.examples),
        public_url=facade.public_url,
        allowed_origins=facade.allowed_origins,
        client_tool_timeout=facade.client_tool_timeout,
    )
    if Door.MCP in found and facade.mcp is not None:
        env = msgspec.structs.replace(
            env,
            mcp_tool_name=facade.mcp.tool_name,
            mcp_tool_description=facade.mcp.tool_description or _description(resolved),
        )
    return _with_a2a(facade.a2a, env) if Door.A2A in found and facade.a2a is not None else env


def forwards(spec: AgentRuntimeSpec) -> bool:
    """Whether pods pass on requests for turns of each other: they share what they know of them."""
    shared = spec.session.type not in (SessionType.MEMORY, SessionType.SQLITE)
    return (
        spec.mode is Mode.AGENT
        and spec.facade.handler is Handler.RUNTIME
        and shared
        and bool(doors(spec))
    )


def card_folder(resolved: Resolved, auth: AuthFile | None) -> Folder | None:
    """Return the folder with the agent card; None without the A2A door.

    `auth` is what callers have to show; None if they need no credential.
    """
    door = resolved.agent.spec.facade.a2a
    if door is None or not door.enabled:
        return None
    content = msgspec.convert(_card(resolved, door), CardContent)
    file = CardFile(content)
    key, url = resolved.card_key, public_base(resolved.agent)
    if key is not None and key.pem and door.signing is not None and url:
        file = _signed(content, door.signing, key.pem, url, auth)
    text = orjson.dumps(msgspec.to_builtins(file), option=orjson.OPT_INDENT_2).decode()
    return folder(resolved.agent.metadata.name, "card", names.CARD_PATH, {}, text)


def card_key_copy(resolved: Resolved) -> SecretCopy | None:
    """Return the Secret with the key that the operator has made; None without one."""
    door, key = resolved.agent.spec.facade.a2a, resolved.card_key
    if door is None or door.signing is None or door.signing.secret_ref or not key or not key.pem:
        return None
    metadata = resolved.agent.metadata
    name = OwnedNames(metadata.name).card_key
    source = SecretSource(metadata.namespace, name, CARD_KEY)
    return SecretCopy(source, SecretKeyRef(name, CARD_KEY), optional=True)


def signs_card(agent: AgentRuntime) -> bool:
    """Whether the card is signed: it has to name a public address."""
    door = agent.spec.facade.a2a
    signing = door is not None and door.enabled and door.signing is not None
    return signing and bool(public_base(agent))


def public_base(agent: AgentRuntime) -> str:
    """Return the public address of an agent, "" if it has none."""
    facade = agent.spec.facade
    media = facade.media.public_url if facade.media is not None else None
    return (facade.public_url or media or exposed_url(agent) or "").rstrip("/")


def endpoints(agent: AgentRuntime, base: str) -> Iterator[tuple[str, str]]:
    """Yield each protocol and its address, below the address `base` of the agent.

    `facade.publicURL` and `facade.expose` come before `base`.
    """
    spec = agent.spec
    base = (spec.facade.public_url or exposed_url(agent) or base).rstrip("/")
    if spec.mode is Mode.AGENT:
        url = urlsplit(base)
        scheme = "wss" if url.scheme == "https" else "ws"
        yield "websocket", f"{scheme}://{url.netloc}{url.path}/ws"
    else:
        yield "functions", f"{base}/functions/{agent.metadata.name}"
    for door in doors(spec):
        yield str(door), f"{base}{PATHS[door]}"


def _signed(
    content: CardContent, signing: CardSigning, pem: str, url: str, auth: AuthFile | None
) -> CardFile:
    jku = signing.jku or f"{url}{JWKS_PATH}"
    card, extended = (
        signed(
            card_document(content, auth, url, extended=extended), pem, jku, key_id=signing.key_id
        )
        for extended in (False, True)
    )
    keys = (public_key(pem, signing.key_id),)
    return CardFile(content, card, extended if content.has_private_skills else None, keys)


def _with_a2a(door: A2ADoor, env: FacadeEnv) -> FacadeEnv:
    return msgspec.structs.replace(
        env,
        a2a_versions=tuple(version.value for version in door.versions) or env.a2a_versions,
        a2a_push_hosts=door.push.allowed_hosts
        if door.push is not None and door.agent_card.capabilities.push_notifications
        else (),
        task_ttl=door.task_ttl,
    )


def _card(resolved: Resolved, door: A2ADoor) -> JsonObject:
    """Return what the card says, with what the manifest leaves out. Nothing in it is empty."""
    card, name = door.agent_card, resolved.agent.metadata.name
    pack = resolved.pack
    description = card.description or _description(resolved) or f"The agent {name}."
    content = {
        "name": card.name or name,
        "description": description,
        "version": card.version or (pack.stable.version if pack is not None else "") or "1.0.0",
        "organization": card.organization,
        "documentationUrl": card.documentation_url,
        "skills": _skills(card, name, description),
        "streaming": card.capabilities.streaming,
        "push": card.capabilities.push_notifications,
        "inputModes": [*card.default_input_modes] or ["text/plain"],
        "outputModes": [*card.default_output_modes] or ["text/plain"],
        "versions": [version.value for version in door.versions] or ["1.0", "0.3"],
    }
    return {field: value for field, value in content.items() if value is not None}


def _skills(card: AgentCard, name: str, description: str) -> list[JsonObject]:
    if not card.skills:
        return [
            {
                "id": name,
                "name": card.name or name,
                "description": description,
                "tags": ["agent"],
            }
        ]
    return [
        skill.model_dump(mode="json", by_alias=True, exclude_defaults=True) for skill in card.skills
    ]


def _description(resolved: Resolved) -> str | None:
    """Return what the agent is for: its own words, or those of its pack."""
    pack, described = resolved.pack, resolved.agent.spec.description
    if described or pack is None:
        return described
    found = orjson.loads(pack.stable.text).get("description")
    return found if isinstance(found, str) and found else None
