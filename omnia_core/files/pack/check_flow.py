"""Checks workflow, agents, skills and compositions: every referenced name has to exist."""

from collections import Counter
from collections.abc import Collection, Iterator

from omnia_core.files.pack.check_prompt import provider_issues
from omnia_core.files.pack.document import Pack
from omnia_core.files.pack.issues import Issue, IssuePath, unknown, warning
from omnia_core.files.pack.workflow import (
    Composition,
    CompositionStep,
    Predicate,
    Skill,
    State,
    Workflow,
)
from omnia_core.suggestions import listed

_NEEDS: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt_task",),
    "agent": ("prompt_task", "termination"),
    "tool": ("tool",),
    "branch": ("predicate", "then"),
    "parallel": ("branches", "reduce"),
}


def flow_issues(pack: Pack) -> Iterator[Issue]:
    """Yield the issues of workflow, agents, skills and compositions."""
    if pack.workflow is not None:
        yield from _workflow(pack, pack.workflow)
    yield from _agents(pack)
    for index, skill in enumerate(pack.skills):
        if isinstance(skill, Skill):
            yield from _skill(skill, ("skills", index))
    for name, composition in pack.compositions.items():
        yield from _composition(pack, composition, ("compositions", name))


def _named(what: str, name: str, there: Collection[str], place: IssuePath) -> Iterator[Issue]:
    if name not in there:
        yield unknown(place, what, name, there, f"; there are: {listed(there)}")


def _workflow(pack: Pack, workflow: Workflow) -> Iterator[Issue]:
    states = workflow.states
    yield from _named("state", workflow.entry, states, ("workflow", "entry"))
    for name, state in states.items():
        place = ("workflow", "states", name)
        yield from _work(pack, state, place)
        for event, target in state.on_event.items():
            yield from _named("state", target, states, (*place, "on_event", event))
        if state.on_max_visits:
            yield from _named("state", state.on_max_visits, states, (*place, "on_max_visits"))
        if state.terminal and state.on_event:
            yield warning((*place, "on_event"), "a terminal state cannot have a successor")
    entry = states.get(workflow.entry)
    if entry is not None and entry.orchestration == "composition":
        yield warning(
            ("workflow", "entry"),
            "compositions are not run: a conversation begins with the prompt that an agent of the"
            ' pack names, the only one, or "default"',
        )


def _work(pack: Pack, state: State, place: IssuePath) -> Iterator[Issue]:
    if state.orchestration == "composition":
        yield from _named(
            "composition", state.composition, pack.compositions, (*place, "composition")
        )
    elif not state.prompt_task:
        yield Issue(place, 'the key "prompt_task" is missing: add it, the key of a prompt')
    else:
        yield from _named("prompt", state.prompt_task, pack.prompts, (*place, "prompt_task"))


def _agents(pack: Pack) -> Iterator[Issue]:
    agents = pack.agents
    if agents is None:
        return
    yield from _named("prompt", agents.entry, pack.prompts, ("agents", "entry"))
    if agents.entry not in agents.members:
        yield warning(("agents", "entry"), f'"{agents.entry}" is not one of the members')
    states = pack.workflow.states if pack.workflow else {}
    for name, member in agents.members.items():
        place = ("agents", "members", name)
        yield from _named("prompt", name, pack.prompts, place)
        if member.state:
            yield from _named("state", member.state, states, (*place, "state"))


def _skill(skill: Skill, place: IssuePath) -> Iterator[Issue]:
    inline = {key: getattr(skill, key) for key in ("name", "description", "instructions")}
    given = [key for key, value in inline.items() if value is not None]
    if skill.path is None and len(given) < len(inline):
        yield Issue(place, "a skill needs either path, or name, description and instructions")
    elif skill.path is not None and given:
        yield Issue(place, f"a skill with path cannot have {given[0]}")


def _composition(pack: Pack, composition: Composition, place: IssuePath) -> Iterator[Issue]:
    steps = list(_every(composition.steps, (*place, "steps")))
    ids = Counter(step.id for _, step in steps)
    for where, step in steps:
        if ids[step.id] > 1:
            yield Issue((*where, "id"), f'another step has the id "{step.id}"')
        yield from _step(pack, step, ids, where)
    if composition.output:
        yield from _named("step", composition.output, ids, (*place, "output"))


def _every(
    steps: list[CompositionStep], place: IssuePath
) -> Iterator[tuple[IssuePath, CompositionStep]]:
    for index, step in enumerate(steps):
        where = (*place, index)
        yield where, step
        yield from _every(step.branches or [], (*where, "branches"))


def _step(
    pack: Pack, step: CompositionStep, ids: Collection[str], place: IssuePath
) -> Iterator[Issue]:
    if step.kind not in _NEEDS and "." not in step.kind:
        known = ", ".join(_NEEDS)
        yield Issue((*place, "kind"), f'expected {known} or vendor.kind, found "{step.kind}"')
    for key in _NEEDS.get(step.kind, ()):
        if getattr(step, key) is None:
            yield Issue(place, f'the key "{key}" is missing: a {step.kind} step needs it')
    end = step.termination
    if end is not None and end.max_steps is None and end.tool_called is None:
        yield Issue((*place, "termination"), "expected max_steps, tool_called or both")
    if step.predicate is not None:
        yield from _predicate(step.predicate, (*place, "predicate"))
    yield from _step_names(pack, step, ids, place)


def _step_names(
    pack: Pack, step: CompositionStep, ids: Collection[str], place: IssuePath
) -> Iterator[Issue]:
    for index, name in enumerate(step.depends_on):
        yield from _named("step", name, ids, (*place, "depends_on", index))
    for key, target in (("then", step.then), ("else", step.else_)):
        if target is not None:
            yield from _named("step", target, ids, (*place, key))
    if step.prompt_task is not None:
        yield from _named("prompt", step.prompt_task, pack.prompts, (*place, "prompt_task"))
    if step.tool is not None and step.tool not in pack.tools:
        yield unknown((*place, "tool"), "tool", step.tool, pack.tools, severity="warning")
    yield from provider_issues(pack, step.provider, place)


def _predicate(predicate: Predicate, place: IssuePath) -> Iterator[Issue]:
    if len(predicate.forms()) != 1:
        yield Issue(
            place, "expected one of: path with op and value, path with exists, all_of, any_of, not"
        )
    for key, several in (("all_of", predicate.all_of), ("any_of", predicate.any_of)):
        for index, inner in enumerate(several or []):
            yield from _predicate(inner, (*place, key, index))
    if predicate.not_ is not None:
        yield from _predicate(predicate.not_, (*place, "not"))
