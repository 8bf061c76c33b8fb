"""Tells resources of the Go Omnia from ours, by fields that only they have."""

from typing import Any

from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject

MOCK = "omnia.altairalabs.ai/mock-provider"
_AGENT = (
    "providerRef",
    "replicas",
    "facades",
    "context",
    "podOverrides",
    "extraPodAnnotations",
    "serviceGroup",
    "privacyPolicyRef",
    "memory",
    "console",
    "duplex",
    "outputFormat",
)
_PROVIDER = (
    "validateCredentials",
    "credential",
    "platform",
    "auth",
    "role",
    "tts",
    "stt",
    "embedding",
)
_PACK = ("skills", "skillsConfig", "track")
_POLICY = ("hotCache", "warmStore", "coldArchive")
_FRAMEWORKS = ("langchain", "crewai", "autogen")
_HANDLER = ("retries", "endpoint")
_LONGEST = 300


def is_theirs(source: Source) -> bool:
    """Whether a resource has a field that ours have not."""
    spec = _object(source.value.get("spec"))
    match source.kind:
        case "AgentRuntime":
            return _agent(spec, source)
        case "Provider":
            numbers = (
                *_object(spec.get("defaults")).values(),
                *_object(spec.get("pricing")).values(),
            )
            texts = [each for each in numbers if isinstance(each, str) and as_number(each) != each]
            return _has(spec, _PROVIDER) or bool(texts) or spec.get("type") == "anthropic"
        case "ToolRegistry":
            handlers = spec.get("handlers")
            listed = handlers if isinstance(handlers, list) else []
            return "tools" in spec or any(map(_handler, listed))
        case "PromptPack":
            return _has(spec, _PACK)
        case "SessionRetentionPolicy":
            return _has(spec, _POLICY)
        case _:
            return True


def _agent(spec: JsonObject, source: Source) -> bool:
    provider, runtime = _object(spec.get("provider")), _object(spec.get("runtime"))
    entries = spec.get("providers")
    listed = entries if isinstance(entries, list) else []
    metadata = _object(source.value.get("metadata"))
    annotated = MOCK in _object(metadata.get("annotations")) and "providerRef" in spec
    return (
        _has(spec, _AGENT)
        or annotated
        or (bool(provider) and "type" not in provider)
        or provider.get("type") == "auto"
        or _has(provider, ("config", "additionalConfig"))
        or "env" in runtime
        or "key" in _object(_object(spec.get("session")).get("storeRef"))
        or "track" in _object(spec.get("promptPackRef"))
        or _object(spec.get("framework")).get("type") in _FRAMEWORKS
        or "storage" in _object(spec.get("media"))
        or any("role" in _object(each) for each in listed)
    )


def _handler(handler: Any) -> bool:
    block = _object(handler)
    configs = [
        _object(block.get(name))
        for name in ("httpConfig", "openAPIConfig", "mcpConfig", "grpcConfig")
    ]
    policies = [_object(config.get("retryPolicy")) for config in configs]
    return (
        _has(block, _HANDLER)
        or any("authType" in config for config in configs)
        or any(isinstance(policy.get("backoffMultiplier"), str) for policy in policies)
    )


def _has(value: JsonObject, names: tuple[str, ...]) -> bool:
    return any(name in value for name in names)


def as_number(value: Any) -> Any:
    """Return the number that a text is; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return int(value) if value.isdecimal() and len(value) < _LONGEST else float(value)
    except ValueError:
        return value


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}
