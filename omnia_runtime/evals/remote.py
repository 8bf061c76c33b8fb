"""Evaluations by another server, over HTTP: `rest_eval`.

It gets what is judged as JSON, and answers `{"score": 0 to 1, "passed": …, "reasoning": …}`.
"""

import msgspec

from omnia_core.errors import Code, OmniaError
from omnia_core.files.evals.rules import Remote
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.evals.facts import Facts
from omnia_runtime.evals.judge import read_answer
from omnia_runtime.evals.score import Score
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ProviderError, is_retryable
from omnia_runtime.ports.tools import ToolFailed
from omnia_runtime.tools.http.client import HTTPToolClient
from omnia_runtime.tools.http.request import HTTPToolRequest

_NAME = "rest_eval"


async def ask(rule: Remote, facts: Facts, client: HTTPClient) -> Score:
    """Ask the server.

    Raises:
        ProviderError: it did not answer, or refused.
        OmniaError: its answer cannot be read.
        TimeoutError: it took too long.
    """
    headers = {"Content-Type": "application/json", **rule.headers}
    body = msgspec.json.encode(content(rule, facts))
    request = HTTPToolRequest(rule.method, rule.url, headers, body)
    try:
        response = await HTTPToolClient(_NAME, client, None, rule.seconds).send(request)
    except ToolFailed as error:
        raise ProviderError(str(error), retryable=error.server_fault) from error
    if not response.succeeded:
        raise ProviderError(
            f"the server of the evaluation answered with status {response.status}",
            retryable=is_retryable(response.status),
            status=response.status,
            retry_after=response.retry_after,
        )
    try:
        text = response.body.decode()
    except UnicodeDecodeError:
        raise OmniaError(Code.INTERNAL, "the answer of the server is no UTF-8") from None
    return read_answer(text)


def content(rule: Remote, facts: Facts) -> JsonObject:
    """Return the request body; the names are those of PromptKit's `rest_eval`."""
    told: JsonObject = {"current_output": facts.output, "session_id": facts.session_id}
    told["turn"] = facts.turn
    if rule.messages:
        told["messages"] = [
            {"role": message.role, "content": message.content}
            for message in facts.messages
            if message.role in ("user", "assistant")
        ]
    if rule.calls:
        told["tool_calls"] = [
            {
                "name": call.name,
                "arguments": call.arguments,
                "result": call.result,
                "error": call.is_error,
                "turn": call.turn,
            }
            for call in facts.calls
        ]
    if rule.criteria:
        told["criteria"] = rule.criteria
    if rule.extra:
        told["extra"] = rule.extra
    return told
