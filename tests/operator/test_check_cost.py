"""What strangers' documents cost the operator: the loop goes on, and a document is read once."""

import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from omnia_operator.check_threads import CheckThreads
from omnia_operator.cluster.kinds import AGENT_RUNTIME, PROMPT_PACK, PROVIDER, ObjectKind
from omnia_operator.resolve.verdicts import by_digest
from tests.core.packs import pack as pack_content
from tests.core.packs import prompt, text
from tests.operator.cluster import FakeCluster, config_map, everything

T = TypeVar("T")


class Threads(CheckThreads):
    """Notes where checks ran."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[tuple[str, bool]] = []

    async def run(self, namespace: str, check: Callable[[], T]) -> T:
        def noted() -> T:
            self.ran.append((namespace, threading.current_thread() is threading.main_thread()))
            return check()

        return await super().run(namespace, noted)


@pytest.mark.parametrize(
    ("kind", "name"), [(AGENT_RUNTIME, "helper"), (PROMPT_PACK, "pack"), (PROVIDER, "model")]
)
async def test_contents_are_checked_beside_the_event_loop(kind: ObjectKind, name: str) -> None:
    cluster = FakeCluster(*everything())
    cluster.checks = threads = Threads()
    await cluster.reconcile(kind, name)
    assert threads.ran == [("default", False)]


async def test_a_pack_whose_patterns_are_too_large_is_invalid_and_says_why() -> None:
    variables = [
        {
            "name": f"v{index}",
            "type": "string",
            "required": False,
            "validation": {"pattern": f"[\\p{{L}}{index}]{{1,100}}"},
        }
        for index in range(100)
    ]
    content = pack_content(prompts={"default": prompt(id="default", variables=variables)})
    cluster = FakeCluster(*everything())
    cluster.put(config_map("pack-json", {"pack.json": text(content)}))
    await cluster.reconcile(AGENT_RUNTIME)
    assert cluster.conditions()["PromptPackReady"] == "False: PromptPackInvalid"
    assert "more than 2,000,000 instructions of RE2" in cluster.message("PromptPackReady")


def test_a_text_is_checked_again_only_when_it_or_its_subject_changes() -> None:
    checked: list[tuple[str, str]] = []

    @by_digest
    def check(text: str, subject: str) -> str:
        checked.append((text, subject))
        return f"{subject} is wrong"

    assert [check("a", "x"), check("a", "x"), check("a", "y"), check("\ud800", "x")] == [
        "x is wrong",
        "x is wrong",
        "y is wrong",
        "x is wrong",
    ]
    assert checked == [("a", "x"), ("a", "y"), ("\ud800", "x")]
