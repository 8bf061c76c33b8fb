"""How a model is asked for an output schema that its vendor cannot hold it to."""

import orjson

from omnia_runtime.ports.model import OutputSchema


def with_instruction(system: str, output: OutputSchema) -> str:
    """Return the system prompt with the schema in words; the answer is checked elsewhere."""
    schema = orjson.dumps(output.schema).decode()
    instruction = (
        "Answer with one JSON document and nothing else: no introduction, no code fence. "
        f"It must be valid under this JSON Schema:\n{schema}"
    )
    return f"{system}\n\n{instruction}" if system.strip() else instruction
