"""What the status of a PromptPack says, and the Events of its canary."""

from dataclasses import replace

import pytest

from omnia_operator.api import PromptPack, parse
from omnia_operator.api.promptpack import CanaryProgress, PackPhase, PromptPackStatus
from omnia_operator.resolve import Lineup
from omnia_operator.resolve.lineup import ResolvedPack
from omnia_operator.status import (
    Announcement,
    PackFacts,
    news,
    pack_facts,
    pack_status,
)
from omnia_operator.status.pack import progress
from tests.operator import objects, world
from tests.operator.statuses import LATER, NOW, Told, problem, told


def pack(version: str = "2.0.0", **spec: object) -> PromptPack:
    parsed = parse(objects.pack({"version": version, **spec}))
    assert isinstance(parsed, PromptPack)
    return parsed


ONE = ResolvedPack("pack", "1.0.0", "{}")
TWO = ResolvedPack("pack", "v2.0.0", "{}")
CANARY = {"type": "canary", "canary": {"weight": 10, "stepWeight": 30, "interval": "1m"}}


@pytest.mark.parametrize(
    ("version", "more", "phase", "shown"),
    [
        ("2.0.0", {"lineup": Lineup(TWO)}, "Active", ("v2.0.0", None, None)),
        ("2.0.0", {"lineup": Lineup(ONE, TWO, 10)}, "Canary", ("1.0.0", "v2.0.0", 10)),
        ("1.0.0", {"lineup": Lineup(ONE, TWO, 10)}, "Active", ("1.0.0", "v2.0.0", 10)),
        ("0.9.0", {"lineup": Lineup(ONE, TWO, 10)}, "Superseded", ("1.0.0", None, None)),
        ("2.0.0", {}, "Failed", (None, None, None)),
        (
            "2.0.0",
            {"lineup": Lineup(TWO), "source": problem("x")},
            "Failed",
            ("v2.0.0", None, None),
        ),
        (
            "2.0.0",
            {"lineup": Lineup(ONE, TWO, 9), "content": problem("x")},
            "Failed",
            ("1.0.0", None, None),
        ),
    ],
)
def test_a_version_says_which_sessions_it_has(
    version: str,
    more: dict[str, object],
    phase: str,
    shown: tuple[str | None, str | None, int | None],
) -> None:
    facts = replace(PackFacts(4, pack(version)), **more)  # type: ignore[arg-type]
    status = pack_status(facts, PromptPackStatus(), NOW)
    assert (status.observed_generation, status.phase) == (4, PackPhase(phase))
    assert (status.active_version, status.canary_version, status.canary_weight) == shown
    assert status.last_updated == NOW


def test_a_pack_with_an_invalid_spec_keeps_the_progress_of_its_canary() -> None:
    running = CanaryProgress(version="2.0.0", start_time=NOW)
    status = pack_status(
        PackFacts(4, None, lineup=Lineup(ONE, TWO, 10)), PromptPackStatus(canary=running), LATER
    )
    assert (status.phase, status.canary) == (PackPhase.FAILED, running)
    assert (status.active_version, status.canary_version) == ("1.0.0", None)


def test_the_status_of_a_pack_says_since_when_its_content_is_the_same() -> None:
    facts = PackFacts(4, pack(), digest="abc", lineup=Lineup(TWO))
    first = pack_status(facts, PromptPackStatus(), NOW)
    same = pack_status(replace(facts, agents=("a",)), first, LATER)
    other = pack_status(replace(facts, digest="def"), first, LATER)
    assert [each.last_updated for each in (first, same, other)] == [NOW, NOW, LATER]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"source": problem("x", message="no ConfigMap")},
            {
                "SourceValid": ("False", "SourceValidationFailed", "no ConfigMap"),
                "SchemaValid": ("False", "SourceInvalid", "there is no content to check"),
                "AgentsNotified": ("True", "NoAgentsToNotify", "no agent uses this version"),
            },
        ),
        (
            {"content": problem("x", message="no prompts"), "digest": "abc"},
            {
                "SourceValid": ("True", "SourceValid", "the content has the hash abc"),
                "SchemaValid": ("False", "SchemaValidationFailed", "no prompts"),
                "AgentsNotified": ("True", "NoAgentsToNotify", "no agent uses this version"),
            },
        ),
        (
            {"remarks": "format 1.0", "digest": "abc", "agents": ("a", "b")},
            {
                "SourceValid": ("True", "SourceValid", "the content has the hash abc"),
                "SchemaValid": ("True", "SchemaValid", "format 1.0"),
                "AgentsNotified": ("True", "AgentsNotified", "used by a, b"),
            },
        ),
    ],
)
def test_a_pack_says_what_is_wrong_with_it(more: dict[str, object], expected: Told) -> None:
    facts = replace(PackFacts(4, pack(), lineup=Lineup(TWO)), **more)  # type: ignore[arg-type]
    assert told(pack_status(facts, PromptPackStatus(), NOW).conditions) == expected


def test_the_facts_of_a_pack_have_its_content_and_its_rank() -> None:
    documents = [objects.pack({"version": each}, f"p{each[0]}") for each in ("1.0.0", "2.0.0")]
    named = [objects.merge(each, {"spec": {"packName": "pack"}}) for each in documents]
    maps = {"p1-json": {"pack.json": world.PACK_TEXT}, "p2-json": {"pack.json": "{}"}}
    there = world.found(*named, config_maps=maps)
    one, two = (there.packs["default", name] for name in ("p1", "p2"))
    good, bad = pack_facts(1, one, there), pack_facts(2, two, there)
    assert (good.generation, good.pack, good.source, good.content, good.first) == (
        1,
        one,
        None,
        None,
        True,
    )
    assert good.remarks.startswith("PromptPack format ")
    assert (bad.generation, bad.source, bad.first) == (2, None, False)
    assert bad.content is not None
    for facts in (good, bad):
        assert facts.lineup is not None
        assert facts.lineup.stable.version == "1.0.0"
    gone = pack_facts(1, one, replace(there, config_maps={}))
    assert gone.source is not None
    assert "p1-json" in gone.source.message
    assert (gone.content, gone.remarks, gone.lineup) == (None, "", None)


@pytest.mark.parametrize(
    ("phase", "at", "first", "expected"),
    [
        (PackPhase.CANARY, "2026-01-01T00:01:00Z", False, (NOW, None)),
        (PackPhase.CANARY, "2026-01-01T00:09:00Z", False, (NOW, None)),
        (PackPhase.ACTIVE, "2026-01-01T00:01:00Z", False, (NOW, None)),
        (PackPhase.ACTIVE, "2026-01-01T00:03:00Z", False, (NOW, "2026-01-01T00:03:00Z")),
        (PackPhase.ACTIVE, "2026-01-01T00:01:00Z", True, (NOW, "2026-01-01T00:01:00Z")),
        (PackPhase.FAILED, "2026-01-01T00:01:00Z", False, None),
        (PackPhase.SUPERSEDED, "2026-01-01T00:09:00Z", True, None),
    ],
)
def test_a_canary_is_complete_when_it_is_active_at_its_last_step(
    phase: PackPhase,
    at: str,
    first: bool,
    expected: tuple[str, str | None] | None,
) -> None:
    known = CanaryProgress(version="2.0.0", start_time=NOW)
    running = pack(rollout=CANARY).model_copy(update={"status": PromptPackStatus(canary=known)})
    found = progress(running, phase, at, first=first)
    assert (found and (found.start_time, found.completion_time)) == expected


def test_a_canary_that_is_complete_stays_so_and_a_version_without_one_has_none() -> None:
    known = CanaryProgress(version="2.0.0", start_time=NOW, completion_time=LATER)
    status = PromptPackStatus(canary=known)
    done = pack(rollout=CANARY).model_copy(update={"status": status})
    assert progress(done, PackPhase.FAILED, LATER, first=False) == known
    plain = pack().model_copy(update={"status": status})
    assert progress(plain, PackPhase.ACTIVE, LATER, first=False) is None
    begun = progress(pack(rollout=CANARY), PackPhase.CANARY, LATER, first=False)
    assert begun == CanaryProgress(version="2.0.0", start_time=LATER)


def step(phase: str, candidate: str | None = None, weight: int | None = None) -> PromptPackStatus:
    return PromptPackStatus(
        phase=PackPhase(phase),
        active_version="1.0.0",
        canary_version=candidate,
        canary_weight=weight,
    )


STARTED = Announcement(
    False,
    "CanaryStarted",
    "version 2.0.0 gets 10 % of new sessions, version 1.0.0 gets the others",
)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (step("Failed"), step("Canary", "2.0.0", 10), STARTED),
        (step("Canary", "1.9.0", 10), step("Canary", "2.0.0", 10), STARTED),
        (
            step("Canary", "2.0.0", 10),
            step("Canary", "2.0.0", 40),
            Announcement(False, "CanaryStepped", "version 2.0.0 gets 40 % of new sessions"),
        ),
        (step("Canary", "2.0.0", 10), step("Canary", "2.0.0", 10), None),
        (
            step("Canary", "2.0.0", 70),
            step("Active"),
            Announcement(False, "CanaryPromoted", "all new sessions get version 2.0.0"),
        ),
        (
            step("Canary", "2.0.0", 70),
            step("Failed"),
            Announcement(True, "CanaryStopped", "new sessions no longer get version 2.0.0"),
        ),
        (
            step("Active", "3.0.0", 10),
            step("Active"),
            Announcement(
                False,
                "CanaryWithdrawn",
                "version 3.0.0 was withdrawn: all new sessions get version 2.0.0",
            ),
        ),
        (step("Active", "3.0.0", 10), step("Active", "3.0.0", 40), None),
        (step("Active", "3.0.0", 10), step("Superseded"), None),
        (step("Active"), step("Active"), None),
        (step("Failed"), step("Active"), None),
    ],
)
def test_each_step_of_a_canary_is_an_event(
    before: PromptPackStatus, after: PromptPackStatus, expected: Announcement | None
) -> None:
    assert [*news(pack(), before, after)] == ([expected] if expected else [])
