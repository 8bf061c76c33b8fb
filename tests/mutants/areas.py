"""The areas of the product that are tried, each with the tests that hold it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Area:
    """Modules and tests, as glob patterns below the folder of the project."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    goal: int = 92
    """Percent of a sample that the tests notice."""

    def module_paths(self, root: Path) -> list[str]:
        return _found(root, self.modules)

    def test_paths(self, root: Path) -> list[str]:
        return _found(root, self.tests)


def _found(root: Path, patterns: tuple[str, ...]) -> list[str]:
    found = {
        path.relative_to(root).as_posix()
        for pattern in patterns
        for path in root.glob(pattern)
        if path.suffix == ".py" and path.name != "__init__.py"
    }
    assert found, f"nothing is at {patterns}"
    return sorted(found)


def _tests(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/{folder}/test_{name}.py" for name in names)


# What holds the adapters of all vendors.
_ANSWERS = ("answer_size", "broken_answers", "nested_calls")

AREAS = {
    "resolve": Area(
        ("omnia_operator/resolve/*.py",),
        (
            "tests/operator/test_resolve*.py",
            *_tests("operator", "canary", "external_auth", "registry", "retention", "fitting"),
        ),
    ),
    "plan": Area(
        ("omnia_operator/plan/*.py",),
        (
            "tests/operator/test_plan*.py",
            *_tests("operator", "external_auth", "retention", "reconcile", "manifests"),
        ),
    ),
    "status": Area(
        ("omnia_operator/status/*.py",),
        (
            "tests/operator/test_status*.py",
            *_tests("operator", "pack_content", "canary", "registry", "retention"),
        ),
    ),
    "same": Area(
        ("omnia_operator/manifests/same.py",), _tests("operator", "same", "drift", "reconcile")
    ),
    "drift": Area(
        ("omnia_operator/reconcile/drift.py", "omnia_operator/reconcile/grants.py"),
        _tests("operator", "drift", "grants"),
    ),
    "queue": Area(
        ("omnia_operator/scheduling/*.py", "omnia_operator/resync.py"),
        _tests("operator", "queue", "scheduling", "resync", "reconcile"),
    ),
    "election": Area(("omnia_operator/leader/*.py",), _tests("operator", "leader")),
    "conversation": Area(
        ("omnia_facade/ws/conversation.py", "omnia_facade/ws/turn_queue.py"),
        _tests(
            "facade",
            "turn_queue",
            "conversation",
            "conversation_property",
            "announced_sessions",
            "messages",
        )
        + _tests("facade", "protocol_turns", "protocol_endings", "interrupted_answers"),
    ),
    "limits": Area(
        ("omnia_facade/ws/inbound_limits.py", "omnia_facade/entrance/*.py"),
        _tests(
            "facade",
            "entrance",
            "limits",
            "admission",
            "connections",
            "endpoint",
            "binary",
            "voice",
        ),
    ),
    "auth": Area(
        ("omnia_facade/auth/*.py",),
        _tests("facade", "auth", "auth_files", "auth_program", "auth_tokens", "caller"),
        goal=97,
    ),
    "tokens": Area(
        ("omnia_core/tokens/*.py",),
        _tests("facade", "auth", "auth_files", "auth_tokens") + _tests("operator", "external_auth"),
        goal=97,
    ),
    "functions": Area(
        ("omnia_facade/functions/*.py",),
        _tests(
            "facade",
            "function",
            "functions",
            "function_calls",
            "openapi_document",
            "refused_inputs",
        ),
    ),
    "idempotency": Area(
        ("omnia_facade/idempotency/*.py",),
        _tests("facade", "idempotency", "idempotent_calls", "replies"),
    ),
    "agent": Area(
        ("omnia_runtime/agent/*.py",),
        _tests(
            "runtime",
            "loop",
            "context",
            "context_bounds",
            "summary",
            "checkpoints",
            "cancel",
            "streamed_text",
        ),
    ),
    "openai": Area(
        ("omnia_runtime/providers/openai/*.py",),
        _tests(
            "runtime",
            "openai",
            "openai_pieces",
            "openai_media",
            "openai_models",
            "embeddings",
            "responses",
            "responses_pieces",
            "think_tags",
        )
        + _tests("runtime", "conversations")
        + _tests("runtime", "field_streams", "stream_mutations", "vendors", *_ANSWERS),
    ),
    "claude": Area(
        ("omnia_runtime/providers/claude/*.py",),
        _tests(
            "runtime",
            "claude",
            "claude_request",
            "claude_pieces",
            "field_streams",
            "stream_mutations",
        )
        + _tests("runtime", *_ANSWERS),
    ),
    "gemini": Area(
        ("omnia_runtime/providers/gemini/*.py",),
        _tests(
            "runtime",
            "gemini",
            "gemini_request",
            "gemini_pieces",
            "field_streams",
            "stream_mutations",
        )
        + _tests("runtime", *_ANSWERS),
    ),
    "retry": Area(
        ("omnia_runtime/providers/retry.py", "omnia_runtime/providers/fallback.py"),
        _tests("runtime", "retry", "fallback", "vendors", "audit"),
    ),
    "validators": Area(
        ("omnia_runtime/validators/*.py",),
        _tests("runtime", "validators", "validators_gate")
        + _tests("core", "validator_declarations"),
    ),
    "coercion": Area(
        ("omnia_runtime/tools/coercion.py",), _tests("runtime", "tools_coercion", "http_tools")
    ),
    "breaker": Area(
        ("omnia_runtime/tools/guarded.py", "omnia_runtime/tools/retry.py"),
        _tests("runtime", "tools_breaker", "tools_retry"),
    ),
    "redis": Area(
        ("omnia_core/sessions/redis/*.py",),
        _tests("core", "sessions", "sessions_redis", "sessions_failover", "retention", "audit"),
    ),
    "retention": Area(
        ("omnia_core/sessions/retention.py", "omnia_core/sessions/memory.py"),
        _tests("core", "retention", "sessions", "audit"),
    ),
    "templates": Area(
        ("omnia_core/templates.py",),
        _tests("runtime", "templates", "prompts", "mock") + _tests("core", "templates", "pack"),
    ),
    "placement": Area(
        ("omnia_core/files/placement.py",),
        _tests("core", "placement") + _tests("runtime", "placement"),
    ),
    "http2": Area(("omnia_rpc/http2/*.py",), ("tests/http2/test_*.py",)),
}
