"""The mounted files: what is wrong with one is said with its place."""

import json
from pathlib import Path

import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import Pack, parse_pack
from omnia_core.files.providers import Pricing, ProviderConfig, ProvidersFile
from omnia_core.files.reading import decode_yaml, encode_yaml, read_text
from omnia_core.files.tools import HTTPConfig, ToolDefinition, ToolHandler, ToolsFile
from omnia_core.jsonvalue import JsonObject

PROMPT = {"id": "a", "name": "A", "version": "1.0.0", "system_template": "Be kind."}
PACK = {
    "id": "p",
    "name": "P",
    "version": "1.0.0",
    "template_engine": {"version": "v1", "syntax": "{{variable}}"},
    "prompts": {"a": PROMPT},
}


def pack(**changes: object) -> Pack:
    return parse_pack(json.dumps({**PACK, **changes}))


def test_a_pack_with_newer_keys_is_accepted() -> None:
    assert pack(requires={"providers": []}, metadata={"governance": {}}).id == "p"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"id": "p",\n  oops}', "line 2 column 3"),
        ("[]", "Expected `object`"),
        (json.dumps({**PACK, "prompts": {}}), "prompts is empty"),
        (json.dumps({**PACK, "prompts": {"a": {**PROMPT, "system_template": 5}}}), "$.prompts"),
        (json.dumps({key: PACK[key] for key in PACK if key != "id"}), "`id`"),
    ],
)
def test_a_pack_that_does_not_parse_says_where(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_pack(text, "pack.json")
    assert expected in caught.value.message
    assert caught.value.message.startswith("pack.json")


TWO: JsonObject = {"a": PROMPT, "b": {**PROMPT, "id": "b"}}


@pytest.mark.parametrize(
    ("changes", "name", "chosen"),
    [
        ({}, "default", "a"),
        ({"prompts": TWO}, "b", "b"),
        ({"prompts": TWO, "workflow": {"entry": "b"}}, "a", "b"),
        ({"prompts": TWO, "agents": {"entry": "b"}}, "a", "b"),
    ],
)
def test_the_entry_of_a_pack_is_declared_or_the_only_one_or_named(
    changes: JsonObject, name: str, chosen: str
) -> None:
    assert pack(**changes).prompt(name).id == chosen


def test_an_entry_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="it has: a, b"):
        pack(prompts=TWO).prompt("default")


def test_what_a_pack_declares_and_nothing_acts_on_is_listed() -> None:
    declared = pack(evals=[{"id": "e"}], prompts={"a": {**PROMPT, "validators": [{"type": "x"}]}})
    notes = " ".join(declared.not_applied())
    assert "evals" in notes
    assert "prompts.a.validators" in notes


def test_tools_and_providers_survive_their_file() -> None:
    tools = ToolsFile(
        [
            ToolHandler(
                name="orders",
                type="http",
                tool=ToolDefinition("lookup", "Look up.", {"type": "object"}),
                http_config=HTTPConfig("http://orders:80/x", query_params=["a"]),
            )
        ]
    )
    providers = ProvidersFile(
        [ProviderConfig("default", "openai", "m", pricing=Pricing(0.1, 0.2), base_url="http://x")]
    )
    assert decode_yaml(encode_yaml(tools), ToolsFile, "tools.yaml") == tools
    assert decode_yaml(encode_yaml(providers), ProvidersFile, "providers.yaml") == providers


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.json cannot be read"):
        read_text(str(tmp_path / "nothing.json"))
