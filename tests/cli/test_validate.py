"""`omnia validate`: findings with file, line, object, path, and what to do."""

import subprocess
from pathlib import Path

import orjson
import pytest

from omnia_cli import manifests, retention
from omnia_cli.findings import Finding, errors
from omnia_cli.validate import validate
from omnia_operator.resolve import RetentionPolicy, in_force
from tests.programs import PYTHON

ROOT = Path(__file__).parents[2]

AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: my-agent
spec:
  promptPackRef:
    name: my-pack
  facade:
    type: websocket
    port: 8080
  providers:
    - name: default
      providerRef:
        name: my-model
"""
PACK = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata:
  name: my-pack
spec:
  version: 1.0.0
  source:
    type: configmap
    configMapRef:
      name: content
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: content
data:
  pack.json: |
    {"id": "p", "name": "P", "version": "1.0.0", "prompts": {"a":
      {"id": "a", "name": "A", "version": "1.0.0", "system_template": "Be kind."}},
     "template_engine": {"version": "v1", "syntax": "{{variable}}"}}
"""
PROVIDER = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata:
  name: my-model
spec:
  type: mock
"""


def check(tmp_path: Path, *texts: str, references: bool = True) -> list[Finding]:
    file = tmp_path / "all.yaml"
    file.write_text("---\n".join(texts))
    return validate([file], references=references)


def test_whole_manifests_have_no_findings(tmp_path: Path) -> None:
    assert check(tmp_path, AGENT, PACK, PROVIDER) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "words"),
    [
        ("port: 8080", "prot: 8080", 10, "spec.facade.prot", "did you mean port?"),
        ("port: 8080", "port: high", 10, "spec.facade.port", "expected a whole number"),
        ("type: websocket", "type: carrier-pigeon", 9, "spec.facade.type", "expected one of"),
        ("kind: AgentRuntime", "kind: AgentRuntme", 2, "kind", "did you mean AgentRuntime?"),
        ("/v1alpha1", "/v2", 1, "apiVersion", "omnia.altairalabs.ai/v1alpha1"),
        ("metadata:\n  name: my-agent\n", "", 1, "metadata", "missing"),
        ("spec:\n", "spec:\n  mode: function\n", 5, "spec", "inputSchema"),
        ("    name: my-pack", "    name: your-pack", 6, "spec.promptPackRef", '"your-pack"'),
        ("        name: my-model", "        name: x", 11, "spec.providers", 'no Provider "x"'),
    ],
)
def test_a_fault_is_found_with_its_line_and_what_to_do(
    tmp_path: Path, old: str, new: str, line: int, path: str, words: str
) -> None:
    assert old in AGENT
    found = check(tmp_path, AGENT.replace(old, new, 1), PACK, PROVIDER)
    matching = [each for each in found if words in each.message]
    assert matching, found
    assert (matching[0].severity, matching[0].path) == ("error", path)
    assert matching[0].line == line


def test_what_the_operator_refuses_by_default_is_a_warning(tmp_path: Path) -> None:
    volumes = "  runtime:\n    volumes:\n      - name: host\n        hostPath: {path: /}\n"
    (finding,) = check(tmp_path, AGENT + volumes, PACK, PROVIDER)

    assert (finding.severity, finding.line) == ("warning", 18)
    assert finding.path == "spec.runtime.volumes[0].hostPath"
    assert "refused unless policy.volumes has hostPath" in finding.message


def test_fields_for_pods_are_checked_with_their_line(tmp_path: Path) -> None:
    text = AGENT + (
        "  runtime:\n    serviceAccountName: mine\n    extraContainers:\n      - name: facade\n"
        "        image: x\n        securityContext: {privileged: true}\n"
    )
    found = check(tmp_path, text, PACK, PROVIDER)
    assert [(each.line, each.path, each.severity) for each in found] == [
        (20, "spec.runtime.extraContainers[0].securityContext.privileged", "error")
    ]

    text = text.replace("{privileged: true}", "{}")
    found = check(tmp_path, text, PACK, PROVIDER)
    assert [(each.line, each.path, each.severity) for each in found] == [
        (18, "spec.runtime.extraContainers[0].name", "error")
    ]

    found = check(tmp_path, text.replace("- name: facade", "- name: a"), PACK, PROVIDER)
    assert [(each.line, each.path, each.severity) for each in found] == [
        (16, "spec.runtime.serviceAccountName", "warning")
    ]


def test_a_pack_that_does_not_parse_is_found_where_it_stands(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, AGENT, PACK.replace('"id": "p",', '"id": p,'), PROVIDER)
    assert (finding.object, finding.path, finding.line) == (
        "ConfigMap/content",
        "data.pack.json",
        33,
    )
    assert 'PromptPack "my-pack"' in finding.message
    assert "line 1" in finding.message


@pytest.mark.parametrize(
    ("old", "new", "line", "severity", "words"),
    [
        ('"version": "1.0.0", "prompts"', '"version": "1.0", "prompts"', 33, "error", "version: "),
        ('"name": "A"', '"name": ""', 34, "error", "prompts.a.name: expected a text"),
        ('"name": "A"', '"nam": "A", "name": "A"', 34, "warning", 'did you mean "name"?'),
        ("{{variable}}", "${variable}", 35, "error", "template_engine.syntax: "),
        ("Be kind.", "Be {% if a %}kind{% endif %}.", 34, "error", "prompts.a.system_template: "),
        ("Be kind.", "Be {{mood}}.", 34, "error", "{{mood}} is not declared"),
        ('{"a":', '{"b": {}, "a":', 33, "error", 'prompts.b: the key "id" is missing'),
    ],
)
def test_what_is_wrong_in_a_pack_is_found_with_its_line_and_its_place(
    tmp_path: Path, old: str, new: str, line: int, severity: str, words: str
) -> None:
    assert old in PACK
    found = check(tmp_path, AGENT, PACK.replace(old, new, 1), PROVIDER)
    matching = [each for each in found if words in each.message]
    assert matching, found
    assert (matching[0].line, matching[0].severity) == (line, severity)


def test_the_place_in_a_pack_on_one_line_is_the_line_of_the_pack(tmp_path: Path) -> None:
    head, _, text = PACK.partition("  pack.json: |\n")
    written = "  pack.json: " + orjson.dumps(text.replace('"P"', "5")).decode() + "\n"
    (finding,) = check(tmp_path, AGENT, head + written, PROVIDER)
    assert finding.line == len((AGENT + "---\n" + head).splitlines()) + 1
    assert "name: expected a text of 1 to 200 characters, found 5" in finding.message


def test_a_pack_with_several_prompts_and_no_entry_is_found_without_an_agent(tmp_path: Path) -> None:
    second = '{"b": {"id": "b", "name": "B", "version": "1.0.0", "system_template": "x"}, "a":'
    found = check(tmp_path, PACK.replace('{"a":', second), references=False)
    assert [each.message for each in found] == ['pack "p" has no prompt "default"; it has: b, a']


@pytest.mark.parametrize(
    ("framework", "warned"),
    [
        ("{image: example.com/lg:1}", True),
        ("{type: promptkit, image: example.com/lg:1}", True),
        ("{type: custom, image: example.com/lg:1}", False),
    ],
)
def test_an_image_without_the_type_custom_is_a_warning_with_the_line_to_add(
    tmp_path: Path, framework: str, *, warned: bool
) -> None:
    found = check(tmp_path, f"{AGENT}  framework: {framework}\n", PACK, PROVIDER)
    assert [(each.severity, each.path, each.line) for each in found] == (
        [("warning", "spec.framework.image", 15)] if warned else []
    )
    assert all("add type: custom below framework" in each.message for each in found)


def test_what_nothing_acts_on_yet_is_a_warning(tmp_path: Path) -> None:
    provider = f"{PROVIDER}  defaults: {{truncationStrategy: custom}}\n"
    (finding,) = check(tmp_path, AGENT, PACK, provider)
    assert finding.severity == "warning"
    assert finding.path == "spec.defaults.truncationStrategy"


ROUTED = """\
  session: {type: redis, storeRef: {name: redis}}
  rollout:
    candidate: {providerRefs: [{name: default, providerRef: {name: my-model}}]}
    steps: [{setWeight: 10}, {setWeight: 50}]
    trafficRouting:
"""
ISTIO = """\
      istio:
        virtualService: {name: shop, routes: [primary]}
        destinationRule: {name: shop}
"""
VIRTUAL_SERVICE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  http:
    - name: primary
      route:
        - destination: {host: my-agent, subset: stable}
          weight: 100
"""
TO_CANDIDATE = """\
        - destination: {host: my-agent, subset: candidate}
          weight: 0
"""
SUBSETS = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec: {host: my-agent}
"""
HTTP_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  rules:
    - backendRefs:
        - {name: my-agent, port: 8080}
"""


def test_the_objects_with_the_weights_of_a_rollout_are_checked(tmp_path: Path) -> None:
    others = (PACK, PROVIDER)
    agent = AGENT + ROUTED + ISTIO
    assert errors(check(tmp_path, agent, VIRTUAL_SERVICE + TO_CANDIDATE, SUBSETS, *others)) == []
    (finding,) = errors(check(tmp_path, agent, VIRTUAL_SERVICE, SUBSETS, *others))
    assert (finding.severity, finding.line) == ("error", 21)
    assert finding.path == "spec.rollout.trafficRouting.istio.virtualService"
    assert finding.message.endswith(
        "add at /spec/http/0/route: - {destination: {host: my-agent, subset: candidate}, weight: 0}"
    )
    wrong = SUBSETS.replace("my-agent", "shop")
    (finding,) = errors(check(tmp_path, agent, VIRTUAL_SERVICE + TO_CANDIDATE, wrong, *others))
    assert finding.path == "spec.rollout.trafficRouting.istio.destinationRule"

    gateway = f"{AGENT}{ROUTED}      gatewayAPI: {{httpRoute: {{name: shop}}}}\n"
    (finding,) = errors(check(tmp_path, gateway, HTTP_ROUTE, *others))
    assert "- {name: my-agent-candidate, port: 8080, weight: 0}" in finding.message
    (finding,) = check(tmp_path, f"{agent}      gatewayAPI: {{httpRoute: {{name: a}}}}\n", *others)
    assert "remove istio or gatewayAPI" in finding.message


def test_sessions_in_memory_that_a_mesh_splits_are_a_warning(tmp_path: Path) -> None:
    routed = (ROUTED + ISTIO).replace("type: redis, storeRef: {name: redis}", "type: memory")
    (finding,) = check(tmp_path, AGENT + routed, PACK, PROVIDER)
    assert (finding.severity, finding.line) == ("warning", 19)
    assert "set rollout.stickySession" in finding.message
    sticky = routed.replace("    steps:", "    stickySession: {hashOn: x-user-id}\n    steps:")
    assert check(tmp_path, AGENT + sticky, PACK, PROVIDER) == []


ROLLOUT = """\
  rollout:
    candidate: {providerRefs: [{name: default, providerRef: {name: my-model}}]}
    steps:
      - setWeight: 10
      - analysis:
          templateName: quality
          args:
            - name: limit
              value: "VALUE"
"""
QUALITY = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: RolloutAnalysis
metadata: {name: quality}
spec:
  args: [{name: limit}]
  metrics:
    - name: errors
      successCondition: result < 1
      provider:
        prometheus: {address: "http://p", query: "errors > {{args.limit}}"}
    - name: helpful
      provider: {agent: {measure: evalPassRate, eval: kind, min: 0.5}}
"""


@pytest.mark.parametrize(
    ("old", "new", "severity", "line", "words"),
    [
        ("name: quality}", "name: other}", "error", 20, "(there: other): add it"),
        ("name: limit}]", "name: limit}, {name: more}]", "error", 20, "needs a value of more"),
        ("- name: limit\n", "- name: limits\n", "error", 22, "no argument limits, only limit"),
        ("VALUE", "0) or vector(1", "error", 19, "the metric errors cannot be measured"),
        ("VALUE", "0.5", "warning", 20, "set spec.evals.enabled"),
    ],
)
def test_the_step_of_a_rollout_and_its_analysis(
    tmp_path: Path, old: str, new: str, severity: str, line: int, words: str
) -> None:
    texts = [text.replace(old, new).replace("VALUE", "5") for text in (ROLLOUT, QUALITY)]
    found = check(tmp_path, AGENT + texts[0], PACK, PROVIDER, texts[1])
    assert any(
        (each.severity, each.line) == (severity, line) and words in each.message for each in found
    ), found


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        ("promptPackVersion: 2.0.0", "without promptPackRef.version stable gets the highest"),
        ("providerRefs: [{name: judge, providerRef: {name: m}}]", "names judge, and the agent has"),
        ("providerRefs: [{name: default, providerRef: {name: none}}]", 'Provider "none"'),
        ("toolRegistryRef: {name: none}", 'ToolRegistry "none"'),
    ],
)
def test_a_candidate_that_cannot_be_rolled_out(tmp_path: Path, candidate: str, words: str) -> None:
    rollout = f"  rollout:\n    candidate: {{{candidate}}}\n    steps: [{{setWeight: 100}}]\n"
    (finding,) = check(tmp_path, AGENT + rollout, PACK, PROVIDER)
    assert (finding.severity, finding.line) == ("error", 16)
    assert words in finding.message


@pytest.mark.parametrize(
    ("steps", "line", "words"),
    [
        ("[{setWeight: 50}, {setWeight: 10}]", 17, "falls from 50 to 10: expected weights that"),
        ("[{analysis: {templateName: turns}}, {setWeight: 9}]", 17, "put a step with setWeight"),
        ("[{setWeight: 0}, {analysis: {templateName: turns}}]", 17, "which has no sessions"),
        ("[{setWeight: 10}, {setWeight: 10}, {analysis: {templateName: turns}}]", 0, ""),
        ("[{analysis: {templateName: asked}}, {setWeight: 9}]", 0, ""),
    ],
)
def test_steps_in_an_order_that_is_seldom_meant(
    tmp_path: Path, steps: str, line: int, words: str
) -> None:
    head = ROLLOUT.partition("    steps:")[0]
    analyses = [
        QUALITY.partition("spec:")[0].replace("quality", name) + f"spec:\n  metrics: [{metric}]\n"
        for name, metric in (
            ("turns", "{name: a, provider: {agent: {measure: errorRate, max: 0.1}}}"),
            ("asked", "{name: a, successCondition: result, provider: {web: {url: 'http://a'}}}"),
        )
    ]
    found = check(tmp_path, f"{AGENT}{head}    steps: {steps}\n", PACK, PROVIDER, *analyses)
    assert [(each.severity, each.line) for each in found] == ([("warning", line)] if line else [])
    assert all(words in each.message for each in found)


def test_an_analysis_that_fits_its_step_has_no_findings(tmp_path: Path) -> None:
    evals = "  evals: {enabled: true}\n"
    agent = AGENT + ROLLOUT.replace("VALUE", "0.5") + evals
    assert check(tmp_path, agent, PACK, PROVIDER, QUALITY) == []


def test_a_condition_of_an_analysis_is_wrong_at_its_line_and_column(tmp_path: Path) -> None:
    analysis = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: RolloutAnalysis
metadata:
  name: quality
spec:
  metrics:
    - name: errors
      successCondition: result <
      provider:
        prometheus: {address: "http://prometheus:9090", query: up}
"""
    (finding,) = check(tmp_path, analysis)
    assert (finding.severity, finding.line) == ("error", 8)
    assert finding.message.startswith("column 9: expected a value")


def test_an_evaluation_that_cannot_be_run_or_exported_is_named_with_its_line(
    tmp_path: Path,
) -> None:
    evals = """ "evals": [
       {"id": "a", "type": "contains", "trigger": "every_turn", "params": {"patterns": ["x"]},
        "metric": {"name": "tone", "type": "gauge"}},
       {"id": "b", "type": "astrology", "trigger": "every_turn"},
       {"id": "c", "type": "contains", "trigger": "every_turn", "params": {"patterns": ["x"]},
        "metric": {"name": "tone", "type": "counter"}}],
     "template_engine\""""
    pack = PACK.replace(' "template_engine"', evals)
    agent = AGENT + "  evals:\n    enabled: true\n"
    found = sorted(check(tmp_path, agent, pack, PROVIDER), key=lambda each: each.line or 0)
    lines = (tmp_path / "all.yaml").read_text().splitlines()
    assert [lines[(each.line or 0) - 1].split(",")[0].strip() for each in found] == [
        '{"id": "b"',
        '{"id": "c"',
    ]
    assert '"astrology" is not known' in found[0].message
    assert 'another evaluation has the metric "tone"' in found[1].message


def test_a_secret_that_is_not_among_the_manifests_is_a_warning(tmp_path: Path) -> None:
    secret = "  type: openai\n  model: m\n  secretRef:\n    name: keys\n"
    (finding,) = check(tmp_path, AGENT, PACK, PROVIDER.replace("  type: mock\n", secret))
    assert (finding.severity, finding.path) == ("warning", "spec.providers")
    assert finding.message == (
        'Provider "my-model" has no API key: set the environment variable OPENAI_API_KEY or'
        ' OPENAI_TOKEN, or add Secret "keys" with the key OPENAI_API_KEY or OPENAI_TOKEN or api-key'
    )


def test_a_key_in_the_environment_is_enough_on_a_laptop(tmp_path: Path) -> None:
    secret = "  type: openai\n  model: m\n  secretRef:\n    name: keys\n"
    file = tmp_path / "all.yaml"
    file.write_text("---\n".join((AGENT, PACK, PROVIDER.replace("  type: mock\n", secret))))

    assert validate([file], references=True, environ={"OPENAI_API_KEY": "k"}) == []
    (finding,) = validate([file], references=True, environ={"ANTHROPIC_API_KEY": "k"})
    assert "has no API key" in finding.message


INLINE = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: my-agent
spec:
  prompt:
    system: Be kind.
  session:
    type: memory
    {session}
  provider:
    type: openai
    model: m
    {provider}
"""


@pytest.mark.parametrize(
    ("fields", "line", "message"),
    [
        (
            {"provider": "base_url: http://localhost"},
            14,
            "spec.provider.base_url: unknown field base_url; did you mean baseURL?",
        ),
        (
            {"provider": "secret_ref: {name: x}"},
            14,
            "spec.provider.secret_ref: unknown field secret_ref; did you mean secretRef?",
        ),
        (
            {"session": "store_ref: {name: x}"},
            10,
            "spec.session.store_ref: unknown field store_ref; did you mean storeRef?",
        ),
        (
            {"session": "ttl: 60"},
            10,
            (
                'spec.session.ttl: expected a duration such as "30s", "5m" or "1h30m", found 60;'
                ' write a unit, such as "60s"'
            ),
        ),
    ],
)
def test_the_commands_refuse_fields_and_durations_that_a_cluster_refuses(
    tmp_path: Path, fields: dict[str, str], line: int, message: str
) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(INLINE.format(**{"provider": "", "session": ""} | fields))
    for command in ("validate", "up"):
        done = subprocess.run(
            [PYTHON, "-m", "omnia_cli", command, "-f", str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
            cwd=ROOT,
        )
        expected = f"{file}:{line}: error: AgentRuntime/my-agent {message}"
        assert done.returncode == 1
        assert (done.stdout + done.stderr).splitlines()[0] == expected


REGISTRY = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: ToolRegistry
metadata:
  name: my-tools
spec:
  handlers:
    - name: tides
      type: http
      tool:
        name: tide_table
        description: Return the tides.
        inputSchema: {type: object}
      httpConfig:
        endpoint: http://tides:8000/
"""
WITH_TOOLS = AGENT + "  toolRegistryRef:\n    name: my-tools\n"


def listing(*tools: str, blocked: str = "") -> str:
    policy = f', "tool_policy": {{"blocklist": ["{blocked}"]}}' if blocked else ""
    listed = ", ".join(f'"{tool}"' for tool in tools)
    return PACK.replace('"Be kind."', f'"Be kind.", "tools": [{listed}]{policy}')


def test_a_tool_that_no_handler_has_is_a_warning(tmp_path: Path) -> None:
    pack = listing("tide_table", "table_of_tides", "tide*", "gone", blocked="gone")
    (finding,) = check(tmp_path, WITH_TOOLS, pack, PROVIDER, REGISTRY)
    assert (finding.severity, finding.path) == ("warning", "spec.toolRegistryRef")
    assert finding.message == (
        'the prompt "a" lists the tool "table_of_tides", which no handler has'
        ' (ToolRegistry "my-tools"): the model is not offered it; the most similar tool there is'
        ' "tide_table"'
    )


def test_a_listed_tool_of_an_agent_without_tools_is_a_warning(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, AGENT, listing("tide_table"), PROVIDER)
    assert finding.path == "spec.promptPackRef"
    assert "(no toolRegistryRef): the model is not offered it" in finding.message


def test_tools_that_only_their_server_knows_are_no_warning(tmp_path: Path) -> None:
    server = (
        "    - name: files\n      type: mcp\n"
        "      mcpConfig: {transport: streamable-http, endpoint: 'http://files/mcp'}\n"
    )
    assert check(tmp_path, WITH_TOOLS, listing("read_file"), PROVIDER, REGISTRY + server) == []


def test_references_are_left_alone_when_asked(tmp_path: Path) -> None:
    assert check(tmp_path, AGENT, references=False) == []
    assert len(check(tmp_path, AGENT)) == 2


def test_two_objects_of_one_name_are_found(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, AGENT, PACK, PROVIDER, PROVIDER)
    assert "another object has this kind and name" in finding.message


def test_other_objects_are_left_to_kubernetes(tmp_path: Path) -> None:
    other = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\nspec: {whatever: 1}\n"
    assert check(tmp_path, AGENT, PACK, PROVIDER, other) == []


def test_a_pack_by_itself_is_named_with_the_command_for_its_objects(tmp_path: Path) -> None:
    (tmp_path / "pack.json").write_text('{"id": "p", "version": "1.0.0", "prompts": {}}')
    (finding,) = validate([tmp_path], references=False)
    assert "omnia pack build FOLDER -o configmap" in finding.message


@pytest.mark.parametrize(
    "head", ["", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"]
)
def test_an_input_of_kustomize_is_named_with_the_command_for_it(tmp_path: Path, head: str) -> None:
    (tmp_path / "all.yaml").write_text(AGENT)
    (tmp_path / "kustomization.yaml").write_text(f"{head}resources: [all.yaml]\n")
    (finding,) = [
        each for each in validate([tmp_path], references=True) if each.severity == "error"
    ]
    assert finding.file == str(tmp_path / "kustomization.yaml")
    assert f'run "kubectl kustomize {tmp_path} > FILE"' in finding.message


def test_programs_get_one_object_a_finding_and_an_exit_code(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(AGENT.replace("port:", "prot:"))
    command = [PYTHON, "-m", "omnia_cli", "validate", "--json", "-f", str(file)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=150, cwd=ROOT)

    found = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert found == [
        {
            "file": str(file),
            "line": 10,
            "object": "AgentRuntime/my-agent",
            "path": "spec.facade.prot",
            "message": found[0]["message"],
            "severity": "error",
        }
    ]


@pytest.mark.parametrize(
    "folder", sorted((ROOT / "examples").iterdir()), ids=lambda each: each.name
)
def test_every_example_is_valid(folder: Path) -> None:
    assert validate([folder], references=True) == []


SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: order-api}
spec: {ports: [{port: 8000}], selector: {app: a}}
"""


def registry_at(endpoint: str) -> str:
    return f"""\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: ToolRegistry
metadata: {{name: tools}}
spec:
  handlers:
    - name: orders
      type: http
      tool: {{name: lookup, description: Look up, inputSchema: {{type: object}}}}
      httpConfig: {{endpoint: '{endpoint}'}}
"""


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://order-api:8000/orders",
        "http://order-api.default.svc:8000",
        "http://order-api.default.svc.cluster.local:8000",
        # Not Services of these manifests.
        "https://api.example.com/orders",
        "http://localhost:8000",
        "http://127.0.0.1:9",
        "http://order-api.other.svc:1",
        "http://[::1]:8001",
    ],
)
def test_an_address_that_may_be_right_is_no_finding(tmp_path: Path, endpoint: str) -> None:
    assert check(tmp_path, SERVICE, registry_at(endpoint)) == []


@pytest.mark.parametrize(
    ("endpoint", "severity", "words"),
    [
        (
            "http://order-api:8001/orders",
            "error",
            'Service "order-api" has no port 8001; it has: 8000',
        ),
        ("http://order-api", "error", "no port 80"),
        ("http://order-api.default.svc:81", "error", "no port 81"),
        ("http://orders-api:8000", "warning", "did you mean order-api?"),
        ("http://elsewhere:8000", "warning", "there: order-api"),
    ],
)
def test_an_address_that_leads_to_no_service_is_found(
    tmp_path: Path, endpoint: str, severity: str, words: str
) -> None:
    (finding,) = check(tmp_path, SERVICE, registry_at(endpoint))
    assert (finding.severity, finding.path) == (severity, "spec.handlers[0]")
    assert words in finding.message
    assert check(tmp_path, registry_at(endpoint)) == []


MOCKED = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata: {name: model}
spec:
  type: mock
  mock:
    responses:
      defaultAnswer: Hello.
      scenarios:
        default:
          turns:
            1: {content: One., latency: 5}
          matches:
            - contains: a
              regex: "["
"""


def test_scripted_responses_are_checked_at_their_lines(tmp_path: Path) -> None:
    found = {finding.line or 0: finding for finding in check(tmp_path, MOCKED)}
    assert sorted(found) == [8, 12, 15]
    assert "did you mean defaultResponse?" in found[8].message
    assert "unknown field latency" in found[12].message
    assert (found[15].severity, found[15].path) == (
        "error",
        "spec.mock.responses.scenarios.default.matches[0].regex",
    )
    assert "unterminated character set" in found[15].message


def test_scripted_responses_in_a_config_map_are_checked_at_their_lines(tmp_path: Path) -> None:
    provider = (
        "apiVersion: omnia.altairalabs.ai/v1alpha1\nkind: Provider\nmetadata: {name: model}\n"
        "spec: {type: mock, mock: {configMapRef: {name: script}}}\n"
    )
    script = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: script}\ndata:\n"
        "  mock-responses.yaml: |\n    matches:\n    - contains: a\n      regex: '('\n"
    )
    (finding,) = check(tmp_path, provider, script)
    # The separator between the two objects is a line, too.
    assert finding.line == 4 + 1 + 8
    assert "missing )" in finding.message


def test_a_pack_of_another_version_is_a_warning(tmp_path: Path) -> None:
    (finding,) = check(
        tmp_path, AGENT, PACK.replace("version: 1.0.0\n", "version: 2.0.0\n"), PROVIDER
    )
    assert finding.severity == "warning"
    assert "has the version 1.0.0" in finding.message
    assert "is 2.0.0" in finding.message


def test_a_kind_that_is_left_unfinished_is_understood(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, AGENT.replace("kind: AgentRuntime", "kind: Agent"))
    assert "did you mean AgentRuntime?" in finding.message


def test_manifests_without_any_object_are_an_error(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, "# nothing yet\n")
    assert "there is no object in it" in finding.message


def test_the_content_of_a_pack_is_read_once_and_its_first_faults_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"tool_{number}" for number in range(150)]
    value = {
        "id": "p",
        "name": "P",
        "version": "1.0.0",
        "template_engine": {"version": "v1", "syntax": "{{variable}}"},
        "prompts": {
            "a": {
                "id": "a",
                "name": "A",
                "version": "1.0.0",
                "system_template": "Be kind.",
                "tools": names,
                "validators": [{"type": "none"}],
            }
        },
        "tools": {"tool": {"name": "tool", "description": "d"}},
    }
    head, _, _ = PACK.partition("  pack.json: |")
    packs = [head.partition("---\n")[0].replace("my-pack", f"pack-{number}") for number in range(5)]
    config_map = (
        head.partition("---\n")[2] + f"  pack.json: |\n    {orjson.dumps(value).decode()}\n"
    )
    read: list[Path] = []
    text_of = manifests.text_of

    def counted(file: Path) -> str:
        read.append(file)
        return text_of(file)

    monkeypatch.setattr(manifests, "text_of", counted)
    found = check(tmp_path, *packs, config_map, references=False)

    assert len(read) == 2  # its objects, and its lines
    about_pack = [each for each in found if "content of" in each.message]
    assert len(about_pack) == 101
    assert about_pack[0].message.endswith("there are 51 more findings: mend these first")
    assert about_pack[1].severity == "error"
    assert about_pack[2].message.endswith('did you mean "tool"?')


def test_the_data_of_a_config_map_that_are_no_object_are_left_to_kubernetes(tmp_path: Path) -> None:
    head, _, _ = PACK.partition("\ndata:\n")
    found = check(tmp_path, head + "\ndata: [1]\n", references=False)
    assert [each.message for each in found] == [
        (
            'PromptPack "my-pack" reads the key pack.json (keys: none): add it, or name another in'
            " spec.source.configMapRef.key"
        )
    ]


def test_policies_of_many_namespaces_are_each_compared_with_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []

    def counted(namespace: str, policies: list[RetentionPolicy]) -> RetentionPolicy | None:
        compared.append(len(policies))
        return in_force(namespace, policies)

    monkeypatch.setattr(retention, "in_force", counted)
    policy = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: SessionRetentionPolicy
metadata: {{name: {name}, namespace: ns-{number}}}
spec: {{ttlAfterInactive: 1h}}
"""
    check(
        tmp_path,
        *(policy.format(name=name, number=number) for number in range(30) for name in ("a", "b")),
        references=False,
    )
    assert compared == [2] * 30
