"""Prompts: inline where a text is enough, else a PromptPack with its ConfigMap."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from omnia_cli.importing.inputs import Options
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, Written, custom, present
from omnia_cli.importing.secrets import without_secrets
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
WORD = re.compile(r"(?<!\{)\{([A-Za-z_]\w*)\}(?!\})")
_LONGEST_DESCRIPTION = 5000
_ENGINE = {"version": "v1", "syntax": "{{variable}}"}


@dataclass
class Fragment:
    """A text that a prompt includes, under the name that it is found by."""

    name: str
    text: str


@dataclass
class ImportedVariable:
    """A value that the caller gives."""

    name: str


Piece: TypeAlias = str | Fragment | ImportedVariable


@dataclass
class Prompt:
    """The prompt of an agent.

    Attributes:
        pieces: texts that are literal, fragments and variables.
        parameters: of the prompt, such as top_k.
        rounds: rounds of tool calls; None: the default.
    """

    pieces: list[Piece] = field(default_factory=list)
    parameters: JsonObject = field(default_factory=dict)
    rounds: int | None = None


def with_prompt(
    prompt: Prompt,
    *,
    name: str,
    namespace: str,
    description: str | None,
    sources: list[Source],
    result: ImportResult,
    group: str = "default",
) -> JsonObject:
    """Return the part of an agent's spec with its prompt; add a pack where one is needed."""
    literals: dict[str, str] = {}
    texts = [getattr(piece, "text", piece) for piece in prompt.pieces]
    if any(isinstance(text, str) and without_secrets(text) != text for text in texts):
        problem = "the prompt has what looks like a secret: it is not copied"
        sources[0].note(NoteKind.ASKED, problem)
    pieces = [_escaped(piece, literals) for piece in prompt.pieces]
    fragments = {piece.name: piece.text for piece in pieces if isinstance(piece, Fragment)}
    text = _joined(pieces)
    given = dict.fromkeys(piece.name for piece in pieces if isinstance(piece, ImportedVariable))
    policy = {} if prompt.rounds is None else {"maxRounds": prompt.rounds}
    if prompt.rounds is not None and prompt.rounds > 10:  # noqa: PLR2004 - the default of calls
        policy["maxToolCallsPerTurn"] = 4 * prompt.rounds
    if not (literals or fragments or prompt.parameters or given):
        return {"prompt": present({"system": text or "", "toolPolicy": policy})}
    variables = [{"name": name, "type": "string", "required": True} for name in given]
    variables += [
        {"name": name, "type": "string", "required": False, "default": literal}
        for literal, name in literals.items()
    ]
    limits = {
        "max_rounds": prompt.rounds,
        "max_tool_calls_per_turn": policy.get("maxToolCallsPerTurn"),
    }
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
        "description": without_secrets(description or "")[:_LONGEST_DESCRIPTION] or None,
        "template_engine": _ENGINE,
        "fragments": fragments,
        "prompts": {"default": present(main)},
    }
    content = json.dumps(present(pack), indent=2, ensure_ascii=False) + "\n"
    config_map = f"{name}-pack"
    result.add(
        Written(
            "ConfigMap",
            namespace,
            config_map,
            {"data": {"pack.json": content}},
            sources,
            group=group,
        )
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
    return list(dict.fromkeys(WORD.findall(text)))


def with_variables(text: str, pattern: re.Pattern[str], known: Mapping[str, str]) -> list[Piece]:
    """Return the pieces of a text in which matches of a pattern are known values or variables."""
    pieces: list[Piece] = []
    place = 0
    for found in pattern.finditer(text):
        name = found[1]
        value = known.get(name)
        pieces += [text[place : found.start()], ImportedVariable(name) if value is None else value]
        place = found.end()
    return [*pieces, text[place:]]


def _escaped(piece: Piece, literals: dict[str, str]) -> Piece:
    """Return a piece whose double braces are variables with the same text as their default."""
    if isinstance(piece, ImportedVariable):
        return piece
    if isinstance(piece, Fragment):
        return Fragment(piece.name, _without_tags(piece.text, literals))
    return _without_tags(piece, literals)


def _without_tags(text: str, literals: dict[str, str]) -> str:
    def variable(found: re.Match[str]) -> str:
        name = literals.setdefault(found[0], f"literal_{len(literals) + 1}")
        return f"{{{{{name}}}}}"

    return _TAG.sub(variable, without_secrets(text))


def _joined(pieces: list[Piece]) -> str:
    return "".join(map(_rendered, pieces))


def _rendered(piece: Piece) -> str:
    match piece:
        case Fragment():
            return f"{{{{fragments.{piece.name}}}}}"
        case ImportedVariable():
            return f"{{{{{piece.name}}}}}"
        case _:
            return piece
