"""The parameters of a call of Claude."""

from omnia_core.files.pack import Parameters
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.providers.claude.version import Abilities

# The API demands a limit; these hold where nobody set another. The oldest models have no longer
# answers than the first.
_MAX_TOKENS = 4096
_MAX_TOKENS_THINKING = 16384


def claude_parameters(parameters: Parameters, can: Abilities) -> JsonObject:
    """Return the parameters that a model takes; `max_tokens` is always among them.

    The API has no penalties for frequency and presence: they are left out, as are the sampling
    parameters for models that refuse them. Of temperature and top_p, newer models get the first.
    """
    values: JsonObject = {"max_tokens": parameters.max_tokens}
    if parameters.max_tokens is None:
        values["max_tokens"] = _MAX_TOKENS_THINKING if can.thinks else _MAX_TOKENS
    if can.sampling:
        both = can.both or parameters.temperature is None
        values |= {
            "temperature": parameters.temperature,
            "top_p": parameters.top_p if both else None,
            "top_k": parameters.top_k,
        }
    return {name: value for name, value in values.items() if value is not None}
