"""The command `omnia validate`: all checks of manifests that need no cluster."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from omnia_cli.analyses import check_analyses
from omnia_cli.content import Content
from omnia_cli.findings import Finding, Severity, about, errors, nothing, unreadable
from omnia_cli.local.desired import desired
from omnia_cli.local.rollouts import LocalRollout, ObservedRollout
from omnia_cli.manifests import Document, ManifestError, located
from omnia_cli.packs import check_content
from omnia_cli.placeholders import placeholders
from omnia_cli.responses import ConfigMaps, check_responses
from omnia_cli.retention import remarks
from omnia_cli.rollout_steps import check_rollout_steps
from omnia_cli.servers import check_servers
from omnia_cli.sources import load
from omnia_cli.traffic import check_traffic
from omnia_core.documents import ValuePath
from omnia_core.env import SessionType
from omnia_core.names import API_VERSION, GROUP, Kind
from omnia_core.suggestions import listed
from omnia_operator import api
from omnia_operator.api.framework import FrameworkType
from omnia_operator.api.promptpack import PackRef
from omnia_operator.api.rollout import RolloutStatus
from omnia_operator.plan import Settings
from omnia_operator.policy import Policy, refusals
from omnia_operator.resolve import Problem, session_file_problem
from omnia_operator.rollout.plan import World
from omnia_operator.rollout.reasons import NOT_POSSIBLE

# The fields of an AgentRuntime with the reference that a condition is about.
PLACES: dict[str, tuple[ValuePath, ...]] = {
    "PromptPackReady": (("spec", "promptPackRef"),),
    "ProviderReady": (("spec", "providers"), ("spec", "provider")),
    "ToolRegistryReady": (("spec", "toolRegistryRef"),),
    "SessionStoreReady": (("spec", "session", "storeRef"),),
}
# A warning only, because Secrets should not be among the manifests.
ELSEWHERE = "SecretNotFound"


def validate(
    paths: Sequence[Path], *, references: bool, environ: Mapping[str, str] | None = None
) -> list[Finding]:
    """Check every object in `paths`; findings in the order of the files.

    Variables of `environ` stand in for Secrets that are not among the manifests.
    """
    try:
        documents = load(paths)
    except ManifestError as error:
        return [unreadable(error)]
    if not documents:
        return [nothing(path) for path in paths]
    return check(documents, references=references, environ=environ)


def check(
    documents: Sequence[Document], *, references: bool, environ: Mapping[str, str] | None = None
) -> list[Finding]:
    """Check each object and, with `references`, whether the objects that it names exist."""
    findings = [finding for document in documents for finding in _alone(document)]
    findings += [finding for document in documents for finding in placeholders(document)]
    findings += _repeated(documents)
    config_maps = _config_maps(documents)
    findings += _packs(documents, config_maps)
    for document in documents:
        findings += check_responses(document, config_maps)
    findings += [finding for document in documents for finding in _refused(document)]
    findings += [finding for document in documents for finding in _own_image(document)]
    findings += remarks(documents)
    findings += check_traffic(documents)
    if references and not errors(findings):
        findings += check_servers(documents)
        findings += check_analyses(documents)
        findings += check_rollout_steps(documents)
        findings += _references(list(documents), environ or {})
    return findings


# kustomize takes these files without apiVersion and kind.
_KUSTOMIZE = frozenset({"kustomization.yaml", "kustomization.yml"})


def _alone(document: Document) -> Iterator[Finding]:
    group = str(document.value.get("apiVersion") or "")
    if document.file.name in _KUSTOMIZE or group.startswith("kustomize.config.k8s.io/"):
        folder = document.file.parent
        yield about(
            document,
            (),
            "this is an input of kustomize, not an object: run"
            f' "kubectl kustomize {folder} > FILE" and name FILE in -f instead of the folder',
            "error",
        )
        return
    if not document.kind and not group and "prompts" in document.value:
        yield about(
            document,
            (),
            "this is a PromptPack itself, not an object that holds one: `omnia pack build FOLDER"
            " -o configmap` prints the objects; move this file out of the folder, or name other"
            " files in -f",
            "error",
        )
        return
    if not document.kind or not group:
        missing = "kind" if group else "apiVersion"
        yield about(document, (), f"the field {missing} is missing: add it", "error")
    elif document.kind in set(Kind) or group.startswith(f"{GROUP}/"):
        for finding in api.findings(document.value):
            severity: Severity = "error" if finding.severity is api.Severity.ERROR else "warning"
            yield about(document, finding.path, finding.message, severity)
    elif not document.name:
        yield about(document, ("metadata",), "the field name is missing: add it", "error")


def _repeated(documents: Sequence[Document]) -> Iterator[Finding]:
    count = Counter((document.kind, document.key) for document in documents)
    seen: dict[tuple[str, tuple[str, str]], Document] = {}
    for document in documents:
        identity = (document.kind, document.key)
        first = seen.setdefault(identity, document)
        if count[identity] > 1 and first is not document:
            where = located(first.file, first.line(("metadata", "name")))
            message = f"another object has this kind and name, {where}: rename or delete one"
            yield about(document, ("metadata", "name"), message, "error")


def _promptpack(document: Document) -> api.PromptPack | None:
    """Return a valid PromptPack; None for anything else."""
    if document.kind != Kind.PROMPT_PACK or document.value.get("apiVersion") != API_VERSION:
        return None
    try:
        resource = api.parse(document.value)
    except api.InvalidResource:
        return None
    return resource if isinstance(resource, api.PromptPack) else None


def _config_maps(documents: Sequence[Document]) -> ConfigMaps:
    found: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for document in documents:
        if document.kind == "ConfigMap":
            found[document.key].append(document)
    return found


def _packs(documents: Sequence[Document], config_maps: ConfigMaps) -> Iterator[Finding]:
    """Check the content of each PromptPack whose ConfigMap is among the manifests, once."""
    checked: set[tuple[tuple[str, str], str, str]] = set()
    for document in documents:
        pack = _promptpack(document)
        if pack is None or pack.spec.source.config_map_ref is None:
            continue
        reference = pack.spec.source.config_map_ref
        place = document.namespace, reference.name
        content = place, reference.key, pack.spec.version
        if place in config_maps and content not in checked:
            checked.add(content)
            yield from _content(document, config_maps[place][0], reference.key, pack.spec.version)


def _content(pack: Document, config_map: Document, key: str, version: str) -> Iterator[Finding]:
    subject = f'PromptPack "{pack.name}"'
    text = config_map.data.get(key)
    if isinstance(text, str):
        yield from check_content(config_map, ("data", key), text, subject, version)
        return
    there = listed([str(each) for each in config_map.data]) or "none"
    message = (
        f"{subject} reads the key {key} (keys: {there}): add it, or name another in"
        " spec.source.configMapRef.key"
    )
    yield about(config_map, ("data",), message, "error")


def _source(
    document: Document, reference: PackRef, documents: Sequence[Document]
) -> Iterator[tuple[Document, object]]:
    """Yield the ConfigMap that a PromptPack reads, and the value of its key."""
    for candidate in documents:
        if candidate.kind == "ConfigMap" and candidate.key == (document.namespace, reference.name):
            yield candidate, (candidate.value.get("data") or {}).get(reference.key)


def _refused(document: Document) -> Iterator[Finding]:
    """Yield what the operator refuses unless its chart allows it."""
    agent = _agent(document)
    if agent is None:
        return
    for finding in refusals(agent, Policy()):
        yield about(document, finding.path, finding.message, "warning")
    if agent.spec.session.type is SessionType.SQLITE and (problem := session_file_problem(agent)):
        message = f"only `omnia up` runs this agent: {problem.message}"
        yield about(document, ("spec", "session"), message, "warning")


def _agent(document: Document) -> api.AgentRuntime | None:
    """Return a valid AgentRuntime; None for anything else."""
    if document.kind != Kind.AGENT_RUNTIME or document.value.get("apiVersion") != API_VERSION:
        return None
    try:
        agent = api.parse(document.value)
    except api.InvalidResource:
        return None
    return agent if isinstance(agent, api.AgentRuntime) else None


def _own_image(document: Document) -> Iterator[Finding]:
    """Yield that an image of the user's is run with the program of the built-in runtime."""
    agent = _agent(document)
    if agent is None or agent.spec.framework.image is None:
        return
    if agent.spec.framework.type is not FrameworkType.CUSTOM:
        message = (
            "this image is run with the program of the built-in runtime, python -m omnia_runtime:"
            " if it has a runtime of its own, add type: custom below framework"
        )
        yield about(document, ("spec", "framework", "image"), message, "warning")


def finding_of(agent: Document, problem: Problem, documents: Sequence[Document]) -> Finding:
    """Return the finding for what prevents an agent: at its field or place in a pack."""
    if problem.place and (finding := _within(agent, problem, documents)):
        return finding
    places = PLACES.get(problem.condition, ())
    place = next((path for path in places if path in agent.lines), ("spec",))
    severity: Severity = "warning" if problem.reason == ELSEWHERE else "error"
    return about(agent, place, problem.message, severity)


def _within(agent: Document, problem: Problem, documents: Sequence[Document]) -> Finding | None:
    """Return the finding about a place in the content of an agent's PromptPack."""
    for document in documents:
        pack = _promptpack(document) if document.namespace == agent.namespace else None
        reference = pack.spec.source.config_map_ref if pack else None
        # An agent may refer to one of several versions.
        if (
            not pack
            or not reference
            or f'"{pack.pack_name}" {pack.spec.version}:' not in (problem.message)
        ):
            continue
        for candidate, text in _source(document, reference, documents):
            if isinstance(text, str):
                content = Content(candidate, ("data", reference.key), text)
                return content.at(problem.place, problem.message, "error")
    return None


def _candidate(agent: Document, step: LocalRollout) -> Iterator[Finding]:
    """Yield why the candidate of an agent cannot be rolled out."""
    candidate = ("spec", "rollout", "candidate")
    if step.status.reason == NOT_POSSIBLE and step.status.message:
        yield about(agent, candidate, step.status.message, "error")
    for problem in step.problems:
        severity: Severity = "warning" if problem.reason == ELSEWHERE else "error"
        yield about(agent, candidate, f"the candidate: {problem.message}", severity)


def _references(documents: list[Document], environ: Mapping[str, str]) -> Iterator[Finding]:
    # Every rollout begins, so that its candidate is resolved too.
    begun = ObservedRollout(RolloutStatus(), World(now="1970-01-01T00:00:00Z"), 0, "")
    rollouts = {each.key: begun for each in documents if each.kind == Kind.AGENT_RUNTIME}
    outcome = desired(documents, environ, Settings(), rollouts=rollouts)
    for document in documents:
        if document.kind == Kind.AGENT_RUNTIME:
            step = outcome.rollouts.get(document.key)
            if step is not None and document.key not in outcome.problems:
                yield from _candidate(document, step)
            for problem in outcome.problems.get(document.key, ()):
                yield finding_of(document, problem, documents)
            for message in outcome.warnings.get(document.key, ()):
                places = (("spec", "toolRegistryRef"), ("spec", "promptPackRef"))
                place = next((place for place in places if place in document.lines), ("spec",))
                yield about(document, place, message, "warning")
