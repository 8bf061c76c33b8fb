"""What is offered and sent to a vendor is valid there, whatever tools and models wrote it."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.tools import ToolCall
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import json_bytes
from omnia_core.sessions import Message
from omnia_runtime.ports.model import (
    ChatRequest,
    Finished,
    ModelEvent,
    TextDelta,
    ToolCallRequest,
    ToolSpec,
)
from omnia_runtime.providers.fitting import Fitting, fit_tools, omitted_tools, rules_of
from omnia_runtime.providers.tool_schemas import UnfitTool, fit_schema
from tests.runtime.vendor_rules import refusal

CLAUDE = ProviderConfig("default", "claude", "claude-sonnet-4-6")
GEMINI = ProviderConfig("default", "gemini", "gemini-3-flash")
OPENAI = ProviderConfig("default", "openai", "gpt-5")
COMPATIBLE = ProviderConfig("default", "openai", "m", base_url="http://localhost:1/v1")
MISTRAL = ProviderConfig("default", "openai", "m", base_url="https://api.mistral.ai/v1")
SELF_HOSTED = ProviderConfig("default", "vllm", "m")
VENDORS = (CLAUDE, GEMINI, OPENAI, COMPATIBLE, MISTRAL)
TEXT = {"type": "string"}
NUMBER = {"type": "number"}
ID = {"type": "object", "properties": {"id": TEXT}, "required": ["id"]}
NAME = {"type": "object", "properties": {"name": TEXT, "id": NUMBER}, "required": ["name", "id"]}


def of(properties: Any, **others: Any) -> Any:
    return {"type": "object", "properties": properties, **others}


@pytest.mark.parametrize(
    ("schema", "fitted"),
    [
        pytest.param(ID, ID, id="valid"),
        pytest.param({"type": "object"}, of({}), id="without properties"),
        pytest.param({}, of({}), id="empty"),
        pytest.param(True, of({}), id="no object"),
        pytest.param({"type": ["object", "null"]}, of({}), id="nullable"),
        pytest.param({"properties": {"a": TEXT}}, of({"a": TEXT}), id="without type"),
        pytest.param(of(None, required=None), of({}), id="null members"),
        pytest.param(
            of({"a": {"type": "array"}}), of({"a": {"type": "array", "items": {}}}), id="no items"
        ),
        pytest.param(
            of({"a": {"type": ["array", "null"]}}),
            of({"a": {"type": ["array", "null"], "items": {}}}),
            id="no items, nullable",
        ),
        pytest.param(
            of({"a": {"type": "array", "items": [TEXT, NUMBER], "additionalItems": False}}),
            of({"a": {"type": "array", "prefixItems": [TEXT, NUMBER], "items": {"not": {}}}}),
            id="draft 4 tuple",
        ),
        pytest.param(
            of({"a": {"type": "number", "minimum": 1, "exclusiveMinimum": True}}),
            of({"a": {"type": "number", "exclusiveMinimum": 1}}),
            id="draft 4 bound",
        ),
        pytest.param(
            of({"a": {"type": "string", "required": True, "maxLength": "9", "enum": []}}),
            of({"a": {"type": "string", "required": []}}),
            id="malformed keywords",
        ),
        pytest.param(of({"a": {"type": "file"}}), of({"a": {}}), id="unknown type"),
        pytest.param(of({"a": None, "b": True}), of({"a": {}, "b": {}}), id="no schemas"),
        pytest.param(
            {"allOf": [ID, of({"b": TEXT})]}, of({"id": TEXT, "b": TEXT}, required=["id"])
        ),
        pytest.param(
            {"anyOf": [ID, NAME]},
            of({"id": {"anyOf": [TEXT, NUMBER]}, "name": TEXT}, required=["id"]),
            id="any of",
        ),
        pytest.param(
            of({"z": TEXT}, oneOf=[{"required": ["z"]}, {"required": ["y"]}]),
            of({"z": TEXT}),
            id="alternatives of required",
        ),
        pytest.param({"oneOf": [ID, {"type": "string"}]}, ID, id="one variant is an object"),
        pytest.param(
            {"$ref": "#/$defs/a", "$defs": {"a": ID}}, ID | {"$defs": {"a": ID}}, id="reference"
        ),
        pytest.param(
            of({"a": {"$ref": "#/$defs/no"}, "b": {"$ref": "other.json", "title": "B"}}),
            of({"a": {}, "b": {"title": "B"}}),
            id="references to nothing",
        ),
        pytest.param(
            of({"p[q]": TEXT, "r": {"$ref": "#/properties/p[q]"}}, required=["p[q]"]),
            of({"r": {"$ref": "#/properties/p_q"}, "p_q": TEXT}, required=["p_q"]),
            id="reference to a renamed argument",
        ),
        pytest.param(
            of({"$schema": TEXT}, **{"$schema": "http://json-schema.org/draft-04/schema#"}),
            of({"schema": TEXT}),
            id="dialect",
        ),
        pytest.param(
            of({"n": {"type": "integer", "maximum": 2**64}}),
            of({"n": {"type": "integer", "maximum": 2**64}}),
            id="integer of more than 64 bits",
        ),
    ],
)
def test_a_schema_is_fitted(schema: Any, fitted: Any) -> None:
    assert fit_schema(schema).schema == fitted


@pytest.mark.parametrize(
    ("names", "offered"),
    [
        (["$.xgafv"], ["xgafv"]),
        (
            ["filter[name]", "filter_name", "filter(name)"],
            ["filter_name_2", "filter_name", "filter_name_3"],
        ),
        (["名前", ""], ["argument", "argument_2"]),
        (["x" * 65, "x" * 64], ["x" * 62 + "_2", "x" * 64]),
        (["a.b-c_1"], ["a.b-c_1"]),
    ],
)
def test_arguments_are_offered_under_legal_names(names: list[str], offered: list[str]) -> None:
    fitted = fit_schema(of(dict.fromkeys(names, TEXT)))
    assert set(fitted.schema["properties"]) == set(offered)
    own = dict(fitted.renamed)
    assert [own.get(name, name) for name in offered] == names


def test_what_a_schema_does_not_say_any_more_is_in_the_description() -> None:
    tools = fit_tools([ToolSpec("t", "Does it.", of({}, anyOf=[ID]))], rules_of(OPENAI)).tools
    assert tools[0].description.startswith("Does it.\n\nThe arguments must also be valid under ")
    assert json.loads(tools[0].description.partition(" under ")[2]) == {"anyOf": [ID]}


SENTENCES = "Lists the orders of a shop, e.g. those of today. " * 20


@pytest.mark.parametrize(
    ("description", "offered"),
    [
        (SENTENCES + "x" * 2000, SENTENCES.strip()),
        ("Lists orders. " + "word " * 500, "Lists orders. " + ("word " * 201).strip() + "…"),
        ("first, " + "x" * 2000, "first…"),
        ("x" * 2000, "x" * 1023 + "…"),
        ("x" * 1024, "x" * 1024),
        ("注文の一覧。" * 300, "注文の一覧。" * 170),
        (
            "# Orders\n\n" + "- item\n" * 140 + "\n\nMore",
            "# Orders\n\n" + "- item\n" * 140 + "\n\nMore",
        ),
        (" \n" * 1000, ""),
    ],
)
def test_a_description_that_a_vendor_refuses_ends_with_a_whole_sentence(
    description: str, offered: str
) -> None:
    noted = ToolSpec("noted", description, of({}, anyOf=[ID]))
    for config in (OPENAI, COMPATIBLE):
        (found,) = fit_tools([ToolSpec("t", description, ID)], rules_of(config)).tools
        assert found.description == offered
        (found,) = fit_tools([noted], rules_of(config)).tools
        assert found.description.startswith(offered)
        assert len(found.description) <= 1024
    (found,) = fit_tools([ToolSpec("t", description, ID)], rules_of(CLAUDE)).tools
    assert found.description == description


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "string"}, "not of the type object"),
        ({"type": "array", "items": TEXT}, "not of the type object"),
        ({"oneOf": [TEXT, NUMBER]}, "not of the type object"),
        ({"$ref": "#/$defs/a", "$defs": {"a": TEXT}}, "not of the type object"),
        (of({"a": {"default": {1, 2}}}), "cannot be written as JSON"),
    ],
)
def test_a_tool_that_cannot_be_offered_is_named(schema: Any, reason: str) -> None:
    with pytest.raises(UnfitTool, match=reason):
        fit_schema(schema)
    tools = [ToolSpec("bad", "", schema), ToolSpec("good", "", ID)]
    assert [tool.name for tool in fit_tools(tools, rules_of(CLAUDE)).tools] == ["good"]
    (message,) = omitted_tools(CLAUDE, tools)
    assert 'the tool "bad" is not offered to the provider "default" (claude): ' in message


def test_half_of_a_surrogate_pair_costs_no_tool() -> None:
    fitted = fit_schema(of({"a": {"default": "\ud800"}})).schema
    assert b'"default":"?"' in json_bytes(fitted)


def test_deep_and_endless_schemas_cost_only_their_tool() -> None:
    deep: Any = TEXT
    for _ in range(5000):
        deep = {"type": "array", "items": deep}
    with pytest.raises(UnfitTool, match="too deeply"):
        fit_schema(of({"a": deep}))
    loop = {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, ID]}}}
    assert fit_schema(loop).schema["properties"] == {"id": TEXT}


def test_the_tools_beyond_the_limit_are_named() -> None:
    tools = [ToolSpec(f"t{number:03}", "", ID) for number in range(131)]
    assert len(Fitting(OPENAI).fit(ChatRequest("", (), tools)).request.tools) == 128
    (message,) = omitted_tools(COMPATIBLE, tools)
    assert message.startswith(
        '3 of 131 tools are not offered to the provider "default" (openai), which takes 128: '
        "t128, t129, t130; "
    )
    assert omitted_tools(CLAUDE, tools) == []
    assert omitted_tools(ProviderConfig("v", "vllm", "m"), tools) == []
    (message,) = omitted_tools(GEMINI, [ToolSpec(f"t{number}", "", ID) for number in range(700)])
    assert message.startswith("188 of 700 tools are not offered to ")
    assert " and 88 more; " in message


async def test_renamed_arguments_and_tools_are_mapped_there_and_back() -> None:
    schema = of({"filter[name]": TEXT, "n": NUMBER}, required=["filter[name]"])
    tools = [ToolSpec("3d", "", schema), ToolSpec("_3d", "", ID)]
    call = ToolCall("c1", "3d", '{"filter[name]":"x","n":1}')
    history = [Message("user", "hi"), Message("assistant", tool_calls=(call,))]
    fitted = Fitting(GEMINI).fit(ChatRequest("", history, tools))
    assert [tool.name for tool in fitted.request.tools] == ["_3d_2", "_3d"]
    assert fitted.request.messages[1].tool_calls == (
        ToolCall("c1", "_3d_2", '{"filter_name":"x","n":1}'),
    )
    assert history[1].tool_calls == (call,)

    async def answer() -> AsyncGenerator[ModelEvent, None]:
        yield TextDelta("a")
        yield ToolCallRequest("c2", "_3d_2", '{"filter_name":"y","n":2}', "kept")
        yield ToolCallRequest("c3", "_3d_2", '{"filter[name]":"z"}')
        yield ToolCallRequest("c4", "_3d_2", "{broken")
        yield ToolCallRequest("c5", "_3d", '{"filter_name":"y"}')
        yield Finished("tool_use")

    assert [event async for event in fitted.restored(answer())] == [
        TextDelta("a"),
        ToolCallRequest("c2", "3d", '{"filter[name]":"y","n":2}', "kept"),
        ToolCallRequest("c3", "3d", '{"filter[name]":"z"}'),
        ToolCallRequest("c4", "3d", "{broken"),
        ToolCallRequest("c5", "_3d", '{"filter_name":"y"}'),
        Finished("tool_use"),
    ]


async def test_an_integer_of_any_size_keeps_its_digits_under_another_name() -> None:
    number = 123456789012345678901234567890
    fitted = Fitting(CLAUDE).fit(ChatRequest("", (), [ToolSpec("t", "", of({"p[q]": NUMBER}))]))

    async def events() -> AsyncGenerator[ModelEvent, None]:
        yield ToolCallRequest("1", "t", json.dumps({"p_q": number}))

    (call,) = [event async for event in fitted.restored(events())]
    assert isinstance(call, ToolCallRequest)
    assert json.loads(call.arguments) == {"p[q]": number}


def test_an_answer_is_passed_on_as_it_is_when_nothing_is_renamed() -> None:
    async def answer() -> AsyncGenerator[ModelEvent, None]:
        yield Finished("stop")

    events = answer()
    assert (
        Fitting(CLAUDE).fit(ChatRequest("", (), [ToolSpec("t", "", ID)])).restored(events) is events
    )


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('{"big":12345678901234567890123}', '{"big":12345678901234567890123}'),
        ("", "{}"),
        ("null", "{}"),
        ("[1]", "{}"),
        ('"text"', "{}"),
        ('{"a":', "{}"),
        ('"{\\"a\\":1}"', '{"a":1}'),
        ('{"a":1}}', '{"a":1}'),
        ('{"a":"one\ntwo"}', '{"a":"one\\ntwo"}'),
        ("{'a': True, 'b': None, 'c': (1,)}", '{"a":true,"b":null,"c":[1]}'),
        ('{"a":NaN}', '{"a":null}'),
        ("{'a': {1}}", "{}"),
        ('{"a":"\\ud800"}', "{}"),
        ("[" * 5000, "{}"),
    ],
)
def test_the_arguments_of_a_call_are_an_object_for_every_vendor(written: str, sent: str) -> None:
    call = ToolCall("c1", "get", written)
    history = [Message("user", "hi"), Message("assistant", tool_calls=(call,)), result("c1")]
    for config in (OPENAI, COMPATIBLE):
        messages = Fitting(config).fit(ChatRequest("", history)).request.messages
        assert messages[1].tool_calls[0].arguments == sent


def calls(*ids: str, name: str = "get") -> Message:
    return Message("assistant", tool_calls=tuple(ToolCall(call_id, name) for call_id in ids))


def result(call_id: str, content: str = "1") -> Message:
    return Message("tool", content, tool_call_id=call_id)


LONG = "call_" + "x" * 60


@pytest.mark.parametrize(
    ("config", "ids", "fitted"),
    [
        (CLAUDE, ["functions.get:0"], ["functions_get_0"]),
        (CLAUDE, ["c", "c"], ["c", "c_2"]),
        (CLAUDE, ["", ""], ["call", "call_2"]),
        (CLAUDE, ["a:b", "a_b"], ["a_b", "a_b_2"]),
        (CLAUDE, ["toolu_1", LONG], ["toolu_1", "call_" + "x" * 50 + "_b8823c91"]),
        (OPENAI, [LONG], ["call_" + "x" * 26 + "_b8823c91"]),
        (
            COMPATIBLE,
            ["functions.get:0", LONG],
            ["functions.get:0", "call_" + "x" * 26 + "_b8823c91"],
        ),
        (SELF_HOSTED, [LONG], [LONG]),
        (COMPATIBLE, ["call_0", "call_0"], ["call_0", "call_0_2"]),
        (MISTRAL, ["aB3dE6gH9"], ["aB3dE6gH9"]),
        (MISTRAL, ["toolu_1"], ["4838a0c25"]),
    ],
)
def test_ids_are_legal_and_unique(
    config: ProviderConfig, ids: list[str], fitted: list[str]
) -> None:
    history = [Message("user", "hi")]
    for call_id in ids:
        history += [calls(call_id), result(call_id)]
    parallel = [Message("user", "hi"), calls(*ids), *(result(call_id) for call_id in ids)]
    for conversation in (history, parallel):
        messages = Fitting(config).fit(ChatRequest("", conversation)).request.messages
        assert [call.id for message in messages for call in message.tool_calls] == fitted
        assert [m.tool_call_id for m in messages if m.role == "tool"] == fitted


@pytest.mark.parametrize(
    ("name", "fitted"),
    [("a.b", "a_b"), ("", "unknown"), ("x" * 80, "x" * 55 + "_d929cdee"), ("ok-1", "ok-1")],
)
def test_names_of_calls_are_legal(name: str, fitted: str) -> None:
    history = [calls("c1", name=name), result("c1")]
    messages = Fitting(OPENAI).fit(ChatRequest("", history)).request.messages
    assert messages[0].tool_calls[0].name == fitted


def test_every_call_has_one_result_and_no_message_is_empty() -> None:
    history = [
        Message("user", " "),
        result("c0"),
        calls("c1", "c2"),
        result("c2", ""),
        result("c2", "second"),
        Message("assistant", " \n"),
        Message("user", "and?"),
    ]
    messages = Fitting(COMPATIBLE).fit(ChatRequest("", history)).request.messages
    assert [(m.role, m.content, m.tool_call_id) for m in messages] == [
        ("user", "(no text)", ""),
        ("assistant", "", ""),
        ("tool", '{"error":"not finished"}', "c1"),
        ("tool", "(no output)", "c2"),
        ("user", "and?", ""),
    ]


def test_a_valid_conversation_stays_the_same_objects() -> None:
    history = [Message("user", "hi"), calls("c1"), result("c1"), Message("assistant", "done")]
    for config in (CLAUDE, GEMINI, OPENAI):
        messages = Fitting(config).fit(ChatRequest("", history)).request.messages
        assert all(new is old for new, old in zip(messages, history, strict=True))


def test_a_conversation_begins_with_the_user_where_a_vendor_wants_it() -> None:
    history = [Message("assistant", "Welcome."), Message("user", "hi")]
    roles = {
        config.type: [
            message.role
            for message in Fitting(config).fit(ChatRequest("", history)).request.messages
        ]
        for config in (CLAUDE, OPENAI)
    }
    assert roles == {"claude": ["user", "assistant", "user"], "openai": ["assistant", "user"]}


# Names that stand in schemas, and others.
KEYS = st.sampled_from(
    [
        "type",
        "properties",
        "items",
        "required",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "enum",
        "$ref",
        "$defs",
        "additionalProperties",
        "dependencies",
        "dependentRequired",
        "$anchor",
        "minContains",
        "uniqueItems",
        "minimum",
        "exclusiveMinimum",
        "pattern",
        "$schema",
        "a",
        "b[c]",
        "$d",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(
        ["object", "array", "string", "number", "file", "#/$defs/a", "#", "#/properties/a", "b[c]"]
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)
SCHEMAS = st.dictionaries(KEYS, VALUES, max_size=6)


@given(st.lists(SCHEMAS | VALUES, min_size=1, max_size=4))
def test_whatever_the_schemas_are_the_vendors_rules_hold(schemas: list[Any]) -> None:
    tools = [ToolSpec(f"{index}.t", "", schema) for index, schema in enumerate(schemas)]
    for config in VENDORS:
        fitted = fit_tools(tools, rules_of(config))
        assert len(fitted.tools) + len(fitted.unfit) == len(tools)
        assert refusal(config.type, fitted.tools) is None


IDS = st.sampled_from(["", "a", "b", "a:1", LONG])
CALLS = st.builds(
    ToolCall, IDS, st.sampled_from(["get", "", "a.b"]), st.sampled_from(["{}", "[1]", "{", "null"])
)
MESSAGES = st.one_of(
    st.builds(Message, st.sampled_from(["user", "assistant"]), st.sampled_from(["", " ", "hi "])),
    st.builds(
        lambda found: Message("assistant", tool_calls=tuple(found)),
        st.lists(CALLS, min_size=1, max_size=3),
    ),
    st.builds(result, IDS, st.sampled_from(["", "1"])),
)


@given(st.lists(MESSAGES, max_size=8), st.sampled_from(VENDORS))
def test_whatever_the_history_is_the_vendors_rules_hold(
    history: list[Message], config: ProviderConfig
) -> None:
    history = [*history, Message("user", "now")]
    request = Fitting(config).fit(ChatRequest("", history)).request
    rules = rules_of(config).history
    seen: list[str] = []
    waiting: list[str] = []
    for message in request.messages:
        assert message.content.strip() or message.tool_calls
        if message.role == "tool":
            assert message.tool_call_id == waiting.pop(0)
            continue
        assert not waiting
        for call in message.tool_calls:
            assert call.id
            assert rules.ids is None or rules.ids.fullmatch(call.id)
            assert rules.names.fullmatch(call.name)
            assert isinstance(json.loads(call.arguments), dict)
            seen.append(call.id)
            waiting.append(call.id)
    assert len(set(seen)) == len(seen)
    again = Fitting(config).fit(ChatRequest("", history)).request
    assert again.messages == request.messages
