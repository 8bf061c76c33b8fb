"""The tools of an agent of kagent: handlers for its servers."""

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.handlers import ImportedServer
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.kagent.servers import headers_of, server_of
from omnia_cli.importing.names import distinct
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult
from omnia_core.jsonvalue import JsonObject


def tools(
    spec: Fields, agent: str, inputs: Inputs, result: ImportResult
) -> tuple[list[JsonObject], list[ImportedServer]]:
    """Return the handlers of an agent, and the servers behind them."""
    found: list[tuple[ImportedServer, Fields]] = []
    for tool in spec.objects("tools"):
        tool.known("type")
        if "agent" in tool or "subAgent" in tool:
            _agent_tool(tool, agent)
        elif "mcpServer" in tool:
            _add(found, _selected(tool, tool.object("mcpServer"), inputs, result), tool)
        elif "mcp" in tool:
            _add(found, _selected_1_0(tool.object("mcp"), inputs, result), tool)
        else:
            tool.note(NoteKind.ASKED, "expected mcpServer, mcp or agent: the tool is left out")
    taken: set[str] = set()
    handlers = [server.handler(distinct(server.name, taken), tool) for server, tool in found]
    return handlers, [server for server, _ in found]


def _agent_tool(tool: Fields, agent: str) -> None:
    block = tool.object("agent" if "agent" in tool else "subAgent")
    name = block.text("ref") or block.text("name") or "?"
    space = block.text("namespace")
    block.known("kind", "apiGroup", "description", "templateRef")
    tool.known("isolateSessions")
    target = f"{space}/{name}" if space else name
    tool.note(
        NoteKind.NO_EQUIVALENT,
        f"agents are no tools of agents yet: until then {agent} cannot call {target}, which its"
        " prompt may still name",
    )


def _selected(
    tool: Fields, block: Fields, inputs: Inputs, result: ImportResult
) -> ImportedServer | None:
    name = block.text("name") or block.text("toolServer") or ""
    kind = block.text("kind") or ("ToolServer" if "toolServer" in block else "")
    space, _, name = name.rpartition("/")
    namespace = block.text("namespace") or space or tool.source.namespace
    block.known("apiGroup")
    server = server_of(kind, namespace, name, tool, inputs, result)
    if server is None:
        return None
    server.headers += headers_of(tool, "headersFrom", inputs, tool.source.namespace)
    if namespace != tool.source.namespace and any(header.secret for header in server.headers):
        tool.note(NoteKind.ASKED, f"copy the Secrets of the headers from namespace {namespace}")
    offered = block.texts("toolNames") if "toolNames" in block else []
    held = block.texts("requireApproval") if "requireApproval" in block else []
    if allowed := block.texts("allowedHeaders") if "allowedHeaders" in block else []:
        block.note(
            NoteKind.DROPPED,
            f"headers of the caller are never sent to a tool: {', '.join(allowed)}",
            "allowedHeaders",
        )
    return _without_approval(server, offered, held, block, inputs)


def _selected_1_0(block: Fields, inputs: Inputs, result: ImportResult) -> ImportedServer | None:
    reference = block.object("server")
    name, kind = reference.text("name") or "", reference.text("kind") or "RemoteMCPServer"
    namespace = reference.text("namespace") or block.source.namespace
    reference.known("apiGroup")
    offered = block.texts("tools") if "tools" in block else []
    server = server_of(kind, namespace, name, block, inputs, result)
    held = offered if block.flag("requireApproval") else []
    if server is None or (block.flag("requireApproval") and not offered):
        block.note(NoteKind.NO_EQUIVALENT, "its tools need a person's approval: it is left out")
        return None
    return _without_approval(server, offered, held, block, inputs)


def _without_approval(
    server: ImportedServer, offered: list[str], held: list[str], block: Fields, inputs: Inputs
) -> ImportedServer | None:
    server.allowlist = offered
    if not held:
        return server
    if inputs.options.keep_approved:
        block.note(
            NoteKind.CHANGED,
            f"{', '.join(held)}: called without a person's approval",
            "requireApproval",
        )
        return server
    block.note(
        NoteKind.NO_EQUIVALENT,
        f"{', '.join(held)}: a person's approval is needed, so they"
        " are left out (--without-approval keeps them)",
        "requireApproval",
    )
    server.allowlist = [name for name in offered if name not in held]
    if offered and not server.allowlist:
        return None
    if not offered:
        server.config["toolFilter"] = {"blocklist": held}
    return server


def _add(
    found: list[tuple[ImportedServer, Fields]], server: ImportedServer | None, tool: Fields
) -> None:
    """Add a server, or unite its tools with an entry of the same server and headers."""
    if server is None:
        return
    for known, _ in found:
        if (known.name, known.config, known.headers) == (
            server.name,
            server.config,
            server.headers,
        ):
            both = [*known.allowlist, *server.allowlist]
            one_is_open = not known.allowlist or not server.allowlist
            known.allowlist = [] if one_is_open else list(dict.fromkeys(both))
            return
    found.append((server, tool))
