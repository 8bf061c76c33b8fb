"""Handlers of MCP servers, which most sources have."""

import re
from dataclasses import dataclass, field

from omnia_cli.importing.fields import Asked, Fields
from omnia_cli.importing.names import key_name, object_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import present
from omnia_cli.importing.secrets import is_secret_name, without_secret_arguments
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject

_LONGEST = 3.6e9  # milliseconds
WHOLE_HEADER = (
    "the whole header was in the Secret: a token with Bearer before it is sent as it is, a token of"
    " another scheme needs headersFrom"
)


@dataclass
class Header:
    """A header of a server: a plain value, or a key of a Secret."""

    name: str
    value: str | None = None
    secret: JsonObject | None = None


@dataclass
class ImportedServer:
    """An MCP server, as several sources describe one.

    Attributes:
        config: the block mcpConfig.
        headers: of every request; the later of two with one name counts.
        allowlist: tools that are offered; empty: all.
    """

    name: str
    config: JsonObject
    headers: list[Header] = field(default_factory=list)
    timeout: str | None = None
    authority: JsonObject | None = None
    allowlist: list[str] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)

    def handler(self, name: str, fields: Fields) -> JsonObject:
        """Return the handler; `fields` are where the headers come from."""
        config, auth = dict(self.config), None
        by_name = {header.name.lower(): header for header in self.headers}
        headers: JsonObject = {}
        from_secrets: list[JsonObject] = []
        for key, header in by_name.items():
            if key == "authorization":
                auth = _authorization(header, name, fields)
            elif header.secret is not None:
                from_secrets.append({"name": header.name, "secretRef": header.secret})
            elif is_secret_name(header.name):
                what = f"the value of {header.name}, which is not copied: put it into a Secret"
                fields.note(NoteKind.ASKED, what)
                reference = {"name": Asked("the Secret"), "key": key_name(header.name)}
                from_secrets.append({"name": header.name, "secretRef": reference})
            else:
                headers[header.name] = header.value or ""
        config |= present({"headers": headers, "headersFrom": from_secrets})
        if self.allowlist:
            config["toolFilter"] = {"allowlist": self.allowlist}
        return present(
            {
                "name": name,
                "type": "mcp",
                "mcpConfig": config,
                "auth": auth,
                "tls": self.authority,
                "timeout": self.timeout,
            }
        )


def _authorization(header: Header, name: str, fields: Fields) -> JsonObject:
    if header.secret is not None:
        fields.note(NoteKind.CHANGED, f"{header.name} of {name}: {WHOLE_HEADER}")
        return {"type": "bearer", "secretRef": header.secret}
    basic = (header.value or "").lower().startswith("basic ")
    what = "user:password" if basic else "the token"
    asked = fields.ask(f"{what} that {header.name} of {name} holds: its value is not copied")
    reference = {"name": Asked(asked.what), "key": "token"}
    return {"type": "basic" if basic else "bearer", "secretRef": reference}


def program(
    command: str | None,
    arguments: list[str],
    environment: dict[str, str],
    secrets: list[JsonObject],
    fields: Fields,
) -> JsonObject:
    """Return mcpConfig of a server over stdio; values that look like secrets are asked for."""
    plain, asked = {}, list(secrets)
    for name, value in environment.items():
        if not name.replace("_", "a").isalnum() or name[:1].isdigit():
            fields.note(NoteKind.DROPPED, f"{name} is no name of a variable")
        elif isinstance(value, Asked) or not is_secret_name(name):
            plain[name] = value
        else:
            what = f"{name} looks like a secret: its value is not copied, put it into a Secret"
            fields.note(NoteKind.ASKED, what)
            asked.append({"name": name, "secretRef": {"name": Asked(what), "key": name}})
    cleaned = without_secret_arguments(arguments)
    if cleaned != arguments:
        fields.note(NoteKind.ASKED, "arguments look like secrets: their values are not copied")
    words = [
        Asked("this argument looked like a secret") if new != old and new == "replace-me" else new
        for new, old in zip(cleaned, arguments, strict=True)
    ]
    if command:
        fields.note(
            NoteKind.CHANGED,
            f"{command} has to be in the runtime's image (framework.image); on a laptop it is the"
            " one on the PATH",
        )
    given = command or fields.ask("the program of the server")
    config = {"command": given, "args": words, "env": plain, "envFrom": asked}
    return {"transport": "stdio", **present(config)}


def secret_reference(name: str, key: str) -> JsonObject:
    """Return a reference to a key of a Secret."""
    return {"name": object_name(name), "key": key or "token"}


def go_duration(text: str, fields: Fields, name: str) -> str | None:
    """Return a duration of Go as one of ours: fractions and units below 1 ms are rounded up."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        fields.note(NoteKind.ASKED, "expected a duration such as 30s: it is left out", name)
        return None
    units = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}
    total = sum(float(number) * units[unit] for number, unit in parts)
    if total <= 0 or total > _LONGEST:
        fields.note(NoteKind.ASKED, "expected a duration above 0: it is left out", name)
        return None
    whole = max(int(-(-total // 1)), 1)
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}ms"


def http_url(text: str | None, fields: Fields, name: str, what: str, scheme: str = "") -> str:
    """Return an http address, or a placeholder for one."""
    if text and text.startswith(("http://", "https://")) and not any(c.isspace() for c in text):
        return text
    if text and scheme and "://" not in text and not any(c.isspace() for c in text):
        fields.note(NoteKind.CHANGED, f"the address gets {scheme}://", name)
        return f"{scheme}://{text}"
    return fields.ask(what, name, "https://replace-me.example.invalid")
