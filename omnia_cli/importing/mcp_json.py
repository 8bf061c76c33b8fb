"""Reads the MCP servers of editors and command lines: mcp.json and its relatives."""

import re

from omnia_cli.importing.fields import PLACEHOLDER, Asked, Fields
from omnia_cli.importing.handlers import Header, ImportedServer, http_url, program
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import distinct, label
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, Written, custom
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind

_GROUP = "tools"
_EXPRESSION = re.compile(r"\$\{([^}]*)\}|\$([A-Za-z_]\w*)")
_TRANSPORTS = {
    "http": "streamable-http",
    "streamable-http": "streamable-http",
    "streamableHttp": "streamable-http",
    "sse": "sse",
    "stdio": "stdio",
}
_MILLISECONDS = 1000


def read(inputs: Inputs, result: ImportResult) -> None:
    """Add one ToolRegistry with the servers of all files."""
    sources = [source for source in inputs.sources if source.format == "mcp"]
    handlers: list[JsonObject] = []
    taken: set[str] = set()
    for source in sources:
        root = Fields(source, source.value)
        asked = {entry.text("id"): entry.text("description") for entry in root.objects("inputs")}
        for entry in root.objects("inputs"):
            entry.known("type", "id", "description", "password", "default", "options")
        name = "mcpServers" if "mcpServers" in root else "servers"
        servers = root.object(name)
        made = [_handler(key, servers.object(key), asked, taken, result) for key in servers.names()]
        handlers += filter(None, made)
        root.finish()
    if handlers:
        result.add(
            custom(Kind.TOOL_REGISTRY, "", "mcp", {"handlers": handlers}, sources, group=_GROUP)
        )


def _handler(
    name: str,
    entry: Fields,
    asked: dict[str | None, str | None],
    taken: set[str],
    result: ImportResult,
) -> JsonObject | None:
    if entry.flag("disabled") or entry.flag("enabled") is False:
        entry.known(*entry.names())
        entry.note(NoteKind.SKIPPED, f"{name} is disabled")
        return None
    ours = distinct(label(name), taken)
    server = ImportedServer(ours, {})
    if "command" in entry:
        _program(server, entry, asked)
    else:
        _remote(server, entry, asked)
    filters = {
        "allowlist": entry.texts("includeTools") if "includeTools" in entry else [],
        "blocklist": [
            each
            for key in ("excludeTools", "disabledTools")
            if key in entry
            for each in entry.texts(key)
        ],
    }
    if any(filters.values()):
        server.config["toolFilter"] = {key: value for key, value in filters.items() if value}
    server.timeout = _timeout(entry)
    entry.drop("tools are called without being asked for", "alwaysAllow", "autoApprove", "trust")
    entry.lack(
        "it is not read: name the values as headersFrom or envFrom",
        "envFile",
        "headersHelper",
        "oauth",
        "auth",
    )
    entry.known("description", "disabled", "enabled", "type", "transport")
    made = server.handler(ours, entry)
    if auth := made.get("auth"):
        secret = f"{ours}-token"
        body = {"type": "Opaque", "stringData": {"token": Asked(auth["secretRef"]["name"].what)}}
        result.add(Written("Secret", "", secret, body, group=_GROUP))
        auth["secretRef"] = {"name": secret, "key": "token"}
    return made


def _program(server: ImportedServer, entry: Fields, asked: dict[str | None, str | None]) -> None:
    arguments = (
        [_filled(text, entry, "args", asked) for text in entry.texts("args")]
        if "args" in entry
        else []
    )
    environment = {
        key: _filled(value, entry, "env", asked) for key, value in entry.mapping("env").items()
    }
    command = entry.text("command")
    if command in ("docker", "podman"):
        entry.note(
            NoteKind.NO_EQUIVALENT,
            f"{command} does not run in a pod: deploy the image, and name its address",
            "command",
        )
    server.config = program(command, arguments, environment, [], entry)
    if "cwd" in entry:
        server.config["workDir"] = _filled(entry.text("cwd") or "", entry, "cwd", asked)


def _remote(server: ImportedServer, entry: Fields, asked: dict[str | None, str | None]) -> None:
    name = next((each for each in ("url", "serverUrl", "httpUrl") if each in entry), "url")
    text = entry.text(name)
    given = entry.text("type") or entry.text("transport") or ""
    transport = _TRANSPORTS.get(given)
    address = _filled(text, entry, name, asked) if text else None
    path = (address or "").partition("?")[0].rstrip("/")
    if transport is None or transport == "stdio":
        transport = "sse" if path.endswith("/sse") else "streamable-http"
        entry.note(
            NoteKind.CHANGED,
            f"{server.name}: the transport is {transport}, as its address looks",
            name,
        )
    url = http_url(address, entry, name, f"the address of {server.name}")
    server.config = {"transport": transport, "endpoint": url}
    for key, value in entry.mapping("headers").items():
        server.headers.append(Header(key, _filled(value, entry, "headers", asked)))


def _timeout(entry: Fields) -> str | None:
    number = entry.number("timeout")
    if number is None or number <= 0:
        return None
    if number >= _MILLISECONDS:
        whole = int(number)
        return f"{whole // 1000}s" if whole % 1000 == 0 else f"{whole}ms"
    entry.note(
        NoteKind.ASKED,
        "it is seconds in Cline and milliseconds elsewhere: it is left out",
        "timeout",
    )
    return None


def _filled(text: str, entry: Fields, name: str, asked: dict[str | None, str | None]) -> str:
    """Return a text with the defaults of its expressions, or a placeholder for the others."""
    missing: list[str] = []

    def value(found: re.Match[str]) -> str:
        expression = found[1] if found[1] is not None else found[2]
        variable, sign, default = expression.partition(":-")
        if sign:
            entry.note(
                NoteKind.CHANGED, f"the default of ${{{variable}}} is taken: {default}", name
            )
            return default
        kind, _, identifier = expression.partition(":")
        described = asked.get(identifier) if kind == "input" else None
        missing.append(f"{found[0]} ({described})" if described else found[0])
        return PLACEHOLDER

    filled = _EXPRESSION.sub(value, text)
    if not missing:
        return filled
    what = f"the value of {', '.join(missing)}"
    entry.note(NoteKind.ASKED, what, name)
    return Asked(what, filled)
