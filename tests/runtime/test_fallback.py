"""Which provider is asked, and who steps in."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from omnia_core.env import SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.model import ChatModel, ChatRequest, ProviderError, TextDelta
from omnia_runtime.providers.fallback import FallbackModel
from omnia_runtime.providers.models import Models, open_models
from tests.runtime.conftest import Start
from tests.runtime.faulty import FaultyServer, status
from tests.runtime.program import Stream, client
from tests.runtime.program import said as text_of
from tests.runtime.scripted import Mounted, Round, ScriptedModel, says
from tests.runtime.servers import ChatServer, chunk, serving

LIMIT = 100.0
HI = ChatRequest("", [Message("user", "hi")])


def failed(
    name: str, *, retryable: bool = True, wait: float | None = None, number: int = 503
) -> Round:
    return [ProviderError(f"{name} is down", retryable=retryable, status=number, retry_after=wait)]


async def said(model: ChatModel) -> str:
    async with asyncio.timeout(LIMIT):
        return "".join([e.text async for e in model.stream(HI) if isinstance(e, TextDelta)])


def chain(*models: ScriptedModel) -> FallbackModel:
    return FallbackModel([(f"p{index}", model) for index, model in enumerate(models)])


async def test_the_next_provider_answers_when_one_is_unavailable() -> None:
    last = ScriptedModel(says("never"))
    model = chain(
        ScriptedModel(failed("a")), ScriptedModel(failed("b")), ScriptedModel(says("c")), last
    )
    assert await said(model) == "c"
    assert last.requests == []


async def test_each_failure_is_named_when_nobody_answers() -> None:
    model = chain(ScriptedModel(failed("a", wait=9)), ScriptedModel(failed("b", retryable=False)))
    with pytest.raises(ProviderError) as caught:
        await said(model)
    assert caught.value.message == "no provider answered: a is down; then b is down"
    assert (caught.value.retryable, caught.value.retry_after) == (True, 9)


async def test_several_failures_have_the_last_status_and_the_shortest_wait() -> None:
    rounds = [failed("a", wait=9, number=529), failed("b"), failed("c", wait=11, number=429)]
    with pytest.raises(ProviderError) as caught:
        await said(chain(*map(ScriptedModel, rounds)))
    assert (caught.value.status, caught.value.retry_after) == (429, 9)
    rounds = [failed("a"), failed("b")]
    with pytest.raises(ProviderError) as caught:
        await said(chain(*map(ScriptedModel, rounds)))
    assert caught.value.retry_after is None


async def test_an_answer_that_a_fallback_cut_names_each_failure() -> None:
    cut = ScriptedModel([TextDelta("x"), *failed("b")])
    with pytest.raises(ProviderError) as caught:
        await said(chain(ScriptedModel(failed("a")), cut, ScriptedModel(says("never"))))
    assert caught.value.message == "a is down; then b is down"


async def test_the_caller_is_told_which_providers_were_unavailable() -> None:
    told: list[str] = []
    models = [failed("a"), failed("b"), failed("c")]
    model = FallbackModel(
        [(f"p{index}", ScriptedModel(each)) for index, each in enumerate(models)], told.append
    )
    with pytest.raises(ProviderError, match="no provider answered: a is down"):
        await said(model)
    assert told == ["p0", "p1"]


async def test_a_failure_that_would_not_pass_is_not_covered_up() -> None:
    second = ScriptedModel(says("b"))
    with pytest.raises(ProviderError, match=r"^a is down$"):
        await said(chain(ScriptedModel(failed("a", retryable=False)), second))
    assert second.requests == []


async def test_an_answer_that_is_cut_is_not_given_again_by_another() -> None:
    second = ScriptedModel(says("b"))
    with pytest.raises(ProviderError, match=r"^a is down$"):
        await said(chain(ScriptedModel([TextDelta("x"), *failed("a")]), second))
    assert second.requests == []


class Providers:
    """A providers.yaml."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "providers.yaml"
        self.registry = CollectorRegistry()
        self.client = HTTPClient()

    def open(self, *providers: dict[str, Any]) -> Models:
        self.path.write_text(yaml.safe_dump({"providers": list(providers)}))
        metrics = RuntimeMetrics(self.registry, "agent", "default")
        return open_models(str(self.path), {"fallback-b": SecretStr("k")}, self.client, metrics)

    def calls(self, provider: str, status: str) -> float | None:
        labels = {"agent": "agent", "namespace": "default", "model": "m"}
        return self.registry.get_sample_value(
            "omnia_provider_requests_total", {**labels, "provider": provider, "status": status}
        )


@pytest.fixture
def providers(tmp_path: Path) -> Providers:
    return Providers(tmp_path)


def mock(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "mock", "model": "m", **fields}


async def test_the_provider_named_default_answers_else_the_first(tmp_path: Path) -> None:
    both = Providers(tmp_path).open(mock("a"), mock("default"))
    assert both.config().name == "default"
    assert "from default" in await said(both.chain())
    first = Providers(tmp_path).open(mock("a"), mock("judge"))
    assert "from a" in await said(first.chain())


async def test_a_provider_is_used_by_its_name(providers: Providers) -> None:
    models = providers.open(mock("default"), mock("judge"))
    judge = models.named("judge")
    assert judge
    assert "from judge" in await said(judge)
    assert "from judge" in await said(models.chain("judge"))
    assert models.named("referee") is None


def test_a_name_without_a_provider_is_told_with_the_names_there_are(providers: Providers) -> None:
    with pytest.raises(ConfigurationError, match=r'named "cheap"; it has: default, judge'):
        providers.open(mock("default"), mock("judge")).chain("cheap")


async def test_only_fallbacks_step_in_and_each_attempt_is_counted(providers: Providers) -> None:
    gone, there = ChatServer(), ChatServer([chunk({"content": "hello"}, "stop")])
    gone.refusal = (503, {"error": {"message": "down"}})
    async with serving(gone) as gone_url, serving(there) as url:
        models = providers.open(
            {"name": "judge", "type": "openai", "model": "m", "baseURL": "http://127.0.0.1:9/v1"},
            {"name": "default", "type": "openai", "model": "m", "baseURL": f"{gone_url}/v1"},
            {"name": "fallback-b", "type": "vllm", "model": "m", "baseURL": f"{url}/v1"},
            mock("fallback"),
        )
        assert await said(models.chain()) == "hello"
        await providers.client.close()
    assert providers.calls("default", "error") == 3
    assert providers.calls("fallback-b", "success") == 1
    assert providers.calls("judge", "error") is None
    for name, count in (("omnia_provider_retries_total", 2), ("omnia_provider_fallbacks_total", 1)):
        labels = {"agent": "agent", "namespace": "default", "provider": "default"}
        assert providers.registry.get_sample_value(name, labels) == count
    assert there.headers[0]["Authorization"] == "Bearer k"


async def test_a_fallback_has_the_defaults_of_its_own_provider(providers: Providers) -> None:
    gone, there = ChatServer(), ChatServer([chunk({"content": "hello"}, "stop")])
    gone.refusal = (503, {"error": {"message": "down"}})
    async with serving(gone) as gone_url, serving(there) as url:
        models = providers.open(
            {
                "name": "default",
                "type": "openai",
                "model": "m",
                "baseURL": f"{gone_url}/v1",
                "defaults": {"temperature": 0.9, "maxTokens": 7},
            },
            {
                "name": "fallback",
                "type": "vllm",
                "model": "m",
                "baseURL": f"{url}/v1",
                "defaults": {"temperature": 0},
            },
        )
        await said(models.chain())
        await providers.client.close()
    assert (gone.bodies[0]["temperature"], gone.bodies[0]["max_tokens"]) == (0.9, 7)
    assert there.bodies[0]["temperature"] == 0
    assert "max_tokens" not in there.bodies[0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"type": "carrier-pigeon", "model": "m"}, "type carrier-pigeon, which .* not support"),
        ({"type": "openai"}, "has no model"),
        ({"type": "openai", "model": "m", "baseURL": "x"}, "baseURL must be"),
        (
            {"type": "openai", "model": "m", "defaults": {"requestTimeout": "soon"}},
            "soon",
        ),
    ],
)
def test_a_fallback_that_cannot_work_is_an_error_at_load(
    providers: Providers, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        providers.open(mock("default"), {"name": "fallback", **wrong})


def test_a_judge_that_cannot_work_is_an_error_only_when_it_is_asked_for(
    providers: Providers,
) -> None:
    models = providers.open(mock("default"), {"name": "judge", "type": "openai"})
    with pytest.raises(ConfigurationError, match='"judge" has no model'):
        models.named("judge")


def test_two_providers_of_one_name_are_an_error(providers: Providers) -> None:
    with pytest.raises(ConfigurationError, match='two providers are named "a"'):
        providers.open(mock("a"), mock("a"))


def test_no_provider_is_an_error(providers: Providers) -> None:
    with pytest.raises(ConfigurationError, match="no provider"):
        providers.open()


def test_every_file_that_was_read_is_named(providers: Providers, tmp_path: Path) -> None:
    responses = tmp_path / "judge.yaml"
    responses.write_text("defaultResponse: fine")
    models = providers.open(mock("default"), mock("judge", mockResponsesPath=str(responses)))
    assert models.paths == [providers.path, responses]


async def test_the_program_answers_with_its_fallback(mounted: Mounted, start: Start) -> None:
    server = FaultyServer(status(529, "overloaded"))
    async with server.serving() as url:
        down = {"name": "default", "type": "openai", "model": "m", "baseURL": url}
        there = mock("fallback", mockResponsesPath=str(mounted.folder / "mock.yaml"))
        path = mounted.folder / "providers.yaml"
        path.write_text(yaml.safe_dump({"providers": [down, there]}))
        start()
        async with client(mounted) as stub:
            messages = await Stream(stub).ask("hi")
    assert text_of(messages) == "Hello there, friend."
    assert server.asked == 3
