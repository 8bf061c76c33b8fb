"""A tool that the client executes: the person at the terminal gives its result."""

import orjson
from prompt_toolkit import prompt
from rich.console import Console
from rich.text import Text

from omnia_cli.chat.turn import arguments_line
from omnia_cli.control_characters import visible
from omnia_core.jsonvalue import JsonObject

REJECTED = "the user gave no result"


def asked_result(call: JsonObject, console: Console) -> JsonObject:
    """Ask a person for the result of a tool call.

    Args:
        call: the `tool_call` of a frame.
        console: shows what is asked for.

    Returns:
        `result` or `error` of a `tool_result` frame.

    Raises:
        KeyboardInterrupt: the person stops the answer.
    """
    console.print(Text(f"● {visible(str(call['name']))} asks you", style="bold yellow"))
    if consent := call.get("consent_message"):
        console.print(Text(f"  {visible(str(consent))}"))
    arguments = call.get("arguments")
    for name, value in arguments.items() if isinstance(arguments, dict) else ():
        console.print(Text(f"  {visible(f'{name}: {arguments_line(value)}')}", style="dim"))
    try:
        text = prompt("  result, as text or JSON (Enter rejects): ").strip()
    except EOFError:
        text = ""
    return {"result": _value(text)} if text else {"error": REJECTED}


def _value(text: str) -> object:
    """Return what a text is as JSON, else the text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
