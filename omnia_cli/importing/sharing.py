"""ToolRegistries that are the same: one of them is enough."""

import orjson

from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, Written
from omnia_core.names import Kind


def share_registries(result: ImportResult) -> None:
    """Keep one of the equal ToolRegistries of a namespace, and lead its agents to it."""
    kept: dict[tuple[str, bytes], Written] = {}
    first: dict[tuple[str, str], Written] = {}
    for key, written in list(result.objects.items()):
        if written.kind != Kind.TOOL_REGISTRY:
            continue
        content = orjson.dumps(written.body, option=orjson.OPT_SORT_KEYS)
        shared = kept.setdefault((written.namespace, content), written)
        if shared is not written:
            first[written.namespace, written.name] = shared
            shared.sources += [each for each in written.sources if each not in shared.sources]
            del result.objects[key]
    for written in result.objects.values():
        reference = written.spec.get("toolRegistryRef") if "spec" in written.body else None
        found = first.get((written.namespace, reference["name"])) if reference else None
        if found is not None:
            written.spec["toolRegistryRef"] = {"name": found.name}
            for source in written.sources[:1]:
                source.note(NoteKind.CHANGED, f"its tools are those of ToolRegistry {found.name}")
