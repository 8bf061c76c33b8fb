"""What doors cost a pod: nothing before one is used (D18 of their design)."""

import sys
from statistics import median

import pytest

from tests.facade.doors import bed
from tests.facade.doors.bed import request
from tests.facade.doors.test_chat_door import said
from tests.runtime.scripted import Mounted

MIB = 1 << 20
SAMPLES = 5


def idle(mounted: Mounted, doors: str) -> float:
    """Return the memory of an idle facade."""
    found = []
    for _ in range(SAMPLES):
        with bed.facade_process(mounted, sys.executable, OMNIA_DOORS=doors) as facade:
            found.append(facade.memory())
    return median(found)


@pytest.mark.covers("doors.md#loaded-on-use")
def test_an_idle_facade_with_all_doors_costs_what_one_without_costs(mock_runtime: Mounted) -> None:
    without, with_all = idle(mock_runtime, "none"), idle(mock_runtime, "chat,openai,agui,a2a,mcp")
    assert with_all - without <= MIB, f"{with_all / MIB:.1f} MiB, {without / MIB:.1f} without"


async def test_the_first_request_of_a_door_loads_an_http_library_and_little_else(
    mock_runtime: Mounted,
) -> None:
    with bed.facade_process(mock_runtime, sys.executable, OMNIA_DOORS="chat") as facade:
        before = facade.memory()
        answer = await request(facade, "POST", "/api/chat", said("hello"))
        after = facade.memory()
    assert answer.status == 200
    assert after - before <= 20 * MIB
