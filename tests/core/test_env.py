"""Environment contracts: rendered by the operator, parsed by the containers."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.env import FacadeEnv, RuntimeEnv, SecretKeyRef, SecretStr, SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.names import Handler, Mode
from omnia_core.units import Duration

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
PORTS = st.integers(1, 65535)
DURATIONS = st.builds(Duration, st.integers(0, 10**9))


def environment(contract: FacadeEnv | RuntimeEnv) -> Mapping[str, str]:
    """Return what a container would get."""
    return {each.name: each.value for each in contract.render() if each.value is not None}


@given(
    st.builds(
        FacadeEnv,
        agent_name=TEXT,
        namespace=TEXT,
        mode=st.sampled_from(Mode),
        handler_mode=st.sampled_from(Handler),
        facade_port=PORTS,
        health_port=PORTS,
        bind_address=st.none() | TEXT,
        runtime_address=TEXT,
        show_tools=st.booleans(),
        allow_unauthenticated=st.booleans(),
        allowed_origins=st.lists(st.from_regex(r"https://[a-z.]+", fullmatch=True)).map(tuple),
        turn_timeout=DURATIONS,
    )
)
def test_the_facade_reads_what_the_operator_writes(contract: FacadeEnv) -> None:
    assert FacadeEnv.parse(environment(contract)) == contract


@given(
    st.builds(
        RuntimeEnv,
        agent_name=TEXT,
        grpc_port=PORTS,
        promptpack_path=TEXT,
        session_type=st.sampled_from(SessionType),
        session_ttl=DURATIONS,
    )
)
def test_the_runtime_reads_what_the_operator_writes(contract: RuntimeEnv) -> None:
    assert RuntimeEnv.parse(environment(contract)) == contract


def test_a_credential_is_a_reference_in_the_operator_and_a_secret_in_the_container() -> None:
    reference = SecretKeyRef(name="openai", key="api-key")
    rendered = RuntimeEnv(agent_name="a", provider_api_keys={"big-model": reference}).render()

    variable = next(each for each in rendered if each.secret)
    parsed = RuntimeEnv.parse({"OMNIA_AGENT_NAME": "a", variable.name: "sk-1"})

    assert variable.secret == reference
    assert parsed.provider_api_keys == {"big-model": SecretStr("sk-1")}


def test_a_literal_secret_cannot_be_rendered() -> None:
    with pytest.raises(TypeError, match="SecretKeyRef"):
        RuntimeEnv(agent_name="a", session_url=SecretStr("redis://x")).render()


def test_every_missing_or_malformed_variable_is_named_and_no_value_is_shown() -> None:
    environ = {
        "OMNIA_GRPC_PORT": "sk-secret-1",
        "OMNIA_SESSION_TYPE": "sk-secret-2",
        "OMNIA_SESSION_TTL": "sk-secret-3",
    }
    with pytest.raises(ConfigurationError) as caught:
        RuntimeEnv.parse(environ)

    assert "OMNIA_AGENT_NAME: missing" in caught.value.message
    assert all(name in caught.value.message for name in environ)
    assert "memory or redis or postgres" in caught.value.message
    assert "sk-secret" not in caught.value.message


def test_a_secret_does_not_show_itself() -> None:
    environ = {"OMNIA_AGENT_NAME": "a", "OMNIA_PROVIDER_DEFAULT_API_KEY": "sk-1"}
    parsed = RuntimeEnv.parse(environ)
    assert "sk-1" not in f"{parsed} {parsed!r}"


def test_foreign_variables_are_ignored() -> None:
    assert FacadeEnv.parse({"OMNIA_AGENT_NAME": "a", "OMNIA_UNKNOWN": "1", "HOME": "/"})
