"""What `omnia import` writes runs: agents of kagent and of the Go Omnia, on one machine."""

import subprocess
from pathlib import Path

import yaml

from tests.end_to_end.conftest import Start, Up
from tests.end_to_end.test_tool_settings import asked
from tests.programs import PYTHON
from tests.runtime.servers import ChatServer, chunk, serving
from tests.services import free_port

KAGENT = """\
apiVersion: kagent.dev/v1alpha2
kind: ModelConfig
metadata: {{name: model, namespace: shop}}
spec:
  provider: OpenAI
  model: gpt
  openAI: {{baseUrl: "{url}/v1", temperature: "0.2"}}
---
apiVersion: kagent.dev/v1alpha2
kind: Agent
metadata: {{name: desk, namespace: shop}}
spec:
  type: Declarative
  declarative:
    modelConfig: model
    systemMessage: "Write {{{{name}}}} where a name goes."
"""
SEED = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: pack, namespace: shop}
data:
  pack.json: |
    {"id": "desk", "name": "Desk", "version": "1.0.0",
     "template_engine": {"version": "v1", "syntax": "{{variable}}"},
     "prompts": {"main": {"id": "main", "name": "Main", "version": "1.0.0",
       "system_template": "You are the desk."}}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata: {name: desk, namespace: shop}
spec: {version: 1.0.0, source: {type: configmap, configMapRef: {name: pack}}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: desk
  namespace: shop
  annotations: {omnia.altairalabs.ai/mock-provider: "true"}
spec:
  promptPackRef: {name: desk, track: stable}
  facade: {type: websocket}
  provider: {secretRef: {name: llm}}
  replicas: 1
"""


CASES = Path(__file__).parents[1] / "cli" / "imports"


def imported(text: str, folder: Path, code: int = 0) -> Path:
    """Import a file; return the folder of the manifests."""
    (folder / "theirs.yaml").write_text(text)
    output = folder / "ours"
    command = [PYTHON, "-m", "omnia_cli", "import", str(folder / "theirs.yaml")]
    done = subprocess.run(
        [*command, "-o", str(output)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    return output


def served(start: Start, folder: Path) -> Up:
    """Run the manifests, on a port that no other test takes meanwhile."""
    return start(folder, options=["--port", str(free_port())])


async def test_an_agent_of_kagent_answers_and_its_literal_braces_stay(
    start: Start, tmp_path: Path
) -> None:
    server = ChatServer([chunk({"content": "Hello"}), chunk({}, "stop")])
    async with serving(server) as url:
        ready = served(start, imported(KAGENT.format(url=url), tmp_path)).wait("ready", name="desk")
        assert await asked(ready["url"]) == "Hello"
    (body,) = server.bodies
    assert body["messages"][0]["content"] == "Write {{name}} where a name goes."
    assert (body["model"], body["temperature"]) == ("gpt", 0.2)


async def test_an_agent_of_the_go_omnia_answers(start: Start, tmp_path: Path) -> None:
    ready = served(start, imported(SEED, tmp_path)).wait("ready", name="desk")
    assert await asked(ready["url"])


async def test_sample_agents_of_kagent_answer_with_a_mock_in_place_of_their_models(
    start: Start, tmp_path: Path
) -> None:
    case = CASES / "19-kagent-sample-models" / "input.yaml"
    (file,) = imported(case.read_text(), tmp_path).iterdir()
    objects = list(yaml.safe_load_all(file.read_text()))
    for each in objects:
        if each["kind"] == "Provider":
            each["spec"] = {"type": "mock", "mock": {"responses": {"defaultResponse": "Read."}}}
        if each["kind"] == "AgentRuntime":
            each["spec"]["facade"] = {"type": "websocket", "port": free_port()}
    file.write_text(yaml.safe_dump_all(objects))
    up = start(file)
    for name in ("local", "cloud", "reader"):
        assert await asked(up.wait("ready", name=name)["url"]) == "Read."
