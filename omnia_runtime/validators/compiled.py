"""The validators of a prompt, compiled once and used for every turn."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from omnia_core.files.validators import (
    Excludes,
    Includes,
    Json,
    Matches,
    MaxLength,
    MaxSentences,
    MinLength,
    NoPersonalData,
    Rule,
    ValidatorSpec,
)
from omnia_runtime.validators import text_checks
from omnia_runtime.validators.checks import Blocked, StreamingCheck, TextCheck, text_check
from omnia_runtime.validators.gate import Guard, OutputGate
from omnia_runtime.validators.personal_data import PersonalDataCheck
from omnia_runtime.validators.words import ForbiddenWordsCheck, WordMatcher

INPUT_MESSAGE = "This message cannot be answered: it goes against a rule of this assistant."
OUTPUT_MESSAGE = "The answer is withheld: it goes against a rule of this assistant."


class _CompiledValidator(Struct, frozen=True):
    """A compiled validator.

    Attributes:
        streaming: makes a check for one streamed answer; None if only whole texts can be checked.
    """

    spec: ValidatorSpec
    check: TextCheck
    streaming: Callable[[], StreamingCheck] | None = None


class Validators:
    """The validators of a prompt; `Validators()` lets everything pass.

    Attributes:
        types: as declared, in their order.
    """

    def __init__(self, compiled: Sequence[_CompiledValidator] = ()) -> None:
        self.types = tuple(validator.spec.type for validator in compiled)
        output = [validator for validator in compiled if validator.spec.direction != "input"]
        limits = [
            validator.spec.rule.characters
            for validator in output
            if isinstance(validator.spec.rule, MaxLength)
        ]
        self._limit = min(limits, default=None)
        # An answer that is too long is cut, not blocked.
        self._output = [
            validator for validator in output if not isinstance(validator.spec.rule, MaxLength)
        ]
        self._input = [validator for validator in compiled if validator.spec.direction != "output"]

    def check_input(self, text: str) -> Blocked | None:
        """Return the first violation of the user's text, in the order of declaration."""
        for validator in self._input:
            detail = validator.check(text)
            if detail is not None:
                return Blocked(
                    validator_type=validator.spec.type,
                    message=validator.spec.message or INPUT_MESSAGE,
                    direction="input",
                    detail=detail,
                )
        return None

    def gate(self) -> OutputGate | None:
        """Return the gate for one answer; None if there are no output validators."""
        if not self._output and self._limit is None:
            return None
        guards = [
            Guard(
                validator_type=validator.spec.type,
                message=validator.spec.message or OUTPUT_MESSAGE,
                check=validator.streaming() if validator.streaming else validator.check,
            )
            for validator in self._output
        ]
        return OutputGate(guards, self._limit)


def compile_validators(specs: Sequence[ValidatorSpec]) -> Validators:
    """Compile validators that `omnia_core.files.validators` has parsed."""
    return Validators([_compile(spec) for spec in specs])


def check_of(rule: Rule) -> TextCheck:
    """Return the check of whole texts by a rule."""
    return _compile(ValidatorSpec("", rule)).check


def _compile(spec: ValidatorSpec) -> _CompiledValidator:
    match spec.rule:
        case Excludes(texts, whole_words):
            matcher = WordMatcher(texts, whole=whole_words)
            return _compile_streaming(spec, lambda: ForbiddenWordsCheck(matcher))
        case NoPersonalData(kinds):
            return _compile_streaming(spec, lambda: PersonalDataCheck(kinds))
        case Includes() as rule:
            return _CompiledValidator(spec, text_checks.includes(rule))
        case MaxLength() as rule:
            return _CompiledValidator(spec, text_checks.max_length(rule))
        case MinLength() as rule:
            return _CompiledValidator(spec, text_checks.min_length(rule))
        case MaxSentences() as rule:
            return _CompiledValidator(spec, text_checks.max_sentences(rule))
        case Matches() as rule:
            return _CompiledValidator(spec, text_checks.matches(rule))
        case Json() as rule:
            return _CompiledValidator(spec, text_checks.json_value(rule))


def _compile_streaming(
    spec: ValidatorSpec, streaming: Callable[[], StreamingCheck]
) -> _CompiledValidator:
    return _CompiledValidator(spec, text_check(streaming), streaming)
