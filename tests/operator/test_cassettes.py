"""The cassette of a Provider: its rules, its file in the pod, and what is said of a wrong one."""

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from omnia_core.files.cassette import header_line
from omnia_core.files.providers import CassetteConfig, ProvidersFile
from omnia_core.files.reading import decode_yaml
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import findings
from omnia_operator.resolve import Found
from tests.docs.blocks import ROOT, blocks
from tests.operator import objects, world
from tests.operator.test_plan import content, planned

CASSETTE = header_line(datetime(2026, 1, 1, tzinfo=UTC)).decode()
REPLAY = {"mode": "replay", "configMapRef": {"name": "recorded"}}
CLAUDE = {"type": "claude", "model": "claude-haiku-4-5"}


def there(cassette: JsonObject, text: str | None = CASSETTE, **settings: Any) -> Found:
    maps = {"pack-json": {"pack.json": world.PACK_TEXT}}
    if text is not None:
        maps["recorded"] = {"cassette.jsonl": text}
    provider = objects.provider({**settings, "cassette": cassette})
    return world.found(objects.pack(), provider, config_maps=maps)


def test_a_replay_from_a_config_map_needs_no_key_and_lies_beside_the_providers() -> None:
    made = planned(there=there(REPLAY, **CLAUDE))
    data = content(made, "providers")
    assert data["cassette-default.jsonl"] == CASSETTE
    (provider,) = decode_yaml(data["providers.yaml"], ProvidersFile, "it").providers
    path = "/etc/omnia/providers/cassette-default.jsonl"
    assert provider.cassette == CassetteConfig("replay", path)
    assert not made.secret_copies


@pytest.mark.parametrize("mode", ["record", "auto"])
def test_a_recording_is_written_to_a_path(mode: str) -> None:
    data = content(planned(there=there({"mode": mode, "path": "/rec/m.jsonl"})), "providers")
    (provider,) = decode_yaml(data["providers.yaml"], ProvidersFile, "it").providers
    assert provider.cassette == CassetteConfig(mode, "/rec/m.jsonl")  # type: ignore[arg-type]
    assert list(data) == ["providers.yaml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, 'reads its recorded answers from key cassette.jsonl of ConfigMap "recorded", which'),
        ("", 'ConfigMap "recorded" is no cassette: expected the first line'),
        (f"{CASSETTE}x\n", 'ConfigMap "recorded":2: this is no recording'),
    ],
)
def test_a_cassette_that_cannot_be_read_is_told(text: str | None, said: str) -> None:
    (problem,) = world.problems(objects.agent(), there(REPLAY, text))
    assert problem[:2] == ("ProviderReady", "ProviderNotReady")
    assert said in problem[2]


def refused(change: JsonObject) -> list[tuple[str, str]]:
    return [(str(each.path), each.message) for each in findings(objects.provider(change))]


@pytest.mark.parametrize(
    ("cassette", "said"),
    [
        ({"mode": "replay"}, "a cassette is in one place"),
        ({**REPLAY, "mode": "record"}, "record and auto write the cassette"),
        ({**REPLAY, "mode": "rewind"}, "rewind"),
    ],
)
def test_a_cassette_that_cannot_work_is_refused(cassette: JsonObject, said: str) -> None:
    assert any(said in message for _, message in refused({"cassette": cassette}))


def test_only_a_replay_needs_no_key() -> None:
    assert refused({**CLAUDE, "cassette": REPLAY}) == []
    recording = {**CLAUDE, "cassette": {"mode": "record", "path": "/rec/m.jsonl"}}
    assert any("need an API key" in message for _, message in refused(recording))


def test_the_provider_of_the_page() -> None:
    page = blocks(ROOT / "docs/how-to/evals.md")
    (text,) = (each.text for each in page if each.language == "yaml" and "cassette:" in each.text)
    assert list(findings(yaml.safe_load(text))) == []
