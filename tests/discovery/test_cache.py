from hypothesis import given
from hypothesis import strategies as st

from omnia_core.env.contract import SecretStr
from omnia_core.units import Duration
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.api.toolregistry import RegistryPhase, ServerProbe, ToolStatus
from omnia_operator.discovery import (
    DiscoveryCache,
    DiscoveryContext,
    Egress,
    FoundTool,
    HandlerTools,
    ServerDiscovery,
    discover_all,
    discovered_tools,
    phase,
)
from omnia_operator.discovery.cache import wait
from tests.discovery.given import CONTEXT, http, mcp, openapi, silent_server
from tests.services import free_port

KEY = ("shop", "tools")
PROBING = DiscoveryContext("shop", probe=ServerProbe(enabled=True, timeout=Duration.parse("200ms")))


class Answers:
    """A discovery that answers as it is told."""

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.asked: list[str] = []

    async def discover(self, handler: ToolHandler, context: DiscoveryContext) -> HandlerTools:  # noqa: ARG002 - the port
        self.asked.append(handler.name)
        status = ToolStatus.UNAVAILABLE if handler.name in self.away else ToolStatus.AVAILABLE
        return HandlerTools(handler.name, status, (FoundTool(f"{handler.name}_tool"),))


def answer(name: str, status: ToolStatus, *tools: str) -> HandlerTools:
    return HandlerTools(name, status, tuple(FoundTool(each) for each in tools), error="away")


async def test_a_server_is_asked_again_when_it_is_time_and_not_before() -> None:
    answers, now = Answers(), 0.0
    cache = DiscoveryCache(answers, clock=lambda: now, spread=lambda: 0.0)
    first = await cache.discover(KEY, [http("http://a")], CONTEXT)
    now = 59.0
    early = await cache.discover(KEY, [http("http://a")], CONTEXT)
    now = 60.0
    late = await cache.discover(KEY, [http("http://a")], CONTEXT)
    assert [len(each.asked) for each in (first, early, late)] == [1, 0, 1]
    assert early.answers == first.answers
    assert (first.again, early.again) == (60.0, 1.0)


async def test_only_the_server_that_is_away_is_asked_again_soon_and_then_less_often() -> None:
    answers, now = Answers(), 0.0
    answers.away = {"weather"}
    cache = DiscoveryCache(answers, clock=lambda: now, spread=lambda: 0.0)
    handlers = [http("http://a"), mcp("http://b")]
    waits = []
    for _ in range(4):
        seen = await cache.discover(KEY, handlers, CONTEXT)
        waits.append(seen.again)
        now += seen.again
    assert waits == [5.0, 10.0, 20.0, 25.0]
    assert answers.asked.count("orders") == 1
    answers.away.clear()
    now += 60
    healed = await cache.discover(KEY, handlers, CONTEXT)
    assert phase(healed.answers) is RegistryPhase.READY


async def test_a_change_of_handler_or_credential_asks_at_once() -> None:
    answers = Answers()
    cache = DiscoveryCache(answers, clock=lambda: 0.0, spread=lambda: 0.0)
    secret = DiscoveryContext("shop", credentials={"orders": SecretStr("new")})
    for handler, context in [
        (http("http://a"), CONTEXT),
        (http("http://b"), CONTEXT),
        (http("http://b"), secret),
        (http("http://b"), secret),
    ]:
        await cache.discover(KEY, [handler], context)
    assert len(answers.asked) == 3
    cache.forget(KEY)
    await cache.discover(KEY, [http("http://b")], secret)
    assert len(answers.asked) == 4


async def test_one_dead_server_takes_nothing_else_down() -> None:
    dead = free_port()
    handlers = [
        http("http://a"),
        openapi(f"http://127.0.0.1:{dead}/x"),
        mcp(f"http://127.0.0.1:{dead}/mcp"),
    ]
    found = await discover_all(ServerDiscovery(Egress(lambda _: False)), handlers, CONTEXT)
    assert [each.handler for each in found] == ["orders", "pets", "weather"]
    assert phase(found) is RegistryPhase.DEGRADED


async def test_a_probe_connects_and_without_it_nothing_is_asked() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    unasked = await ServerDiscovery(Egress(lambda _: False)).discover(http(url), CONTEXT)
    dead = await ServerDiscovery(Egress(lambda _: False)).discover(http(url), PROBING)
    async with silent_server() as port:
        alive = await ServerDiscovery(Egress(lambda _: False)).discover(
            http(f"http://127.0.0.1:{port}"), PROBING
        )
    found = (unasked.status, dead.status, alive.status)
    assert found == (ToolStatus.AVAILABLE, ToolStatus.UNAVAILABLE, ToolStatus.AVAILABLE)
    assert [each.name for each in dead.tools] == ["find_order"]


def test_the_phase_says_all_some_or_none() -> None:
    good = answer("a", ToolStatus.AVAILABLE, "t")
    away = answer("b", ToolStatus.UNAVAILABLE)
    unknown = answer("c", ToolStatus.UNKNOWN)
    assert phase([good, unknown]) is RegistryPhase.READY
    assert phase([good, away]) is RegistryPhase.DEGRADED
    assert phase([away]) is RegistryPhase.FAILED


def test_a_server_that_goes_away_keeps_its_tools_in_the_status() -> None:
    before = discovered_tools([answer("a", ToolStatus.AVAILABLE, "x", "y")], (), {"a", "b"}, "then")
    after = discovered_tools([answer("a", ToolStatus.UNAVAILABLE)], before, {"a", "b"}, "now")
    never = discovered_tools([answer("b", ToolStatus.UNAVAILABLE)], before, {"a", "b"}, "now")
    again = discovered_tools([answer("b", ToolStatus.UNAVAILABLE)], never, {"a", "b"}, "later")
    assert [(each.name, each.status, each.error) for each in after] == [
        ("x", ToolStatus.UNAVAILABLE, "away"),
        ("y", ToolStatus.UNAVAILABLE, "away"),
    ]
    assert [each.name for each in never] == [each.name for each in again] == ["b"]


def test_a_status_that_nothing_happened_to_stays_as_it_is() -> None:
    answers = [answer("a", ToolStatus.AVAILABLE, "x"), answer("b", ToolStatus.UNAVAILABLE)]
    before = discovered_tools(answers, (), {"a", "b"}, "then")
    assert discovered_tools(answers, before, (), "now") == before
    after = discovered_tools(answers, before, {"b"}, "now")
    assert [each.last_checked for each in after] == ["then", "now"]


def test_a_status_stays_small_enough_for_the_api_server() -> None:
    schema = {"type": "object", "description": "x" * 100_000}
    tools = tuple(FoundTool(f"t{number}", input_schema=schema) for number in range(900))
    found = discovered_tools(
        [HandlerTools("a", ToolStatus.AVAILABLE, tools)], (), {"a", "b"}, "now"
    )
    assert len(found) == 500
    assert sum(each.input_schema is not None for each in found) == 5


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(5, 3600))
def test_the_wait_has_bounds(failures: int, spread: float, interval: float) -> None:
    seconds = wait(failures, spread, interval)
    assert 0.75 * 5 <= seconds <= max(300, interval)
