"""What the runtime tells of the agent: what it is made of, and its prompt with values."""

import orjson
import pytest

from omnia_core.errors import OmniaError
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.configuration.loader import Configuration, Loader
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.server.described import compose_prompt, describe_agent
from omnia_runtime.tools.sources import ToolSources
from tests.runtime.scripted import Mounted, http_tool, metrics, pack

ADDRESS = "http://10.0.0.9/orders"
VARIABLES = [
    {"name": "company", "type": "string", "required": True, "description": "Who asks."},
    {
        "name": "plan",
        "type": "string",
        "required": False,
        "default": "free",
        "validation": {"enum": ["free", "gold"]},
    },
]
TEMPLATE = "{{tone}} You work for {{company}}, plan {{plan}}."


@pytest.fixture
def configuration(mounted: Mounted) -> Configuration:
    mounted.write_pack(
        pack(
            TEMPLATE,
            fragments={"tone": "Be kind."},
            variables=VARIABLES,
            validators=[{"type": "max_length", "params": {"max_characters": 100}}],
        )
    )
    mounted.write_provider(
        model="m-1",
        baseURL="http://models.internal/v1",
        headers={"X-Key": "k-secret"},
        pricing={"inputCostPer1K": 0.5, "outputCostPer1K": 2},
        defaults={"contextWindow": 8000, "truncationStrategy": "summarize"},
    )
    mounted.write_tools(
        http_tool(ADDRESS, schema={"type": "object", "properties": {"id": {"type": "string"}}})
    )
    client = HTTPClient()
    return Loader(mounted.env(), client, ToolSources(client, lambda: None), metrics()).load()


def test_the_agent_is_told_without_keys_and_addresses(configuration: Configuration) -> None:
    told = describe_agent(configuration, {})
    assert told.pack == "support"
    assert [(each.version, each.weight) for each in told.versions] == [("1.0.0", 100)]
    assert told.versions[0].template == told.template
    assert told.template == "Be kind. You work for {{company}}, plan {{plan}}."
    company, plan = told.variables
    assert (company.name, company.required, company.description) == ("company", True, "Who asks.")
    assert (plan.default_json, list(plan.enum_json)) == ('"free"', ['"free"', '"gold"'])
    (tool,) = told.tools
    assert (tool.name, tool.handler, tool.type) == ("lookup", "lookup-handler", "http")
    assert orjson.loads(tool.input_schema_json)["properties"] == {"id": {"type": "string"}}
    assert not tool.unreachable
    (tool,) = describe_agent(configuration, {"lookup-handler": True}).tools
    assert tool.unreachable
    (provider,) = told.providers
    assert (provider.model, provider.input_usd, provider.output_usd) == ("m-1", 500, 2000)
    assert (told.window_tokens, told.window_strategy) == (8000, "summarize")
    assert list(told.validators) == ["max_length"]
    for hidden in ("10.0.0.9", "models.internal", "k-secret"):
        assert hidden not in str(told)


def test_a_prompt_is_composed_as_a_turn_would(configuration: Configuration) -> None:
    request = pb.ComposePromptRequest(variables={"company": "Acme", "other": "ignored"})
    composed = compose_prompt(configuration.versions, request)
    agent = configuration.versions.stable
    text = "".join(piece.text for piece in composed.pieces)
    assert text == agent.prompt.render({"company": "Acme"})
    assert [(each.text, each.variable) for each in composed.pieces if each.variable] == [
        ("Acme", "company"),
        ("free", "plan"),
    ]
    assert (composed.version, list(composed.tools)) == ("1.0.0", ["lookup"])
    assert 8 < composed.tokens < 40
    assert not composed.missing
    assert not composed.problems


def test_what_is_missing_or_wrong_stands_beside_the_text(configuration: Configuration) -> None:
    request = pb.ComposePromptRequest(variables={"plan": "silver"})
    composed = compose_prompt(configuration.versions, request)
    assert list(composed.missing) == ["company"]
    assert len(composed.problems) == 2
    assert "{{company}}" in "".join(piece.text for piece in composed.pieces)


def test_there_is_no_prompt_of_an_unknown_version(configuration: Configuration) -> None:
    with pytest.raises(OmniaError, match=r'no version "9\.9\.9" of the pack; there are: 1\.0\.0'):
        compose_prompt(configuration.versions, pb.ComposePromptRequest(version="9.9.9"))
