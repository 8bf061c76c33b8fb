"""What tokens cost."""

from msgspec import Struct, structs

from omnia_core.conversation.usage import Usage


class Prices(Struct, frozen=True):
    """US dollars per million tokens.

    Attributes:
        cached: of input tokens that were read from a cache.
        written: of input tokens that were written to a cache.
    """

    input: float = 0.0
    cached: float = 0.0
    output: float = 0.0
    written: float = 0.0

    def priced(self, usage: Usage, written_tokens: int = 0) -> Usage:
        """Return `usage` with its cost.

        `written_tokens` of the input tokens were written to a cache, none of them read from it.
        """
        fresh = max(usage.input_tokens - usage.cached_tokens - written_tokens, 0)
        dollars = (
            fresh * self.input
            + usage.cached_tokens * self.cached
            + written_tokens * self.written
            + usage.output_tokens * self.output
        ) / 1_000_000
        return structs.replace(usage, cost_usd=dollars)
