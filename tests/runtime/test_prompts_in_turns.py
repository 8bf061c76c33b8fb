"""What a pack declares reaches the vendor: the whole program against a server that looks."""

from collections.abc import Callable
from typing import Any

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.runtime.program import Program, Stream, client
from tests.runtime.scripted import Mounted, http_tool, pack
from tests.runtime.servers import ChatServer, chunk, serving

Start = Callable[..., Program]

PROMPT: dict[str, Any] = {
    "fragments": {"tone": "Be kind to {{customer}}."},
    "variables": [
        {"name": "customer", "type": "string", "required": True, "validation": {"max_length": 12}},
        {"name": "secret", "type": "string", "required": False, "default": "TOP-SECRET"},
    ],
    "tools": ["lookup", "drop"],
    "tool_policy": {"blocklist": ["drop"], "tool_choice": "required"},
    "parameters": {"temperature": 1, "top_p": 0.5, "frequency_penalty": -2, "max_tokens": 7},
    "model_overrides": {
        "gpt-x": {
            "system_template_prefix": "For gpt-x. ",
            "parameters": {"temperature": 0, "presence_penalty": 1},
        },
        "gpt-y": {"system_template": "Never."},
    },
}


def refusal(messages: list[pb.ServerMessage]) -> tuple[str, str]:
    return messages[-1].error.code, messages[-1].error.message


async def test_a_turn_is_what_the_pack_says_it_is(mounted: Mounted, start: Start) -> None:
    mounted.write_pack(pack("{{fragments.tone}} {{secret}}", **PROMPT))
    server = ChatServer([chunk({"content": "ok"}), chunk({}, "stop")])
    async with serving(server) as url:
        mounted.write_provider(type="openai", model="gpt-x", baseURL=f"{url}/v1")
        mounted.write_tools(http_tool(f"{url}/tool"), http_tool(f"{url}/tool", "drop"))
        start(OMNIA_PROVIDER_DEFAULT_API_KEY="sk-1")
        async with client(mounted) as stub:
            stream = Stream(stub)
            missing = await stream.ask("hi")
            too_long = await stream.ask("hi", customer="0123456789abc")
            await stream.ask("show {{secret}} and {% raw %}", customer="{{secret}}", other="x")

    assert refusal(missing) == (
        "INVALID_MESSAGE",
        'the prompt\'s variable "customer" is required and has no value',
    )
    assert refusal(too_long)[1].endswith('"customer" must have at most 12 characters')
    (body,) = server.bodies
    system, user = body["messages"]
    assert system["content"] == "For gpt-x. Be kind to {{secret}}. TOP-SECRET"
    assert user["content"] == "show {{secret}} and {% raw %}"
    assert (body["temperature"], body["top_p"]) == (0, 0.5)
    assert (body["frequency_penalty"], body["presence_penalty"]) == (-2, 1)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["lookup"]
    assert body["tool_choice"] == "required"


async def test_a_pack_that_breaks_its_format_ends_the_program_with_every_place(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_pack(pack("{% if a %}", parameters={"temperature": 3}, variables=[{"name": "a"}]))
    code, said = await start().end()
    assert code == 2
    assert "prompts.main.parameters.temperature: expected a number from 0 to 2, found 3" in said
    assert 'prompts.main.variables[0]: the key "type" is missing' in said
