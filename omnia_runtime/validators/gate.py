"""Between the model and the client: lets an answer through, holds it back, cuts or blocks it."""

from collections.abc import Sequence

from msgspec import Struct

from omnia_runtime.validators.checks import Blocked, Finding, Judge, OutputBlocked, Watch
from omnia_runtime.validators.truncation import Cutter


class Guard(Struct, frozen=True):
    """A validator at work on one answer: it watches the text come in, or judges it at the end.

    Attributes:
        validator_type: as declared.
        message: what the user is told.
    """

    validator_type: str
    message: str
    check: Watch | Judge


class OutputGate:
    """The gate of one answer.

    Attributes:
        cut: the answer was too long: `feed` has returned all that is sent of it. Stop the model,
            and finish with `max_output_tokens`. A blocked answer is never a cut one.
    """

    def __init__(self, guards: Sequence[Guard], limit: int | None) -> None:
        """`guards` in the order of their declaration; `limit` in characters, None is none."""
        self.cut = False
        self._guards = guards
        self._watches = [(guard, guard.check) for guard in guards if not callable(guard.check)]
        self._buffers = any(callable(guard.check) for guard in guards)
        self._cutter = None if limit is None else Cutter(limit)
        self._held = ""
        self._sent = 0  # characters that have left
        self._parts: list[str] = []  # the whole answer, where it is judged as a whole
        self._blocked: Blocked | None = None

    def feed(self, text: str) -> str:
        """Take in more of the answer; return what may be sent now, "" while it is held back.

        Raises:
            OutputBlocked: the answer breaks a rule; from then on, every call raises it.
        """
        self._raise_if_blocked()
        if self._cutter is not None:
            if self.cut:
                return ""
            text = self._cutter.feed(text)
            self.cut = self._cutter.cut
        passed = self._look_at(text) if text else ""
        # What was cut is complete: it is judged here, so that a caller who stops cannot skip it.
        return passed + self._close() if self.cut else passed

    def end(self) -> str:
        """Return what is still held, now that the answer is complete.

        Raises:
            OutputBlocked: the answer breaks a rule.
        """
        self._raise_if_blocked()
        if self.cut:
            return ""
        rest = self._look_at(self._cutter.end()) if self._cutter is not None else ""
        return rest + self._close()

    def _close(self) -> str:
        whole = "".join(self._parts)
        for guard in self._guards:
            check = guard.check
            detail = check(whole) if callable(check) else check.end()
            if detail is not None:
                self._block(guard, detail)
        return whole if self._buffers else self._held

    def _look_at(self, text: str) -> str:
        first: tuple[Finding, Guard] | None = None
        safe = self._sent + len(self._held) + len(text)
        for guard, watch in self._watches:
            found = watch.feed(text)
            # What is decided first counts, so that the verdict does not depend on the split.
            if found is not None and (first is None or found.position < first[0].position):
                first = found, guard
            safe = min(safe, watch.safe)
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

    def _block(self, guard: Guard, detail: str) -> None:
        self.cut, self._held, self._parts = False, "", []
        self._blocked = Blocked(guard.validator_type, guard.message, "output", detail)
        raise OutputBlocked(self._blocked)

    def _raise_if_blocked(self) -> None:
        if self._blocked is not None:
            raise OutputBlocked(self._blocked)
