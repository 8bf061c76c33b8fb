"""What operator and runtime share of an MCP connection: the incoming messages, read leniently.

The SDK validates a list of tools as a whole, and one invalid tool would cost the server all of its
tools. Here each tool is checked by itself before the SDK sees the list. The SDK is not imported.
"""

from collections.abc import Callable, Collection
from typing import Any, Self

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject

# Codes of errors whose data the SDK itself reads.
_READ_BY_THE_SDK = frozenset({-32022, -32042})
# The SDK's words for an HTTP answer that contains no message of the server.
_WORDS_OF_THE_SDK = (
    "SSE stream ",
    "Failed to parse ",
    "Server returned an error response",
    "Session terminated",
    "Unexpected content type: ",
    "server answered a request with 202 Accepted",
    "Redirect ",
    "Not Found",
)
_TYPES = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}


class ServerErrorData(Struct, frozen=True):
    """The `data` of an error that the server itself sent; the SDK's own errors have none.

    Attributes:
        data: as the server sent it.
    """

    data: Any


class ToolLists:
    """Checks the lists of tools in the messages of one connection, tool by tool.

    Attributes:
        faults: why a tool, or a member of it, is left out, by the tool's name.
        output_schemas: by tool name. The SDK does not get them: it would fail each call of a tool
            whose outputSchema it cannot use.
    """

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        self.output_schemas: dict[str, JsonObject] = {}
        self._passed_on: set[str] = set()

    def begin(self) -> None:
        """Forget the last list, because the server is asked again."""
        self.faults, self.output_schemas = {}, {}
        self._passed_on = set()

    def kept(self, names: Collection[str]) -> None:
        """Called with the tools that the SDK kept; it drops those with wrong header annotations."""
        for name in self._passed_on - set(names):
            self.faults[name] = "x-mcp-header is invalid; the tool is left out: correct the server"

    def received(self, message: Any) -> None:
        """Correct an incoming message of the SDK (`SessionMessage`) in place."""
        content = getattr(message, "message", None)
        result = getattr(content, "result", None)
        if isinstance(result, dict) and "protocolVersion" in result:
            _correct_introduction(result)
        if isinstance(result, dict) and "tools" in result:
            tools = result["tools"]
            if not isinstance(tools, list):
                self.faults["tools"] = f"expected a list, found {_found(tools)}: correct the server"
                tools = []
            read = (self._tool(tool, index) for index, tool in enumerate(tools))
            result["tools"] = [tool for tool in read if tool]
            if not isinstance(result.get("_meta"), dict):
                result.pop("_meta", None)
            if "nextCursor" in result and not isinstance(result["nextCursor"], str):
                cursor = result.pop("nextCursor")
                if isinstance(cursor, int) and not isinstance(cursor, bool):
                    result["nextCursor"] = str(cursor)
        error = getattr(content, "error", None)
        if error is None or error.code in _READ_BY_THE_SDK:
            return
        if not error.message.startswith(_WORDS_OF_THE_SDK):
            error.data = ServerErrorData(error.data)

    def _tool(self, tool: Any, index: int) -> JsonObject | None:
        if not isinstance(tool, dict):
            self.faults[f"tool {index + 1}"] = f"expected an object, found {_found(tool)}"
            return None
        name = tool.get("name")
        if not isinstance(name, str):
            self.faults[f"tool {index + 1}"] = f"name: expected a text, found {_found(name)}"
            return None
        schema, fault = _usable(tool.get("inputSchema"))
        if schema is None or name in self._passed_on or _only_as_task(tool):
            if name in self._passed_on:
                reason = "listed twice; the second one is left out: correct the server"
            elif schema is None:
                reason = f"inputSchema{fault}; the tool is left out: correct the server"
            else:
                reason = (
                    "execution/taskSupport: agents call tools without tasks, and this one requires"
                    " a task; the tool is left out"
                )
            self.faults[name] = reason
            return None
        return self._readable(tool, name, schema, fault)

    def _readable(self, tool: JsonObject, name: str, schema: JsonObject, fault: str) -> JsonObject:
        faults = [f"inputSchema{fault}"] if fault else []
        read: JsonObject = {"name": name, "inputSchema": schema}
        self._passed_on.add(name)
        description, output = tool.get("description"), tool.get("outputSchema")
        if isinstance(description, str):
            read["description"] = description
        elif description is not None:
            faults.append(f"description: expected a text, found {_found(description)}")
        if isinstance(output, dict):
            self.output_schemas[name] = output
        elif output is not None:
            faults.append(f"outputSchema: expected an object, found {_found(output)}")
        faults += _unread_faults(tool)
        if faults:
            self.faults[name] = "; ".join(faults) + "; ignored: correct the server"
        return read


class ObservedTransport:
    """A transport of the SDK whose incoming messages are corrected, and whose end is reported."""

    def __init__(
        self, transport: Any, received: Callable[[Any], None], ended: Callable[[], None]
    ) -> None:
        """Wrap `transport`.

        Args:
            transport: of the SDK.
            received: called with each incoming message before the SDK gets it.
            ended: called when nothing more can be received.
        """
        self._transport = transport
        self._received, self._ended = received, ended

    async def __aenter__(self) -> tuple[Any, Any]:
        received, sent = await self._transport.__aenter__()
        return _ObservedStream(received, self._received, self._ended), sent

    async def __aexit__(self, *error: object) -> bool | None:
        suppressed: bool | None = await self._transport.__aexit__(*error)
        return suppressed


class _ObservedStream:
    def __init__(
        self, stream: Any, received: Callable[[Any], None], ended: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._received, self._ended = received, ended

    @property
    def last_context(self) -> Any:
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Any:
        message = await self._stream.receive()
        self._received(message)
        return message

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            message = await self._stream.__anext__()
        except BaseException:
            self._ended()
            raise
        self._received(message)
        return message

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> bool | None:
        suppressed: bool | None = await self._stream.__aexit__(*error)
        return suppressed


def _correct_introduction(result: JsonObject) -> None:
    """Correct the answer to `initialize` in place: only its version and its tools matter here."""
    capabilities = result.get("capabilities")
    offered = capabilities.get("tools") if isinstance(capabilities, dict) else None
    tools = offered if isinstance(offered, dict) else {}
    result["protocolVersion"] = str(result["protocolVersion"])
    # Servers without this capability are asked for their tools too.
    result["capabilities"] = {"tools": {"listChanged": tools.get("listChanged") is True}}
    info = result.get("serverInfo")
    info = info if isinstance(info, dict) else {}
    result["serverInfo"] = {key: str(info.get(key, "unknown")) for key in ("name", "version")}
    for member in ("instructions", "_meta"):
        result.pop(member, None)


def _usable(schema: Any) -> tuple[JsonObject | None, str]:
    """Return an inputSchema as the protocol wants it, or None, and what is wrong with it."""
    if not isinstance(schema, dict):
        return None, f": expected an object, found {_found(schema)}"
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if kind is not None and "object" not in kinds:
        return None, f'/type: expected "object", found {_found(kind)}'
    fault = "" if kind == "object" else f'/type: expected "object", found {_found(kind)}'
    read = {**schema, "type": "object"}
    properties, required = schema.get("properties"), schema.get("required")
    if properties is not None:
        if not isinstance(properties, dict):
            return None, f"/properties: expected an object, found {_found(properties)}"
        for name, value in properties.items():
            if not isinstance(value, dict | bool):
                return None, f"/properties/{name}: expected a schema, found {_found(value)}"
    if required is not None and not (
        isinstance(required, list) and all(isinstance(name, str) for name in required)
    ):
        del read["required"]
        fault = fault or f"/required: expected a list of texts, found {_found(required)}"
    if not isinstance(schema.get("$schema", ""), str | None):
        del read["$schema"]
        fault = fault or f"/$schema: expected a text, found {_found(schema['$schema'])}"
    return read, fault


def _only_as_task(tool: JsonObject) -> bool:
    execution = tool.get("execution")
    return isinstance(execution, dict) and execution.get("taskSupport") == "required"


def _unread_faults(tool: JsonObject) -> list[str]:
    """Return the faults of members that nothing here reads, with the shape that MCP defines."""
    wrong = []
    for member, kind in (
        ("title", str),
        ("annotations", dict),
        ("execution", dict),
        ("icons", list),
        ("_meta", dict),
    ):
        value = tool.get(member)
        if value is not None and not isinstance(value, kind):
            wrong.append(f"{member}: expected {_TYPES[kind]}, found {_found(value)}")
    annotations, execution = tool.get("annotations"), tool.get("execution")
    for hint, value in annotations.items() if isinstance(annotations, dict) else ():
        if hint.endswith("Hint") and value is not None and not isinstance(value, bool):
            wrong.append(f"annotations/{hint}: expected a boolean, found {_found(value)}")
    support = execution.get("taskSupport") if isinstance(execution, dict) else None
    if support not in (None, "forbidden", "optional"):
        wrong.append(
            "execution/taskSupport: expected forbidden, optional or required, found "
            f"{_found(support)}"
        )
    return wrong


def _found(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value[:64]}"'
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)[:64]
    return _TYPES.get(type(value), "another value")
