"""A candidate: the manifests of an agent with a change that is to be tried."""

from dataclasses import replace
from pathlib import Path

from omnia_cli.manifests import Document
from omnia_cli.up import read
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind


def with_candidate(documents: list[Document], candidate: str, agent: str) -> list[Document]:
    """Return manifests with a change.

    Args:
        documents: the manifests.
        candidate: a file or folder of manifests, which take the place of those with the same kind
            and name; or the version of a PromptPack. An agent uses the only PromptPack of a file.
        agent: the name of the agent; "" for every one.

    Raises:
        ManifestError: the file cannot be read.
        InvalidManifests: a manifest of it has errors.
    """
    path = Path(candidate)
    if not path.exists():
        return [_using(document, agent, {"version": candidate}) for document in documents]
    changed = read([path])
    places = {(each.kind, *each.key) for each in changed}
    made = [
        document for document in documents if (document.kind, *document.key) not in places
    ] + changed
    packs = [each for each in changed if each.kind == Kind.PROMPT_PACK]
    if len(packs) != 1 or any(each.kind == Kind.AGENT_RUNTIME for each in changed):
        return made
    spec = packs[0].value["spec"]
    reference = {"name": spec.get("packName") or packs[0].name, "version": spec["version"]}
    return [_using(each, agent, reference) for each in made]


def _using(document: Document, agent: str, reference: JsonObject) -> Document:
    spec = document.value.get("spec")
    if document.kind != Kind.AGENT_RUNTIME or agent not in ("", document.name):
        return document
    own = spec.get("promptPackRef") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(own, dict):
        return document
    changed = {**spec, "promptPackRef": {**own, **reference}}
    return replace(document, value={**document.value, "spec": changed})
