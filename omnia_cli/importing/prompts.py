"""Prompts: inline where a text is enough, else a PromptPack with its ConfigMap."""

import json
import re
from dataclasses import dataclass, field

from omnia_cli.importing.inputs import Options
from omnia_cli.importing.objects import Result, custom, present
from omnia_cli.importing.objects import Written
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_WORD = re.compile(r"\{([A-Za-z_]\w*)\}")
_LONGEST_DESCRIPTION = 5000
_ENGINE = {"version": "v1", "syntax": "{{variable}}"}


@dataclass
class Fragment:
    """A text that a prompt includes, under the name that it is found by."""

    name: str
    text: str


@dataclass
class Prompt:
    """The prompt of an agent.

    Attributes:
        pieces: texts that are literal, and fragments.
        template: a text that is a template of ours already, in place of pieces.
        variables: required variables of the template.
        parameters: of the prompt, such as top_k.
        rounds: rounds of tool calls; None: the default.
    """

    pieces: list[str | Fragment] = field(default_factory=list)
    template: str | None = None
    variables: list[str] = field(default_factory=list)
    parameters: JsonObject = field(default_factory=dict)
    rounds: int | None = None


def with_prompt(
    prompt: Prompt,
    *,
    name: str,
    namespace: str,
    description: str | None,
    sources: list[Source],
    result: Result,
    group: str = "default",
) -> JsonObject:
    """Return the part of an agent's spec with its prompt; add a pack where one is needed."""
    literals: dict[str, str] = {}
    pieces = [_escaped(piece, literals) for piece in prompt.pieces]
    fragments = {piece.name: piece.text for piece in pieces if isinstance(piece, Fragment)}
    text = prompt.template if prompt.template is not None else _joined(pieces)
    policy = {} if prompt.rounds is None else {"maxRounds": prompt.rounds}
    if prompt.rounds is not None and prompt.rounds > 10:  # noqa: PLR2004 - the default of calls
        policy["maxToolCallsPerTurn"] = 4 * prompt.rounds
    if not (literals or fragments or prompt.parameters or prompt.variables):
        return {"prompt": present({"system": text or "", "toolPolicy": policy})}
    variables = [{"name": name, "type": "string", "required": True} for name in prompt.variables]
    variables += [
        {"name": name, "type": "string", "required": False, "default": literal}
        for literal, name in literals.items()
    ]
    limits = {"max_rounds": prompt.rounds, "max_tool_calls_per_turn": policy.get("maxToolCallsPerTurn")}
    main = {
        "id": "default",
        "name": name,
        "version": "1.0.0",
        "system_template": text,
        "variables": variables,
        "tool_policy": present(limits),
        "tools": ["*"] if prompt.rounds else [],
        "parameters": prompt.parameters,
    }
    pack = {
        "id": name,
        "name": name,
        "version": "1.0.0",
        "description": (description or "")[:_LONGEST_DESCRIPTION] or None,
        "template_engine": _ENGINE,
        "fragments": fragments,
        "prompts": {"default": present(main)},
    }
    content = json.dumps(present(pack), indent=2, ensure_ascii=False) + "\n"
    config_map = f"{name}-pack"
    result.add(
        Written(
            "ConfigMap", namespace, config_map, {"data": {"pack.json": content}}, sources,
            group=group,
        )  # fmt: skip
    )
    source = {"type": "configmap", "configMapRef": {"name": config_map}}
    spec = {"version": "1.0.0", "source": source}
    result.add(custom(Kind.PROMPT_PACK, namespace, name, spec, group=group))
    return {"promptPackRef": {"name": name}}


def rounds_of(options: Options, *, tools: bool) -> int | None:
    """Return the rounds that the command asks for an agent with tools."""
    return options.rounds if tools else None


def words_in_braces(text: str) -> list[str]:
    """Return the words that stand in single braces, each once."""
    return list(dict.fromkeys(_WORD.findall(text)))


def braces_as_variables(text: str) -> str:
    """Return a text in which `{word}` is a variable of ours."""
    return _WORD.sub(r"{{\1}}", text)


def _escaped(piece: str | Fragment, literals: dict[str, str]) -> str | Fragment:
    """Return a piece whose double braces are variables with the same text as their default."""
    if isinstance(piece, Fragment):
        return Fragment(piece.name, _without_tags(piece.text, literals))
    return _without_tags(piece, literals)


def _without_tags(text: str, literals: dict[str, str]) -> str:
    def variable(found: re.Match[str]) -> str:
        name = literals.setdefault(found[0], f"literal_{len(literals) + 1}")
        return f"{{{{{name}}}}}"

    return _TAG.sub(variable, text)


def _joined(pieces: list[str | Fragment]) -> str:
    return "".join(
        piece if isinstance(piece, str) else f"{{{{fragments.{piece.name}}}}}" for piece in pieces
    )
