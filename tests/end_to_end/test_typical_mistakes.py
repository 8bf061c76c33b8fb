"""Mistakes that newcomers make: the command names the place and says what to do."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from omnia_cli.__main__ import app
from tests.end_to_end.conftest import environment_of, starting
from tests.services import free_port

FILE = "desk.yaml"

AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: desk
spec:
  facade:
    type: websocket
    port: 8080
  prompt:
    system: You help.
  session:
    type: memory
    ttl: 1h
  provider:
    type: mock
"""
PACK = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: desk
spec:
  facade:
    type: websocket
  promptPackRef:
    name: support-pack
  provider:
    type: mock
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata:
  name: support-pack
spec:
  version: 1.0.0
  source:
    type: configmap
    configMapRef:
      name: support-prompts
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: support-prompts
data:
  pack.json: |
    {
      "id": "support",
      "name": "Support",
      "version": "1.0.0",
      "template_engine": {"version": "v1", "syntax": "{{variable}}"},
      "fragments": {"tone": "Be kind."},
      "prompts": {
        "default": {
          "id": "default",
          "name": "Default",
          "version": "1.0.0",
          "system_template": "You help {{company}}. {{fragment:tone}}",
          "variables": [{"name": "company", "type": "string", "required": false, "default": "us"}]
        }
      }
    }
"""
TOOLS = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: desk
spec:
  facade:
    type: websocket
  prompt:
    system: You help.
  toolRegistryRef:
    name: desk-tools
  provider:
    type: mock
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: ToolRegistry
metadata:
  name: desk-tools
spec:
  handlers:
    - name: orders
      type: http
      timeout: 5s
      tool:
        name: lookup_order
        description: Look up an order.
        inputSchema:
          type: object
          properties:
            order_id: {type: string, pattern: "^[A-Z]-[0-9]+$"}
      httpConfig:
        endpoint: http://order-api:8000/orders
---
apiVersion: v1
kind: Service
metadata:
  name: order-api
spec:
  selector: {app: order-api}
  ports:
    - port: 8000
"""
SCRIPT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: desk
spec:
  facade:
    type: websocket
  prompt:
    system: You help.
  provider:
    type: mock
    mock:
      configMapRef:
        name: script
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: script
data:
  mock-responses.yaml: |
    defaultResponse: Hello.
    scenarios:
      default:
        matches:
          - contains: bye
            content: Bye.
"""
FUNCTION = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: desk
spec:
  mode: function
  facade:
    type: grpc
  prompt:
    system: You help.
  inputSchema:
    type: object
  outputSchema:
    type: object
  provider:
    type: mock
"""
# The faults that only a running agent shows, each in an object of its own.
RUNNING = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: wrong-key
spec:
  facade: {{type: websocket, port: {port}}}
  prompt: {{system: You help.}}
  provider:
    type: openai
    model: m
    baseURL: {vendor}
    secretRef: {{name: keys}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: dead-server
spec:
  facade: {{type: websocket, port: {occupied}}}
  prompt: {{system: You help.}}
  provider:
    type: openai
    model: m
    baseURL: http://127.0.0.1:{dead}/v1
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: order-api
spec:
  selector: {{matchLabels: {{app: order-api}}}}
  template:
    metadata: {{labels: {{app: order-api}}}}
    spec:
      containers:
        - name: server
          command: [python3, -c, "raise SystemExit('no orders.json')"]
          ports:
            - containerPort: {tools}
"""


@dataclass(frozen=True)
class Mistake:
    """A change of good manifests, and what the command says about it.

    Attributes:
        old, new: the text that is replaced; of every good manifest the first place.
        place: `LINE` of the file, or the words for what is in no file.
        words: a part of the message.
        command: what a user types.
    """

    name: str
    good: str
    old: str
    new: str
    place: int | str
    words: str
    command: str = "validate"


def wrong(name: str, good: str, old: str, new: str, place: int, words: str) -> Mistake:
    return Mistake(name, good, old, new, place, words)


def running(name: str, command: str, place: int | str, words: str) -> Mistake:
    return Mistake(name, RUNNING, "", "", place, words, command)


_INLINE_PROMPT = "  prompt:\n    system: You help.\n"
_NAMED = "metadata:\n  name: desk\n"

MISTAKES = [
    wrong("kind", AGENT, "AgentRuntime", "AgentRuntme", 2, "did you mean AgentRuntime?"),
    wrong("apiVersion", AGENT, "v1alpha1", "v1", 1, "did you mean omnia.altairalabs.ai/v1alpha1?"),
    wrong(
        "system one level too high",
        AGENT,
        _INLINE_PROMPT,
        "  system: You help.\n",
        9,
        "it belongs below spec.prompt",
    ),
    wrong("tab", AGENT, "    system", "\tsystem", 10, "indent with spaces, not with tabs"),
    wrong(
        "text with a colon",
        AGENT,
        "You help.",
        "Always: help.",
        10,
        "a text with a colon in quotes",
    ),
    wrong(
        "indentation", AGENT, "    port", "   port", 8, "indent this line as the lines beside it"
    ),
    wrong("missing model", AGENT, "type: mock", "type: openai", 14, "add model"),
    wrong(
        "missing provider",
        AGENT,
        "  provider:\n    type: mock\n",
        "",
        5,
        "set exactly one of providers and provider",
    ),
    wrong(
        "missing system", AGENT, _INLINE_PROMPT, "", 5, "exactly one of promptPackRef and prompt"
    ),
    wrong("field", AGENT, "port: 8080", "prot: 8080", 8, "did you mean port?"),
    wrong("provider type", AGENT, "type: mock", "type: opnai", 15, "did you mean openai?"),
    wrong("mode", AGENT, "  facade:", "  mode: funktion\n  facade:", 6, "did you mean function?"),
    wrong(
        "baseUrl",
        AGENT,
        "type: mock",
        "type: openai\n    model: m\n    baseUrl: http://localhost",
        17,
        "did you mean baseURL?",
    ),
    wrong("port", AGENT, "8080", "99999", 8, "expected at most 65535, found 99999"),
    wrong("duplicate object", AGENT, "", f"{AGENT}---\n", 20, f"{FILE}:4: rename or delete one"),
    wrong(
        "duplicate key",
        AGENT,
        "    port: 8080\n",
        "    port: 8080\n    port: 8081\n",
        9,
        "appears twice, first in line 8: delete one",
    ),
    wrong("underscore in a name", AGENT, "name: desk", "name: my_desk", 4, 'write "my-desk"'),
    wrong(
        "text for true",
        AGENT,
        "port: 8080",
        'port: 8080\n    console: "yes"',
        9,
        'expected true or false, found "yes"',
    ),
    wrong("5 minutes", AGENT, "1h", "5 minutes", 13, 'such as "30s", "5m" or "1h30m"'),
    wrong("store without address", AGENT, "type: memory", "type: redis", 11, "add storeRef"),
    wrong(
        "schema of a function", FUNCTION, "  outputSchema:\n    type: object\n", "", 5, "add both"
    ),
    wrong(
        "reference to a pack",
        PACK,
        "name: support-pack",
        "name: suport-pack",
        8,
        "(existing: support-pack): create it, or correct spec.promptPackRef.name",
    ),
    wrong("placeholder", PACK, "{{company}}", "{{compny}}", 41, 'did you mean "company"?'),
    wrong("fragment", PACK, "{{fragment:tone}}", "{{fragment:tome}}", 41, "the pack has: tone"),
    wrong("key of a pack", PACK, '"system_template', '"system_tempate', 41, "did you mean"),
    wrong("JSON of a pack", PACK, '"Support",', '"Support"', 33, "Expecting ',' delimiter"),
    wrong("version without quotes", PACK, "1.0.0", "1.0", 18, 'put it in quotes, "1.0"'),
    wrong(
        "missing key", PACK, "  pack.json: |", "  packs.json: |", 28, "(keys: packs.json): add it"
    ),
    wrong("type of a schema", TOOLS, "string", "strng", 30, "expected one of array, boolean"),
    wrong("pattern of a schema", TOOLS, "[A-Z]", "([A-Z]", 30, "not a regular expression: correct"),
    wrong(
        "reference to tools",
        TOOLS,
        "name: desk-tools",
        "name: desk-tool",
        10,
        "(existing: desk-tools): create it, or correct spec.toolRegistryRef",
    ),
    wrong(
        "claude without a key",
        AGENT,
        "type: mock",
        "type: claude\n    model: m",
        14,
        "add secretRef with the name of a Secret",
    ),
    wrong("ttl as a number", AGENT, "1h", "60", 13, 'write a unit, such as "60s"'),
    wrong("timeout as a number", TOOLS, "5s", "5", 23, 'write a unit, such as "5s"'),
    wrong("type of a handler", TOOLS, "type: http", "type: htpp", 22, "did you mean http?"),
    wrong(
        "Secret that is not there",
        AGENT,
        "type: mock",
        "type: claude\n    model: m\n    secretRef: {name: keys}",
        14,
        "set the environment variable ANTHROPIC_API_KEY",
    ),
    wrong("unfinished kind", AGENT, "AgentRuntime", "Agent", 2, "did you mean AgentRuntime?"),
    wrong("metadata without name", AGENT, _NAMED, "metadata:\n", 3, "write its fields below it"),
    wrong(
        "host of an endpoint", TOOLS, "//order-api", "//orders-api", 21, "did you mean order-api?"
    ),
    wrong("port of an endpoint", TOOLS, "8000/", "8001/", 21, "has no port 8001; it has: 8000"),
    wrong(
        "regex of a mock", SCRIPT, "contains: bye", 'regex: "(bye"', 26, "missing ), unterminated"
    ),
    wrong("key of a mock", SCRIPT, "defaultResponse", "defaultAnswer", 22, "mean defaultResponse?"),
    wrong(
        "snake case",
        AGENT,
        "type: mock",
        "type: openai\n    model: m\n    secret_ref: {name: keys}",
        17,
        "did you mean secretRef?",
    ),
    wrong("two versions", PACK, "version: 1.0.0", "version: 2.0.0", 33, "change one of them"),
    Mistake(
        "empty file",
        AGENT,
        AGENT,
        "",
        f"{FILE}: error: ",
        "write one, with apiVersion, kind and metadata",
    ),
    wrong("apostrophe", AGENT, "You help.", "'You're kind.'", 10, "single quotes twice"),
    wrong("quoted port", AGENT, "8080", '"8080"', 8, 'found "8080": remove the quotes'),
    wrong("port without a value", AGENT, "port: 8080", "port:", 8, "write it after the colon"),
    wrong(
        "prompt as text",
        AGENT,
        _INLINE_PROMPT,
        "  prompt: You help.\n",
        9,
        'found "You help.": write its fields below it, indented',
    ),
    wrong(
        "one provider with a hyphen",
        AGENT,
        "    type: mock",
        "    - type: mock",
        14,
        "without hyphens",
    ),
    wrong(
        "providers without a hyphen",
        AGENT,
        "  provider:\n",
        "  providers:\n",
        14,
        "write its entries below it, each behind a hyphen",
    ),
    wrong(
        "model one level too high", AGENT, "  provider:", "  model: m\n  provider:", 14, "belongs"
    ),
    wrong(
        "key in the manifest",
        AGENT,
        "type: mock",
        "type: mock\n    apiKey: sk-1",
        16,
        "name a Secret with it in secretRef",
    ),
    wrong("empty system", AGENT, "You help.", '""', 10, "expected at least 1 character, found 0"),
    wrong("control character", AGENT, "You help.", "You \0 help.", 10, "U+0000: remove it"),
    wrong(
        "Helm template",
        AGENT,
        "name: desk",
        "name: {{ .Name }}",
        4,
        "template of Helm is rendered first",
    ),
    running("wrong key", "chat wrong-key hello", "OPENAI_API_KEY", "no such key; its key is the"),
    running("dead server", "up", 24, "start it, or correct baseURL"),
    running("port in use", "up", 14, "spec.facade.port"),
    running("tool server that crashes", "up", 37, "server ended: exit code 1: no orders.json"),
]


class Vendor(http.server.BaseHTTPRequestHandler):
    """Refuses every key."""

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        raw = json.dumps({"error": {"message": "no such key"}}).encode()
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@dataclass(frozen=True)
class Faulty:
    """What `omnia up` says of faulty agents that run, and the environment of their users."""

    said: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    folder = tmp_path_factory.mktemp("faulty")
    environment = environment_of(folder) | {"OPENAI_API_KEY": "sk-wrong-1"}
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vendor) as vendor,
        starting(folder, environment) as start,
    ):
        threading.Thread(target=vendor.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{vendor.server_port}"
        text = RUNNING.format(
            port=free_port(),
            occupied=vendor.server_port,
            vendor=address,
            dead=free_port(),
            tools=free_port(),
        )
        (folder / FILE).write_text(text)
        up = start(folder / FILE)
        failed = up.wait("failed", name="order-api")
        up.wait("serving")
        yield Faulty(f"{up.errors.read_text()}\n{failed['reason']}", environment)
        vendor.shutdown()


def test_the_good_manifests_have_no_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for good in (AGENT, PACK, TOOLS, SCRIPT, FUNCTION):
        Path(FILE).write_text(good)
        done = CliRunner().invoke(app, ["validate", FILE])
        assert (done.exit_code, done.stderr) == (0, "0 errors, 0 warnings\n"), done.stdout


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_typical_mistake_is_answered_with_its_place_and_what_to_do(
    mistake: Mistake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    said = ""
    if mistake.good is RUNNING:
        found: Faulty = request.getfixturevalue("faulty")
        monkeypatch.setenv("XDG_STATE_HOME", found.environment["XDG_STATE_HOME"])
        said = found.said
    else:
        assert mistake.old in mistake.good
        Path(FILE).write_text(mistake.good.replace(mistake.old, mistake.new, 1))
    if mistake.command != "up":
        words = [*mistake.command.split(), *([FILE] if mistake.command == "validate" else [])]
        done = CliRunner().invoke(app, words)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        said = done.stdout + done.stderr
    where = f"{FILE}:{mistake.place}" if isinstance(mistake.place, int) else mistake.place
    lines = [line for line in said.splitlines() if mistake.words in line]
    assert lines, said
    assert any(where in line for line in lines), lines


def test_the_table_is_whole() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == 60
