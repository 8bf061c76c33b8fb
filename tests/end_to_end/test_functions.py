"""Functions that `omnia up` runs, called with curl and with `omnia call`."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import orjson
import yaml

from tests.end_to_end.conftest import EXAMPLES, LIMIT, ROOT, Answer, Example, Share, Start
from tests.programs import PYTHON
from tests.services import free_port

Curl = Callable[..., Answer]
JSON = ("-H", "Content-Type: application/json")


def test_the_echo_function_returns_its_input_and_what_the_call_cost(
    share: Share, curl: Curl
) -> None:
    answer = curl(share("echo-function").url, *JSON, "-d", '{"message": "hello"}')

    assert answer.status == 200
    assert answer.body["output"] == {"echo": "hello"}
    assert len(answer.body["invocation_id"]) == 36
    assert answer.body["duration_ms"] >= 0
    assert answer.body["usage"].keys() == {"input_tokens", "output_tokens", "cost_usd"}


def test_the_summarizer_answers_two_texts_differently(
    start: Start, example: Example, curl: Curl, environment: dict[str, str]
) -> None:
    up = start(example("summarizer-function"))
    url = up.wait("ready")["url"]
    up.wait("serving")
    given = EXAMPLES / "summarizer-function/call/input.json"

    first = curl(url, *JSON, "-d", f"@{given}")
    second = curl(url, *JSON, "-d", '{"text": "Cats sleep. Dogs bark.", "maxWords": 10}')
    called = subprocess.run(
        [PYTHON, "-m", "omnia_cli", "call", "summarizer-function", f"@{given}"],
        capture_output=True,
        check=True,
        timeout=LIMIT,
        env=environment,
    )

    assert first.body["output"] == {"summary": "Omnia is a Kubernetes operator for AI agents."}
    assert second.body["output"] == {"summary": "Cats sleep."}
    assert orjson.loads(called.stdout)["output"] == first.body["output"]


def test_each_error_of_the_contract_comes_on_its_cause(
    share: Share, curl: Curl, tmp_path: Path
) -> None:
    url = share("echo-function").url
    large = tmp_path / "large.json"
    large.write_bytes(orjson.dumps({"message": "x" * (1 << 20)}))

    cases = {
        "input_invalid": (400, curl(url, *JSON, "-d", '{"message": 1}')),
        "function_not_found": (404, curl(url + "s", *JSON, "-d", "{}")),
        "method_not_allowed": (405, curl(url)),
        "payload_too_large": (413, curl(url, *JSON, "-d", f"@{large}")),
        "unsupported_media_type": (415, curl(url, "-H", "Content-Type: text/plain", "-d", "{}")),
    }

    for code, (status, answer) in cases.items():
        assert (answer.status, answer.body["error"]) == (status, code)
        assert answer.body["detail"]
    assert "/message" in cases["input_invalid"][1].body["detail"]
    assert cases["method_not_allowed"][1].headers["allow"] == "POST"


def test_an_answer_that_breaks_the_output_schema_is_shown_to_the_caller_with_the_raw_output(
    start: Start, example: Example, curl: Curl
) -> None:
    folder = example("echo-function")
    url = start(answering(folder, {"defaultResponse": "no JSON at all"})).wait("ready")["url"]

    answer = curl(url, *JSON, "-d", '{"message": "hello"}')

    assert (answer.status, answer.body["error"]) == (502, "output_invalid")
    assert answer.body["raw_output"] == "no JSON at all"


def test_a_model_that_fails_is_a_runtime_error(start: Start, example: Example, curl: Curl) -> None:
    failing = {"error": {"status": 500, "message": "the model is down"}}
    folder = answering(
        example("echo-function"), {"scenarios": {"default": {"turns": {1: failing}}}}
    )
    url = start(folder).wait("ready")["url"]

    answer = curl(url, *JSON, "-d", '{"message": "hello"}')

    assert (answer.status, answer.body["error"]) == (502, "runtime_error")


def answering(folder: Path, responses: dict[str, object]) -> Path:
    """Let the mock provider of an example answer otherwise."""
    file = folder / "function.yaml"
    documents = list(yaml.safe_load_all(file.read_text()))
    provider = next(each for each in documents if each["kind"] == "Provider")
    provider["spec"]["mock"]["responses"] = responses
    file.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return folder


def test_without_the_development_variable_every_request_is_unauthorized(
    curl: Curl, tmp_path: Path
) -> None:
    schemas = tmp_path / "function.json"
    schemas.write_text('{"name": "f", "inputSchema": {}, "outputSchema": {}}')
    port, health = free_port(), free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "OMNIA_AGENT_NAME": "f",
        "OMNIA_MODE": "function",
        "OMNIA_FACADE_PORT": str(port),
        "OMNIA_HEALTH_PORT": str(health),
        "OMNIA_BIND_ADDRESS": "127.0.0.1",
        "OMNIA_FUNCTION_PATH": str(schemas),
    }
    facade = subprocess.Popen([PYTHON, "-m", "omnia_facade"], env=environ, cwd=ROOT)
    try:
        retrying = ("--retry", "50", "--retry-connrefused", "--retry-delay", "0")
        answer = curl(f"http://127.0.0.1:{port}/functions/f", *JSON, *retrying, "-d", "{}")
    finally:
        facade.terminate()
        facade.wait(LIMIT)

    assert (answer.status, answer.body["error"]) == (401, "unauthorized")
