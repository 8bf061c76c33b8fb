"""The prompts of kagent: texts, ConfigMaps, and templates that are filled in once."""

from typing import Any

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.kagent.gotemplate import NotFilledIn, Values, fill_in
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.prompts import Fragment, Prompt, words_in_braces
from omnia_cli.importing.sources import Source


def read_prompt(
    spec: Fields, source: Source, name: str, description: str | None, inputs: Inputs
) -> Prompt:
    """Return the prompt of an agent."""
    text = spec.text("systemMessage") or spec.text("systemPrompt")
    spec.known("systemMessage", "systemPrompt")
    for field_name in ("systemMessageFrom", "systemPromptFrom"):
        reference = spec.object(field_name)
        if text or not reference:
            continue
        kind, target = reference.text("type") or "ConfigMap", reference.text("name") or ""
        key = reference.text("key") or ""
        data = None if kind == "Secret" else inputs.config_map(source.namespace, target)
        text = (data or {}).get(key) or reference.ask(f"the text of {kind} {target}, key {key}")
    template = spec.object("promptTemplate")
    if not text:
        return Prompt([spec.ask("the system prompt", "systemMessage")])
    if "promptTemplate" not in spec:
        _braces(text, spec)
        return Prompt([text])
    values = _values(template, source, name, description, spec.raw("tools"), inputs)
    try:
        pieces = fill_in(text, values)
    except NotFilledIn as error:
        template.note(
            NoteKind.ASKED,
            f"the template is not filled in, for {error}: its text is kept after replace-me",
        )
        return Prompt([f"replace-me\n{text}"])
    template.note(
        NoteKind.CHANGED,
        "the template is filled in here, once: later changes of its ConfigMaps are not seen",
    )
    return Prompt([*pieces])


def _values(
    template: Fields,
    source: Source,
    name: str,
    description: str | None,
    listed: Any,
    inputs: Inputs,
) -> Values:
    data: dict[str, tuple[str, dict[str, str] | None]] = {}
    for entry in template.objects("dataSources"):
        target = entry.text("name") or ""
        entry.known("kind", "apiGroup")
        data[entry.text("alias") or target] = target, inputs.config_map(source.namespace, target)
    entries = (
        [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    )
    blocks = [entry.get("mcpServer") or entry.get("mcp") for entry in entries]
    offered = [
        each
        for block in blocks
        if isinstance(block, dict)
        and isinstance(named := block.get("toolNames") or block.get("tools"), list)
        for each in named
        if isinstance(each, str)
    ]

    def include(path: str) -> Fragment:
        alias, _, key = path.partition("/")
        target, content = data.get(alias, (alias, None))
        text = (content or {}).get(key)
        if text is None:
            space = source.namespace
            what = (
                f"the text of ConfigMap {target}, key {key}:"
                f" kubectl get cm -n {space} {target} -o yaml"
            )
            text = template.ask(what)
        slug = "".join(c if c.isalnum() and c.isascii() else "_" for c in f"{alias}_{key}")
        return Fragment(slug, text)

    texts = {
        "AgentName": name,
        "AgentNamespace": source.namespace,
        "Description": description or "",
    }
    return Values(texts, {"ToolNames": offered, "SkillNames": []}, include)


def _braces(text: str, spec: Fields) -> None:
    words = words_in_braces(text)
    if words and spec.source.value and spec.text("runtime") == "go":
        spec.note(
            NoteKind.CHANGED,
            f"{{{words[0]}}} was filled in from the state of the session; it is literal here",
            "systemMessage",
        )
