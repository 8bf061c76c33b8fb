"""The command `omnia import`: read, rewrite, check, write, report."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import structs

from omnia_cli.findings import Finding, errors
from omnia_cli.importing import frameworks, kaos, mcp_json, openapi
from omnia_cli.importing.ark import reader as ark
from omnia_cli.importing.ark.values import GROUP as ARK_GROUP
from omnia_cli.importing.fields import PLACEHOLDER
from omnia_cli.importing.inputs import Inputs, Options
from omnia_cli.importing.kagent import reader as kagent
from omnia_cli.importing.notes import OPEN, ImportNote, NoteKind
from omnia_cli.importing.objects import ImportResult, Written, own_metadata
from omnia_cli.importing.omnia_go import reader as omnia_go
from omnia_cli.importing.output import files_of
from omnia_cli.importing.repair import repaired
from omnia_cli.importing.secrets import cleaned, is_secret_name
from omnia_cli.importing.sharing import share_registries
from omnia_cli.importing.sources import read_sources
from omnia_cli.manifests import ManifestError
from omnia_cli.placeholders import STILL, is_placeholder
from omnia_cli.validate import validate
from omnia_core.names import GROUP

_GROUPS = (kagent.GROUP, kaos.GROUP, ARK_GROUP)
_EXPORT = (
    "expected manifests of kagent, kmcp, KAOS, ARK or the Go Omnia, an mcp.json, an OpenAPI"
    " document, a langgraph.json or an agents.yaml of CrewAI; an export of kagent is made by"
    " kubectl get agents,modelconfigs,remotemcpservers,mcpservers -A -o yaml > kagent.yaml, with"
    " the ConfigMaps of its prompts and without Secrets"
)

OPEN_ORDER = (NoteKind.ASKED, NoteKind.NO_EQUIVALENT, NoteKind.CHANGED, NoteKind.DROPPED)
_DIFFERENT = (
    "what is different here, in no manifest:",
    "  sessions are in memory for 24 hours: set session.type postgres and storeRef to keep them",
    "  a turn has 5 rounds and 10 calls of tools: --rounds N, or toolPolicy of the prompt",
    "  there is no tool ask_user: an agent asks in its answer",
    "  each agent has an address of its own: ws://NAME.NAMESPACE:8080/ws",
    "  agents let in only callers with a token: see externalAuth",
    "  the number of pods may follow the load: runtime.autoscaling",
)


@dataclass(frozen=True)
class Imported:
    """What an import has made.

    Attributes:
        files: the content of each file by its name.
        notes: what was mapped, asked for or dropped, in the order of the input.
        findings: what `omnia validate` says of the files beside placeholders.
        kinds: how many objects of each kind there are.
    """

    files: dict[str, str]
    notes: list[ImportNote]
    findings: list[Finding]
    kinds: dict[str, int]
    of_kagent: bool = False

    @property
    def is_open(self) -> bool:
        """Whether something is asked for or has no equivalent."""
        return any(note.kind in OPEN for note in self.notes)


def import_paths(paths: Sequence[Path], options: Options) -> Imported:
    """Return what becomes of the manifests in `paths`.

    Raises:
        ManifestError: a file cannot be read, or there is nothing to import.
    """
    sources = read_sources(paths)
    inputs, result = Inputs(sources, options), ImportResult()
    for read in (
        kagent.read,
        omnia_go.read,
        kaos.read,
        ark.read,
        mcp_json.read,
        openapi.read,
        frameworks.read,
    ):
        read(inputs, result)
    _copy_config_maps(inputs, result)
    _skip_others(inputs)
    for key, written in list(result.objects.items()):
        _clean(written)
        if not repaired(written):
            del result.objects[key]
    _tools_of(options.agent, result)
    if options.share:
        share_registries(result)
    if not result.objects and not any(source.notes for source in sources):
        raise ManifestError(paths[0], None, f"there is nothing to import: {_EXPORT}")
    files = files_of(result.ordered())
    kinds: dict[str, int] = {}
    for written in result.ordered():
        kinds[written.kind] = kinds.get(written.kind, 0) + 1
    notes = [note for source in sources for note in source.notes]
    of_kagent = any(source.group.endswith(kagent.GROUP) for source in sources)
    return Imported(files, notes, _findings(files), kinds, of_kagent)


def report(imported: Imported, written: Sequence[Path], *, as_json: bool) -> Iterator[str]:
    """Yield the lines of the report: each note, then what is there and what to do next."""
    if as_json:
        yield from (msgspec.json.encode(note).decode() for note in imported.notes)
        yield from (msgspec.json.encode(finding).decode() for finding in imported.findings)
        return
    yield from map(str, imported.notes)
    for finding in imported.findings:
        copied = finding.object.startswith("ConfigMap/")
        yield f"{finding}" if copied else f"{finding} (a fault of omnia import: report it)"
    if imported.of_kagent:
        yield from _DIFFERENT
    for path in written:
        yield f"written: {path}"
    kinds = ", ".join(f"{number} {kind}" for kind, number in imported.kinds.items())
    counts = Counter(note.kind for note in imported.notes)
    yield f"{kinds or 'no object'}; " + ", ".join(f"{counts[kind]} {kind}" for kind in OPEN_ORDER)
    if written:
        yield f"next: omnia validate {written[0].parent}"


def _copy_config_maps(inputs: Inputs, result: ImportResult) -> None:
    """Copy the ConfigMaps that an object refers to."""
    named = {
        (written.namespace, name)
        for written in result.objects.values()
        for name in _references(written.body)
    }
    copied: dict[tuple[str, str, str], Written] = {}
    for source in inputs.of("", "ConfigMap"):
        key = source.namespace, source.name
        data = inputs.config_map(*key)
        if key not in named or not data:
            continue
        written = Written("ConfigMap", *key, {"data": data}, [source], **own_metadata(source))
        copied[written.key] = written
    result.objects = {**copied, **result.objects}


_REFERENCES = (
    "configMapRef",
    "configMapKeyRef",
    "configMap",
    "specConfigMapRef",
    "caConfigMapRef",
)


def _references(value: object) -> Iterator[str]:
    """Yield the names of ConfigMaps in an object."""
    if isinstance(value, dict):
        for key, inner in value.items():
            name = inner.get("name") if key in _REFERENCES and isinstance(inner, dict) else None
            if isinstance(name, str):
                yield name
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _skip_others(inputs: Inputs) -> None:
    """Say of each object that no reader knows that it is skipped."""
    for source in inputs.sources:
        if source.format != "manifest" or source.notes:
            continue
        if source.kind == "Secret" and not source.group:
            source.note(NoteKind.SKIPPED, "it is not written: create it where the agents run")
        elif source.group == GROUP or (
            source.kind in ("ConfigMap", "Service") and not source.group
        ):
            continue
        elif not source.group.endswith(_GROUPS) or source.kind not in _KNOWN:
            source.note(NoteKind.SKIPPED, "it is not known to omnia import")


_KNOWN = frozenset(
    {
        "Agent",
        "SandboxAgent",
        "ModelConfig",
        "RemoteMCPServer",
        "MCPServer",
        "ToolServer",
        "AgentTemplate",
        "Harness",
        "ModelAPI",
        "Model",
        "Tool",
    }
)


def _clean(written: Written) -> None:
    """Take out of an object what looks like a secret, wherever it stands."""
    if written.kind == "ConfigMap":
        data = written.body["data"]
        for key, value in data.items():
            if is_secret_name(key) and "\n" not in value.strip() and not is_placeholder(value):
                data[key] = PLACEHOLDER
                _note_secret(written, f"the value of {key} looks like a secret")
    for holder, attribute in ((written, "body"), (written, "labels"), (written, "annotations")):
        clean, changed = cleaned(getattr(holder, attribute))
        setattr(holder, attribute, clean)
        if changed:
            _note_secret(written, f"a value of {written.kind} {written.name} looks like a secret")


def _note_secret(written: Written, problem: str) -> None:
    for source in written.sources[:1]:
        source.note(NoteKind.ASKED, f"{problem}: it is not copied, put it into a Secret")


def _tools_of(agent: str, result: ImportResult) -> None:
    """Give the tools of files without agents to an agent that is made."""
    registries = [
        w for w in result.objects.values() if w.kind == "ToolRegistry" and not w.namespace
    ]
    for written in result.objects.values():
        if agent and written.kind == "AgentRuntime" and written.name == agent and registries:
            written.spec.setdefault("toolRegistryRef", {"name": registries[0].name})


def _findings(files: dict[str, str]) -> list[Finding]:
    """Return what `omnia validate` finds in the files, beside placeholders."""
    if not files:
        return []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        found = errors(validate([Path(folder)], references=False))
    return [
        structs.replace(finding, file=Path(finding.file).name)
        for finding in found
        if not finding.message.startswith(STILL)
    ]
