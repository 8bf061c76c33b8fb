"""Functions as tools: what a model sees of them, and what a call does."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from omnia_core.errors import ConfigurationError
from omnia_tools import ToolFailed, tool
from omnia_tools.declaration import (
    ArgumentsInvalid,
    ResultInvalid,
    TimeLimitExceeded,
    call,
    declare,
    mark_of,
)
from omnia_tools.function import FunctionTool, read_docstring


def made(function: Callable[..., Any]) -> FunctionTool:
    mark = mark_of(function)
    assert mark is not None
    return FunctionTool(function, mark)


async def called(function: Callable[..., Any], seconds: float = 20, **arguments: object) -> str:
    return await call(made(function), function.__name__, arguments, seconds)


@dataclass
class Order:
    order: str
    count: int


@tool
def find(
    order: str,
    schema: Annotated[int, Field(ge=1)] = 3,
    _kind: Literal["new", "old"] = "new",
) -> Order:
    """Find an order.

    Use it first.

    Args:
        order (str): The number,
            such as A-1.
        schema: How many.

    Returns:
        The order.
    """
    return Order(order, schema)


def test_a_model_sees_name_docstring_and_a_schema_of_the_type_hints() -> None:
    found = declare(made(find))
    assert (found.name, found.description) == ("find", "Find an order.\n\nUse it first.")
    assert found.input_schema == {
        "type": "object",
        "additionalProperties": False,
        "required": ["order"],
        "properties": {
            "order": {"type": "string", "description": "The number, such as A-1."},
            "schema": {"type": "integer", "minimum": 1, "default": 3, "description": "How many."},
            "_kind": {"type": "string", "enum": ["new", "old"], "default": "new"},
        },
    }


def test_the_function_itself_stays_as_it_is() -> None:
    assert find("A-1") == Order("A-1", 3)
    assert inspect.isfunction(find)


async def test_a_call_returns_text_or_json() -> None:
    @tool(name="say", timeout=2)
    async def greet(name: str) -> str:
        """Greet."""
        await asyncio.sleep(0)
        return f"Hello {name}"

    assert declare(made(greet)).name == "say"
    assert declare(made(greet)).timeout == 2
    assert await called(greet, name="Ada") == "Hello Ada"
    assert await called(find, order="A-1") == '{"order":"A-1","count":3}'


async def test_arguments_that_do_not_fit_are_told_to_the_model() -> None:
    with pytest.raises(ArgumentsInvalid, match=r"order: Field required; schema: Input .*; more: "):
        await called(find, schema=0, more=1)


async def test_a_result_of_another_type_is_an_error() -> None:
    @tool
    def count() -> int:
        """Count."""
        return cast(int, "3")

    @tool
    def thing() -> object:
        """Return what is no JSON."""
        return object()

    with pytest.raises(ResultInvalid, match="something else than its type hint says: the value:"):
        await called(count)
    with pytest.raises(ResultInvalid, match="cannot be written as JSON"):
        await called(thing)


async def test_a_time_limit_of_its_own_is_an_error_like_any_other() -> None:
    @tool
    async def reads() -> str:
        """Read."""
        raise TimeoutError("the socket")

    @tool
    async def sleeps() -> str:
        """Sleep."""
        await asyncio.sleep(60)
        return ""

    with pytest.raises(TimeoutError, match="the socket"):
        await called(reads)
    with pytest.raises(TimeLimitExceeded, match=r"sleeps did not answer within 0\.05 s"):
        await called(sleeps, 0.05)


async def test_a_failure_in_the_tools_own_words_stays_one() -> None:
    @tool
    def refuses() -> str:
        """Refuse."""
        raise ToolFailed("there is no order Z-9")

    with pytest.raises(ToolFailed, match="there is no order Z-9"):
        await called(refuses)


def undocumented(order: str) -> str:
    return order


def without_hint(order) -> str:  # type: ignore[no-untyped-def] # noqa: ANN001
    """Find."""
    return str(order)


def many(*orders: str) -> str:
    """Find."""
    return str(orders)


def unknown(order: "Nope") -> str:  # type: ignore[name-defined] # noqa: F821
    """Find."""
    return str(order)


def odd(order: asyncio.Task[None]) -> str:
    """Find."""
    return str(order)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (undocumented, "has no docstring: say in it"),
        (without_hint, "the parameter order has no type hint: write, for example, order: str"),
        (many, "orders takes any number of values: write a list"),
        (unknown, "a type hint that is not defined"),
        (odd, "a type hint that has no JSON Schema"),
    ],
)
def test_a_function_that_no_model_can_call_is_refused(
    function: Callable[..., Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        made(tool(function))


@given(st.text(max_size=200))
def test_any_docstring_can_be_read(text: str) -> None:
    description, parameters = read_docstring(text)
    assert description.split("\n")[0] in text
    assert all(name in text for name in parameters)


@given(st.dictionaries(st.text(max_size=9), st.none() | st.integers() | st.text(max_size=9)))
async def test_any_other_arguments_are_an_error_for_the_model(arguments: Any) -> None:
    known = {"order", "schema", "_kind"}
    if arguments.keys() <= known and isinstance(arguments.get("order"), str):
        return
    with pytest.raises(ArgumentsInvalid, match=r"^the arguments do not fit the tool: "):
        await call(made(find), "find", arguments, 20)
