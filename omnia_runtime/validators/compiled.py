"""The validators of a prompt, compiled once and used for every turn."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from omnia_core.files.validator_rules import (
    Excludes,
    Includes,
    Json,
    Matches,
    MaxLength,
    MaxSentences,
    MinLength,
    NoPersonalData,
)
from omnia_core.files.validators import ValidatorSpec
from omnia_runtime.validators import text_checks
from omnia_runtime.validators.checks import Blocked, Judge, Watch, judge_by
from omnia_runtime.validators.gate import Guard, OutputGate
from omnia_runtime.validators.personal_data import PersonalDataWatch
from omnia_runtime.validators.words import Words, WordWatch

INPUT_MESSAGE = "This message cannot be answered: it goes against a rule of this assistant."
OUTPUT_MESSAGE = "The answer is withheld: it goes against a rule of this assistant."


class _Compiled(Struct, frozen=True):
    """A validator ready for use; one with a `watch` follows an answer while it comes in."""

    spec: ValidatorSpec
    judge: Judge
    watch: Callable[[], Watch] | None = None


class Validators:
    """The validators of a prompt; `Validators()` demands nothing."""

    def __init__(self, compiled: Sequence[_Compiled] = ()) -> None:
        self._input = [each for each in compiled if each.spec.direction != "output"]
        output = [each for each in compiled if each.spec.direction != "input"]
        limits = [
            each.spec.rule.characters for each in output if isinstance(each.spec.rule, MaxLength)
        ]
        self._limit = min(limits, default=None)
        # An answer that is too long is cut, not blocked.
        self._output = [each for each in output if not isinstance(each.spec.rule, MaxLength)]

    def check_input(self, text: str) -> Blocked | None:
        """Judge the user's text: what it breaks first, in the order of declaration."""
        for each in self._input:
            detail = each.judge(text)
            if detail is not None:
                message = each.spec.message or INPUT_MESSAGE
                return Blocked(each.spec.type, message, "input", detail)
        return None

    def gate(self) -> OutputGate | None:
        """Return the gate for one answer; None when nothing is demanded of answers."""
        if not self._output and self._limit is None:
            return None
        guards = [
            Guard(
                each.spec.type,
                each.spec.message or OUTPUT_MESSAGE,
                each.watch() if each.watch else each.judge,
            )
            for each in self._output
        ]
        return OutputGate(guards, self._limit)


def compile_validators(specs: Sequence[ValidatorSpec]) -> Validators:
    """Compile validators that `omnia_core.files.validators` has checked."""
    return Validators([_compile(spec) for spec in specs])


def _compile(spec: ValidatorSpec) -> _Compiled:
    match spec.rule:
        case Excludes(texts, whole_words):
            words = Words(texts, text_checks=whole_words)
            return _watched(spec, lambda: WordWatch(words))
        case NoPersonalData():
            return _watched(spec, PersonalDataWatch)
        case Includes() as rule:
            return _Compiled(spec, text_checks.includes(rule))
        case MaxLength() as rule:
            return _Compiled(spec, text_checks.max_length(rule))
        case MinLength() as rule:
            return _Compiled(spec, text_checks.min_length(rule))
        case MaxSentences() as rule:
            return _Compiled(spec, text_checks.max_sentences(rule))
        case Matches() as rule:
            return _Compiled(spec, text_checks.matches(rule))
        case Json() as rule:
            return _Compiled(spec, text_checks.json_value(rule))


def _watched(spec: ValidatorSpec, watch: Callable[[], Watch]) -> _Compiled:
    return _Compiled(spec, judge_by(watch), watch)
