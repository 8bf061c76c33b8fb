"""The tools that an agent's prompt lists, compared with those of its handlers."""

from collections.abc import Iterator

from omnia_core.files.pack import DEFAULT_PROMPT
from omnia_core.files.pack.parse import parse_pack
from omnia_core.suggestions import MAX_FINDINGS, most_similar
from omnia_operator.api.toolhandler import SELF_DESCRIBING
from omnia_operator.resolve.agent import Resolved


def tools_without_handler(resolved: Resolved) -> Iterator[str]:
    """Yield a message for each tool that the prompt lists and no handler has.

    Nothing is known about the tools of servers that describe their own.
    """
    handlers = resolved.handlers
    if resolved.pack is None or any(handler.type in SELF_DESCRIBING for handler in handlers):
        return
    known = {handler.tool.name: None for handler in handlers if handler.tool}
    stable = resolved.pack.stable
    prompt = parse_pack(stable.text, stable.name).prompt(DEFAULT_PROMPT)
    blocked = prompt.tool_policy.blocklist if prompt.tool_policy else ()
    nowhere = [
        name
        for name in prompt.tools
        if not name.endswith("*") and name not in known and name not in blocked
    ]
    for name in nowhere[:MAX_FINDINGS]:
        near = most_similar(name, known, cutoff=0.0)
        meant = f'; the most similar tool there is "{near}"' if near else ""
        reference = resolved.agent.spec.tool_registry_ref
        where = f'ToolRegistry "{reference.name}"' if reference else "no toolRegistryRef"
        yield (
            f'the prompt "{prompt.id}" lists the tool "{name}", which no handler has'
            f" ({where}): the model is not offered it{meant}"
        )
    if (more := len(nowhere) - MAX_FINDINGS) > 0:
        yield f'the prompt "{prompt.id}" lists {more} more tools that no handler has'
