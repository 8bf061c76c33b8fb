"""What a model is sent in each call of a turn."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from omnia_core.conversation.parts import Part
from omnia_core.conversation.usage import Usage
from omnia_core.sessions import Message
from omnia_runtime.agent.context_window import Fitted, Window, fit
from omnia_runtime.agent.tokens import Calibration, of_output, of_text, of_tools
from omnia_runtime.ports.model import ChatRequest
from omnia_runtime.turns.media import Gone, Loaded


class Context:
    """The context window of a model, and what its own counts taught about the estimates."""

    def __init__(self, window: Window | None) -> None:
        """`window` is None when nobody declared one: everything is sent."""
        self.window = window
        self.calibration = Calibration()


class Asking:
    """Makes each call of a turn: what fits into the window, with the bytes of its media.

    Attributes:
        first: what the first call sent; None before it.
    """

    def __init__(self, context: Context, media: Mapping[Part, Loaded], first: int = 0) -> None:
        """Ask about messages of a session.

        `media` has the loaded part for each part that leads elsewhere; `first` is the position of
        the first message in the session.
        """
        self.first: Fitted | None = None
        self._context = context
        self._media = media
        self._position = first
        self._estimated = 0

    def ask(self, request: ChatRequest, messages: Sequence[Message]) -> ChatRequest:
        """Return the next call.

        Raises:
            DoesNotFit: the user's message is too large.
        """
        window = self._context.window
        fixed = 0
        if window is not None:
            fixed = of_text(request.system) + of_tools(request.tools) + of_output(request.output)
        fitted = fit(messages, fixed, window, self._context.calibration, self._position)
        self.first = self.first or fitted
        self._estimated = fitted.tokens
        system = "\n\n".join(filter(None, (request.system, fitted.note)))
        said = [self._loaded(each) for each in _without_failed_media(fitted.messages)]
        return structs.replace(request, system=system, messages=said)

    def used(self, usage: Usage) -> None:
        """Learn from what the vendor counted for the last call."""
        if self._context.window is not None:
            learned = self._context.calibration.learned(self._estimated, usage.input_tokens)
            self._context.calibration = learned

    def _loaded(self, message: Message) -> Message:
        if not message.parts:
            return message
        parts: list[Part] = []
        notes: list[str] = []
        for part in message.parts:
            match self._media.get(part, part):
                case Gone(reason):
                    notes.append(f"[not shown: {part.type}; {reason}]")
                case loaded:
                    parts.append(loaded)
        content = "\n".join(filter(None, (message.content, *notes)))
        return structs.replace(message, content=content, parts=tuple(parts))


def _without_failed_media(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield the messages; what came with a turn that failed is not shown again.

    It may be why the turn failed, and would make every later one fail too.
    """
    if not any(message.parts for message in messages):
        yield from messages
        return
    following = [*messages[1:], Message("user")]
    for message, after in zip(messages, following, strict=True):
        if message.role == "user" and message.parts and after.finish_reason == "error":
            kinds = ", ".join(part.type for part in message.parts)
            note = f"[not shown: {kinds}; the turn failed]"
            yield structs.replace(message, content=f"{message.content}\n{note}".strip(), parts=())
        else:
            yield message
