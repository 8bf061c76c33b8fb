"""The output gate: sends, holds back, cuts or blocks an answer while it is streamed."""

from collections.abc import Sequence

from msgspec import Struct

from omnia_runtime.validators.checks import (
    Blocked,
    OutputBlocked,
    StreamingCheck,
    TextCheck,
    TextViolation,
)
from omnia_runtime.validators.truncation import TextTruncator


class Guard(Struct, frozen=True):
    """A validator applied to one answer, while it is streamed or at its end.

    Attributes:
        validator_type: as the pack declares it.
        message: the text that the user gets instead.
    """

    validator_type: str
    message: str
    check: StreamingCheck | TextCheck


class OutputGate:
    """The gate of one answer.

    Attributes:
        cut: the answer is too long, and `feed` has returned everything that may be sent. The caller
            stops the model and finishes with `max_output_tokens`. False for a blocked answer.
    """

    def __init__(self, guards: Sequence[Guard], limit: int | None) -> None:
        """Create a gate.

        Args:
            guards: in the order of their declaration.
            limit: the maximal length in characters; None for no limit.
        """
        self.cut = False
        self._guards = guards
        self._streaming = [(guard, guard.check) for guard in guards if not callable(guard.check)]
        self._buffers = any(callable(guard.check) for guard in guards)
        self._truncator = None if limit is None else TextTruncator(limit)
        self._held = ""
        self._sent = 0  # characters
        self._parts: list[str] = []  # the whole answer, if a guard checks it at its end
        self._blocked: Blocked | None = None

    def feed(self, text: str) -> str:
        """Add a piece of the answer; return the text that may be sent now.

        Raises:
            OutputBlocked: the answer is blocked; every later call raises it again.
        """
        self._raise_if_blocked()
        if self._truncator is not None:
            if self.cut:
                return ""
            text = self._truncator.feed(text)
            self.cut = self._truncator.cut
        passed = self._check_piece(text) if text else ""
        # A cut answer is complete: the final checks run here, so the caller cannot skip them.
        return passed + self._check_end() if self.cut else passed

    def end(self) -> str:
        """Return the text that is still held back; the answer is complete.

        Raises:
            OutputBlocked: the answer is blocked.
        """
        self._raise_if_blocked()
        if self.cut:
            return ""
        rest = self._check_piece(self._truncator.end()) if self._truncator is not None else ""
        return rest + self._check_end()

    def _check_piece(self, text: str) -> str:
        first: tuple[TextViolation, Guard] | None = None
        safe = self._sent + len(self._held) + len(text)
        for guard, check in self._streaming:
            found = check.feed(text)
            # The earliest violation counts, so that the result does not depend on the pieces.
            if found is not None and (first is None or found.position < first[0].position):
                first = found, guard
            safe = min(safe, check.safe)
        if first is not None:
            self._block(first[1], first[0].detail)
        if self._buffers:
            self._parts.append(text)
            return ""
        text = self._held + text
        passed = text[: safe - self._sent]
        self._held = text[len(passed) :]
        self._sent += len(passed)
        return passed

    def _check_end(self) -> str:
        whole = "".join(self._parts)
        for guard in self._guards:
            check = guard.check
            detail = check(whole) if callable(check) else check.end()
            if detail is not None:
                self._block(guard, detail)
        return whole if self._buffers else self._held

    def _block(self, guard: Guard, detail: str) -> None:
        self.cut, self._held, self._parts = False, "", []
        self._blocked = Blocked(
            validator_type=guard.validator_type,
            message=guard.message,
            direction="output",
            detail=detail,
        )
        raise OutputBlocked(self._blocked)

    def _raise_if_blocked(self) -> None:
        if self._blocked is not None:
            raise OutputBlocked(self._blocked)
