"""Reads the evaluations that a pack declares for a prompt."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct, structs

from omnia_core.errors import ConfigurationError
from omnia_core.files.evals.outcome import Requirement, requirement
from omnia_core.files.evals.readers import TYPES
from omnia_core.files.evals.rules import EvalRule, Judged, Remote, Similar
from omnia_core.files.pack import Pack
from omnia_core.files.pack.prompt import Eval, Metric, Prompt, Threshold
from omnia_core.files.validator_params import Params
from omnia_core.jsonvalue import JsonObject

TURN_TRIGGERS = ("every_turn", "sample_turns")
SESSION_TRIGGERS = ("on_session_complete", "on_conversation_complete", "sample_sessions")
_SAMPLING = ("sample_turns", "sample_sessions")
_ASSERTION = "assertion"
_EXTENDED = (Judged, Remote, Similar)


class When(Struct, frozen=True, forbid_unknown_fields=True):
    """What a turn needs so that an evaluation is run; otherwise it is skipped.

    Attributes:
        tool_called: this tool was called.
        tool_called_pattern: a tool was called whose name this RE2 pattern matches.
        any_tool_called: a tool was called.
        min_tool_calls: so many calls were made.
    """

    tool_called: str = ""
    tool_called_pattern: str = ""
    any_tool_called: bool = False
    min_tool_calls: int = 0


class EvalSpec(Struct, frozen=True):
    """A parsed evaluation.

    Attributes:
        type: as declared, which may be an alias.
        trigger: when it is run.
        sample_percentage: of the turns or sessions; 100 but for the triggers that sample.
        session: it is about the whole session, and not about a turn.
    """

    id: str
    type: str
    trigger: str
    rule: EvalRule
    sample_percentage: float = 100.0
    session: bool = False
    requirement: Requirement = Requirement()
    when: When = When()
    metric: Metric | None = None

    @property
    def at_completion(self) -> bool:
        """Whether it is run when a session is complete, and not after turns."""
        return self.trigger in SESSION_TRIGGERS

    @property
    def extended(self) -> bool:
        """Whether it asks a model, or another server."""
        return isinstance(self.rule, _EXTENDED)

    @property
    def judge(self) -> str:
        """The name of the Provider that it asks; "" if it asks no model."""
        return self.rule.judge if isinstance(self.rule, Judged) else ""


def evals_of(pack: Pack, prompt: Prompt) -> list[Eval]:
    """Return the evaluations of a prompt and of its pack; the prompt's win over the same id."""
    merged = {each.id: each for each in (*pack.evals, *prompt.evals)}
    return list(merged.values())


def read_evals(declared: Sequence[Eval]) -> tuple[list[EvalSpec], list[str]]:
    """Parse the enabled ones; return those that are valid, and the problem of each other."""
    specs, problems = [], []
    for each in declared:
        if not each.enabled:
            continue
        try:
            specs.append(_parse(each))
        except ConfigurationError as error:
            problems.append(error.message)
    return specs, problems


def read_eval(type_: str, params: JsonObject, where: str) -> tuple[EvalRule, bool]:
    """Parse the type and parameters of an evaluation.

    Returns:
        What it measures, and whether it is about the whole session.

    Raises:
        ConfigurationError: the type is unknown, or a parameter is invalid.
    """
    found = TYPES.get(type_)
    if found is None:
        known = ", ".join(sorted(TYPES))
        raise ConfigurationError(f'{where}.type: "{type_}" is not known; known: {known}')
    reader = Params(params, f"{where}.params")
    rule = found.read(reader)
    reader.finish()
    session = found.session or (isinstance(rule, Judged) and rule.content == "session")
    return rule, session


def _parse(declared: Eval) -> EvalSpec:
    where = f"evals.{declared.id}"
    if declared.trigger not in (*TURN_TRIGGERS, *SESSION_TRIGGERS):
        known = ", ".join((*TURN_TRIGGERS, *SESSION_TRIGGERS))
        raise ConfigurationError(
            f'{where}.trigger: "{declared.trigger}" is not known, and the evaluation is not run;'
            f" known: {known}"
        )
    declared, wrapped = _unwrapped(declared, where)
    rule, session = read_eval(declared.type, declared.params, where)
    try:
        needed = requirement(wrapped or declared.threshold)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}.threshold.{error.message}") from None
    return EvalSpec(
        id=declared.id,
        type=declared.type,
        trigger=declared.trigger,
        rule=rule,
        sample_percentage=declared.sample_percentage if declared.trigger in _SAMPLING else 100.0,
        session=session or declared.trigger in SESSION_TRIGGERS,
        requirement=needed,
        when=_when(declared, where),
        metric=declared.metric,
    )


def _unwrapped(declared: Eval, where: str) -> tuple[Eval, Threshold | None]:
    """Return an evaluation without the wrapper `assertion`, and the threshold of the wrapper."""
    if declared.type != _ASSERTION:
        return declared, None
    params = Params(declared.params, f"{where}.params")
    kind = params.text("eval_type") or params.missing("eval_type")
    inner = params.object("eval_params") if params.has("eval_params") else {}
    least, most = params.number("min_score"), params.number("max_score")
    params.finish()
    threshold = Threshold(min_score=1.0 if least is most is None else least, max_score=most)
    return structs.replace(declared, type=kind, params=inner), threshold


def _when(declared: Eval, where: str) -> When:
    try:
        return msgspec.convert(declared.when or {}, When)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}.when: {error}") from None
