"""Sessions and their records as lines for a person."""

from collections.abc import Iterator, Mapping

from omnia_cli.control_characters import visible
from omnia_core.jsonvalue import JsonObject, json_bytes

_COLUMNS = ("agent", "id", "name", "tag", "status", "begun_at", "turns", "cost_usd")
_TIMES = ("stored_at", "began_at", "at")


def table(sessions: list[JsonObject]) -> Iterator[str]:
    """Return the lines of a list of sessions; one without a name has the first words in it.

    Agents have their namespaces where there is more than one.
    """
    rows = [tuple(name.upper() for name in _COLUMNS)]
    several = len({session.get("namespace") for session in sessions}) > 1
    for session in sessions:
        shown = {**session, "name": session.get("name") or session.get("first_message", "")}
        if several:
            shown["agent"] = f"{session['namespace']}/{session['agent']}"
        rows.append(tuple(_cell(shown.get(name, "")) for name in _COLUMNS))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(value: object) -> str:
    return f"{value:.6f}" if isinstance(value, float) else visible(str(value))


def _timed(records: Mapping[str, list[JsonObject]]) -> list[tuple[str, str, JsonObject]]:
    """Return time, kind and record of all, in the order of their times."""
    found = [
        (next(str(record[name]) for name in _TIMES if name in record), kind, record)
        for kind, items in records.items()
        for record in items
    ]
    return sorted(found, key=lambda row: row[0])


def as_json(records: Mapping[str, list[JsonObject]]) -> Iterator[str]:
    """Return one JSON object a line, in the order of the times of the records."""
    for _, kind, record in _timed(records):
        yield json_bytes({"kind": kind, **record}).decode()


def transcript_lines(records: Mapping[str, list[JsonObject]]) -> Iterator[str]:
    """Say what happened, in the order of the times of the records."""
    for moment, kind, record in _timed(records):
        yield f"{moment}  {visible(_SENTENCES[kind](record))}"


def _message(record: JsonObject) -> str:
    message = record["message"]
    asked = "".join(
        f" → {call['name']}({call.get('arguments', '{}')})"
        for call in message.get("tool_calls", ())
    )
    with_values = "".join(
        f" [{name}={value}]" for name, value in (message.get("variables") or {}).items()
    )
    return f"{message['role']}: {message.get('content', '')}{with_values}{asked}"


def _provider_call(record: JsonObject) -> str:
    outcome = record["fault"] or record["status"]
    purpose = f"attempt {record['attempt']}" if record["attempt"] else "for a name or a summary"
    first = record.get("first_word_ms")
    first_word = "" if first is None else f" (first word after {first:.0f} ms)"
    return (
        f"  model {record['provider']}/{record['model']} {purpose}: {outcome},"
        f" {record['duration_ms']:.0f} ms{first_word}, {record['input_tokens']} in,"
        f" {record['output_tokens']} out, {record['cost_usd']:.6f} USD"
    )


def _tool_call(record: JsonObject) -> str:
    took = f"{record['status']}, {record['duration_ms']:.0f} ms"
    return f"  tool {record['name']} of {record['handler'] or 'nobody'}: {took}"


def _event(record: JsonObject) -> str:
    return f"  {record['kind']} {record['detail']}".rstrip()


def _eval_result(record: JsonObject) -> str:
    score = "" if record["score"] is None else f" {record['score']:.2f}"
    why = record["error"] or record["explanation"]
    reason = f": {why}" if why else ""
    cost = f", {record['cost_usd']:.6f} USD" if record["cost_usd"] else ""
    needed = f", needs {record['threshold']}" if record["threshold"] else ""
    outcome = f"{record['outcome']}{score} ({record['source']}{needed}{cost})"
    return f"  eval {record['evaluation']} of turn {record['turn']}: {outcome}{reason}"


_SENTENCES = {
    "messages": _message,
    "provider-calls": _provider_call,
    "tool-calls": _tool_call,
    "events": _event,
    "eval-results": _eval_result,
}
