"""Fits a request to the rules of its vendor, and maps the tool calls of the answer back.

The one place for what vendors refuse in tools and conversations: a refusal costs every turn.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from urllib.parse import urlsplit

from msgspec import Struct, structs

from omnia_core.conversation.tools import ToolCall
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import json_bytes
from omnia_runtime.ports.model import ChatRequest, ModelEvent, ToolCallRequest, ToolSpec
from omnia_runtime.providers.history import MAX_NAME, NAME, HistoryRules, fit_history, legal_name
from omnia_runtime.providers.tool_schemas import UnfitTool, fit_schema
from omnia_runtime.providers.vendor_request import object_text, parsed_arguments

_OPENAI_HOST = "api.openai.com"
_OPENAI_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
# OpenAI may be behind another host.
_SHORT_ID = re.compile(r".{1,40}", re.DOTALL)
_OPENAI_TOOLS = 128
_OPENAI_DESCRIPTION = 1024
_MISTRAL_HOST = "api.mistral.ai"
_MISTRAL_ID = re.compile(r"[A-Za-z0-9]{9}")
_GEMINI_TOOLS = 512
_GEMINI_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MAX_NAMES = 100
_SENTENCE_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)[.!?](?=\s)|[\u3002\uff01\uff1f]|(?=\n\n)")
_PUNCTUATION = " \t\r\n,;:-("


class VendorRules(Struct, frozen=True):
    """What a vendor accepts.

    Attributes:
        max_tools: in one request; None is no limit.
        max_description: of a tool, in characters; None is no limit.
    """

    history: HistoryRules = HistoryRules()
    max_tools: int | None = None
    max_description: int | None = None


class FittedTools(Struct, frozen=True):
    """The tools that a vendor is offered.

    Attributes:
        names: the offered name of each tool that is renamed.
        arguments: by the tool's own name, the own name of each renamed argument by the offered one.
        unfit: why a tool is left out, by its name.
        surplus: the names of the tools that are more than the vendor takes.
    """

    tools: tuple[ToolSpec, ...]
    names: Mapping[str, str]
    arguments: Mapping[str, Mapping[str, str]]
    unfit: Mapping[str, str]
    surplus: tuple[str, ...]


def rules_of(config: ProviderConfig) -> VendorRules:
    """Return the rules of a provider's vendor.

    Servers that are compatible with OpenAI get the ids of calls as they are, unless they are long:
    some models, such as Kimi, were trained to read them.
    """
    match config.type:
        case "claude":
            return VendorRules(HistoryRules(ids=NAME, user_first=True))
        case "gemini":
            return VendorRules(HistoryRules(names=_GEMINI_NAME, user_first=True), _GEMINI_TOOLS)
        case "openai":
            host = urlsplit(config.base_url).hostname if config.base_url else _OPENAI_HOST
            history = HistoryRules(ids=_SHORT_ID, id_length=40, user_first=True)
            if host == _OPENAI_HOST:
                history = HistoryRules(ids=_OPENAI_ID, id_length=40)
            elif host == _MISTRAL_HOST:
                history = HistoryRules(ids=_MISTRAL_ID, id_length=9, user_first=True)
            return VendorRules(history, _OPENAI_TOOLS, _OPENAI_DESCRIPTION)
        case _:
            return VendorRules(HistoryRules(user_first=True))


def fit_tools(tools: Iterable[ToolSpec], rules: VendorRules) -> FittedTools:
    """Rename, rewrite or leave out tools, so that the vendor accepts the others.

    If there are too many, the first ones stay.
    """
    fitted: list[ToolSpec] = []
    names: dict[str, str] = {}
    arguments: dict[str, Mapping[str, str]] = {}
    unfit: dict[str, str] = {}
    surplus: list[str] = []
    specs = list(tools)
    taken = {spec.name for spec in specs}
    for spec in specs:
        if rules.max_tools is not None and len(fitted) >= rules.max_tools:
            surplus.append(spec.name)
            continue
        try:
            schema = fit_schema(spec.input_schema)
        except UnfitTool as error:
            unfit[spec.name] = str(error)
            continue
        name = legal_name(spec.name, rules.history.names)
        if name != spec.name:
            name = names[spec.name] = _free(name, taken)
            taken.add(name)
        if schema.renamed:
            arguments[spec.name] = schema.renamed
        text = _described(spec.description, schema.note, rules.max_description)
        fitted.append(
            structs.replace(spec, name=name, description=text, input_schema=schema.schema)
        )
    return FittedTools(tuple(fitted), names, arguments, unfit, tuple(surplus))


def _described(description: str, note: str, limit: int | None) -> str:
    """Return the description of a tool with a note on its arguments, within a limit.

    If both are too long, the note is left out, and the description ends with a whole sentence.
    """
    both = "\n\n".join(filter(None, (description, note)))
    if limit is None or len(both) <= limit:
        return both
    description = description.strip()
    if len(description) <= limit:
        return description
    ends = [found.end() for found in _SENTENCE_END.finditer(description, 0, limit)]
    # A first sentence that says little is no description.
    if ends and ends[-1] >= limit // 2:
        return description[: ends[-1]].rstrip()
    words = description[: limit - 1].rsplit(maxsplit=1)[0]
    return f"{words.rstrip(_PUNCTUATION)}…"


def omitted_tools(config: ProviderConfig, tools: Sequence[ToolSpec]) -> list[str]:
    """Return a message for each reason for which tools are not offered to a provider."""
    rules = rules_of(config)
    fitted = fit_tools(tools, rules)
    provider = f'the provider "{config.name}" ({config.type})'
    found = [
        f'the tool "{name}" is not offered to {provider}: {reason}'
        for name, reason in fitted.unfit.items()
    ]
    if fitted.surplus:
        named = ", ".join(fitted.surplus[:_MAX_NAMES])
        more = len(fitted.surplus) - _MAX_NAMES
        found.append(
            f"{len(fitted.surplus)} of {len(tools)} tools are not offered to {provider}, which "
            f"takes {rules.max_tools}: {named}{f' and {more} more' if more > 0 else ''}; list the "
            "tools of the prompt in the PromptPack, or set an operationFilter"
        )
    return found


class Fitting:
    """Fits the requests of one provider."""

    def __init__(self, config: ProviderConfig) -> None:
        self._rules = rules_of(config)
        self._offered: Sequence[ToolSpec] = ()
        self._fitted = fit_tools((), self._rules)

    def fit(self, request: ChatRequest) -> "FittedRequest":
        """Return the request that the vendor accepts; the stored conversation stays as it is."""
        if request.tools is not self._offered:
            # The same for all turns of a version of the agent.
            self._fitted = fit_tools(request.tools, self._rules)
            self._offered = request.tools
        tools = self._fitted
        rules = self._rules.history
        messages = fit_history(
            request.messages, rules, lambda call: _fit_call(call, tools, rules.names)
        )
        return FittedRequest(structs.replace(request, messages=messages, tools=tools.tools), tools)


class FittedRequest(Struct, frozen=True):
    """A request that the vendor accepts."""

    request: ChatRequest
    tools: FittedTools

    def restored(
        self, events: AsyncGenerator[ModelEvent, None]
    ) -> AsyncGenerator[ModelEvent, None]:
        """Return the events with the tools' own names in the calls.

        Not a generator itself: without renames nothing stands between a chunk and its reader.
        """
        renames = self.tools.names or self.tools.arguments
        return _restore(events, self.tools) if renames else events


def _fit_call(call: ToolCall, tools: FittedTools, pattern: re.Pattern[str]) -> ToolCall:
    """Return a call with a legal name, and with arguments that are the text of a JSON object."""
    arguments = object_text(call.arguments)
    if renamed := tools.arguments.get(call.name):
        arguments = _with_names(arguments, {own: offered for offered, own in renamed.items()})
    name = tools.names.get(call.name) or legal_name(call.name, pattern)
    if (name, arguments) == (call.name, call.arguments):
        return call
    return structs.replace(call, name=name, arguments=arguments)


async def _restore(
    events: AsyncGenerator[ModelEvent, None], tools: FittedTools
) -> AsyncGenerator[ModelEvent, None]:
    own = {offered: name for name, offered in tools.names.items()}
    async with aclosing(events):
        async for event in events:
            if type(event) is ToolCallRequest:
                name = own.get(event.name, event.name)
                arguments = event.arguments
                if name in tools.arguments:
                    arguments = _with_names(arguments, tools.arguments[name])
                yield structs.replace(event, name=name, arguments=arguments)
            else:
                yield event


def _with_names(arguments: str, names: Mapping[str, str]) -> str:
    """Return the text of arguments under other names; unchanged if it has none of `names`."""
    found = parsed_arguments(arguments)
    if not found.keys() & names.keys():
        return arguments
    return json_bytes({names.get(name, name): value for name, value in found.items()}).decode()


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        suffix = f"_{number}"
        candidate = name[: MAX_NAME - len(suffix)] + suffix
    return candidate
