"""What names, paths and ports of a cluster become on one machine."""

import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnia_cli.local.agent import AgentPorts, Machine, localise
from omnia_cli.local.deployment import choose_ports, processes, workloads
from omnia_cli.local.desired import desired
from omnia_cli.local.objects import Addresses, CannotRun, Objects, Paths, collect, environment
from omnia_cli.local.ports import PortOccupied, Ports
from omnia_cli.local.process import ProcessSpec, write_files
from omnia_cli.local.volumes import Mount, place
from omnia_cli.manifests import Document
from omnia_core.documents import Lines
from omnia_operator.plan import Settings

NOTHING = Objects({}, {})


def document(text: str) -> Document:
    return Document(Path("x.yaml"), yaml.safe_load(text), Lines(1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://api:80/x", "http://127.0.0.1:5001/x"),
        ("http://api/x", "http://127.0.0.1:5001/x"),
        ("http://api:9000", "http://127.0.0.1:5002"),
        ("http://api.here:9000/", "http://127.0.0.1:5002/"),
        ("http://api.here.svc:9000/", "http://127.0.0.1:5002/"),
        ("url: http://api.here.svc.cluster.local:9000\n", "url: http://127.0.0.1:5002\n"),
        ("http://far.there:7/", "http://127.0.0.1:5003/"),
        ("http://far:7/", "http://far:7/"),
        ("http://api:8080/", "http://api:8080/"),
        ("http://api:90001/", "http://api:90001/"),
        ("http://my-api:9000/", "http://my-api:9000/"),
        ("http://api-x:9000/", "http://api-x:9000/"),
        ("http://api.example.com/", "http://api.example.com/"),
    ],
)
def test_the_name_of_a_service_leads_to_its_local_port(text: str, expected: str) -> None:
    addresses = Addresses()
    addresses.add(("here", "api"), 80, 5001)
    addresses.add(("here", "api"), 9000, 5002)
    addresses.add(("there", "far"), 7, 5003)
    assert addresses.follow(text, "here") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/etc/app", "/local/a"),
        ("/etc/app/x.yaml", "/local/a/x.yaml"),
        ("--config=/etc/app/x.yaml", "--config=/local/a/x.yaml"),
        ("/etc/app/deep/y:/else", "/local/b/y:/else"),
        ("/etc/application", "/etc/application"),
        ("/mnt/etc/app", "/mnt/etc/app"),
    ],
)
def test_a_setting_that_points_inside_a_mount_follows(text: str, expected: str) -> None:
    paths = Paths({"/etc/app": "/local/a", "/etc/app/deep": "/local/b"})
    assert paths.follow(text) == expected


@pytest.fixture
def ports() -> Iterator[Ports]:
    """The ports of one `omnia up`."""
    with contextlib.closing(Ports()) as made:
        yield made


def test_a_port_that_was_asked_for_is_taken_or_an_error_and_others_are_the_next_free(
    ports: Ports,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            PortOccupied, match=f'port {port} is occupied by the agent "first": .*--port'
        ):
            ports.exactly(port, lambda _: 'the agent "first"')
        chosen = ports.from_(port)
        assert chosen > port
        assert ports.from_(port) > chosen
    ports.release(chosen)
    assert ports.exactly(chosen, str) == chosen


def test_a_port_that_no_program_uses_yet_is_not_handed_out_to_another(ports: Ports) -> None:
    first = ports.any()
    with contextlib.closing(Ports()) as others:
        assert others.from_(first) != first
        with pytest.raises(PortOccupied):
            others.exactly(first, str)
        ports.release(first)
        assert others.exactly(first, str) == first
        with socket.create_server(("127.0.0.1", first)):
            assert not ports.is_taken(first)
    assert ports.exactly(first, str) == first


CONFIG = """\
kind: ConfigMap
metadata: {name: files}
data: {a.txt: one, b.txt: two}
binaryData: {c.bin: AAE=}
"""
SECRET = """\
kind: Secret
metadata: {name: keys}
data: {a: b25l}
stringData: {b: two}
"""
VOLUMES: list[dict[str, Any]] = [
    {"name": "all", "configMap": {"name": "files"}},
    {"name": "some", "configMap": {"name": "files", "items": [{"key": "a.txt", "path": "d/x"}]}},
    {"name": "secret", "secret": {"secretName": "keys"}},
    {"name": "scratch", "emptyDir": {}},
    {"name": "disk", "persistentVolumeClaim": {"claimName": "c"}},
    {"name": "maybe", "configMap": {"name": "gone", "optional": True}},
    {"name": "unused", "configMap": {"name": "gone"}},
]


def test_volumes_become_private_folders(tmp_path: Path) -> None:
    objects = collect([document(CONFIG), document(SECRET)])
    names = ("all", "some", "secret", "scratch", "disk", "maybe")
    mounts = [Mount(name, f"/m/{name}") for name in names]

    folders = place(VOLUMES, mounts, tmp_path / "root", tmp_path / "pod", "default", objects)
    write_files({}, ProcessSpec("x", (), {}, folders.files, folders.empty))

    root = tmp_path / "root"
    found = {str(each.relative_to(root)): each for each in root.rglob("*") if each.is_file()}
    assert {name: file.read_bytes() for name, file in found.items()} == {
        "all/a.txt": b"one",
        "all/b.txt": b"two",
        "all/c.bin": b"\x00\x01",
        "some/d/x": b"one",
        "secret/a": b"one",
        "secret/b": b"two",
    }
    assert (tmp_path / "pod" / "scratch").is_dir()
    assert (root / "all").stat().st_mode & 0o077 == 0
    assert folders.notes == ('volume "disk": an empty folder stands in for persistentVolumeClaim',)


def test_containers_of_a_pod_share_a_volume_that_is_written_to_and_nothing_else(
    tmp_path: Path,
) -> None:
    objects = collect([document(CONFIG)])
    mounts = [Mount("scratch", "/var/scratch"), Mount("all", "/etc/all")]
    one, other = (
        place(VOLUMES, mounts, tmp_path / name, tmp_path / "pod", "default", objects).paths
        for name in ("facade", "runtime")
    )
    assert one.follow("/var/scratch/x") == other.follow("/var/scratch/x")
    assert one.follow("/etc/all/x") != other.follow("/etc/all/x")


def test_a_projected_volume_has_the_files_of_all_its_sources(tmp_path: Path) -> None:
    objects = collect([document(CONFIG), document(SECRET)])
    secret = {"name": "keys", "items": [{"key": "b", "path": "crm"}], "optional": True}
    sources = [
        {"secret": secret},
        {"secret": {**secret, "name": "gone"}},
        {"configMap": {"name": "files", "items": [{"key": "a.txt", "path": "d/x"}]}},
        {"serviceAccountToken": {"audience": "bank", "path": "bank"}},
    ]
    volume = {"name": "all", "projected": {"sources": sources}}
    folders = place([volume], [Mount("all", "/m")], tmp_path, tmp_path, "default", objects)
    assert folders.files == {tmp_path / "all/crm": b"two", tmp_path / "all/d/x": b"one"}
    assert folders.notes == ('volume "all": only a cluster has serviceAccountToken',)


def test_a_volume_of_something_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match='"gone" is not among the manifests'):
        place(VOLUMES, [Mount("unused", "/m")], tmp_path, tmp_path, "default", NOTHING)


def test_only_changed_files_are_written_and_old_ones_go(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    first = ProcessSpec("x", (), {}, {a: b"1", b: b"2"})
    assert write_files({}, first)
    assert not write_files(first.files, first)
    second = ProcessSpec("x", (), {}, {a: b"3"})
    assert write_files(first.files, second)
    assert (a.read_bytes(), b.exists()) == (b"3", False)


DEPLOYMENT = """\
kind: Deployment
metadata: {name: tool}
spec:
  template:
    metadata: {labels: {app: tool}}
    spec:
      containers:
        - name: server
          image: x
          command: [python3, /srv/server.py]
          args: [--port, "8000", --host, 0.0.0.0, --token, $(TOKEN), --other, $(NONE)]
          ports: [{name: web, containerPort: 8000}]
          env:
            - {name: PORT, value: "8000"}
            - {name: TOKEN, valueFrom: {secretKeyRef: {name: keys, key: b}}}
            - {name: WHO, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: BACKEND, value: "http://other:80/x"}
          volumeMounts: [{name: files, mountPath: /srv}]
      volumes: [{name: files, configMap: {name: files}}]
"""
SERVICE = """\
kind: Service
metadata: {name: tool-api}
spec: {selector: {app: tool}, ports: [{port: 80, targetPort: web}]}
"""


def test_a_deployment_runs_as_the_command_of_its_container(ports: Ports, tmp_path: Path) -> None:
    documents = [document(text) for text in (DEPLOYMENT, SERVICE, CONFIG, SECRET)]
    (workload,) = workloads(documents)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chosen = {8000: ports.from_(taken.getsockname()[1])}
    addresses = Addresses()
    addresses.add(("default", "other"), 80, 5001)

    (spec,) = processes(workload, chosen, tmp_path, collect(documents), addresses, {"PATH": "/bin"})

    port = str(chosen[8000])
    server = str(tmp_path / "files/server.py")
    assert spec.command[:2] == (sys.executable, server)
    assert spec.command[2:6] == ("--port", port, "--host", "127.0.0.1")
    assert spec.command[6:] == ("--token", "two", "--other", "$(NONE)")
    assert spec.environment == {
        "PATH": "/bin",
        "PYTHONUNBUFFERED": "1",
        "PORT": port,
        "TOKEN": "two",
        "WHO": "tool",
        "BACKEND": "http://127.0.0.1:5001/x",
    }
    assert list(workload.addresses(chosen)) == [(("default", "tool-api"), 80, chosen[8000])]


def test_a_declared_port_is_kept_when_it_is_free(ports: Ports) -> None:
    (workload,) = workloads([document(DEPLOYMENT)])
    chosen = choose_ports(workload, ports)
    assert chosen.keys() == {8000}
    assert chosen[8000] >= 8000


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("command: [python3, /srv/server.py]", "command: [no-such-program]"), "not on this mach"),
        (("command: [python3, /srv/server.py]", "command: []"), "has no command"),
        (("key: b", "key: c"), 'has no key "c"'),
        (("metadata.name}", "spec.nodeName}"), "only a cluster has"),
    ],
)
def test_what_a_machine_cannot_run_is_named(
    tmp_path: Path, change: tuple[str, str], expected: str
) -> None:
    documents = [document(text) for text in (DEPLOYMENT.replace(*change), CONFIG, SECRET)]
    (workload,) = workloads(documents)
    with pytest.raises(CannotRun, match=expected):
        processes(workload, {8000: 8000}, tmp_path, collect(documents), Addresses(), {})


def test_an_agent_with_a_runtime_of_ones_own_is_not_run_with_the_built_in_one(
    tmp_path: Path,
) -> None:
    text = """
        apiVersion: omnia.altairalabs.ai/v1alpha1
        kind: AgentRuntime
        metadata: {name: lg}
        spec:
          prompt: {system: hi}
          provider: {type: mock}
          framework: {type: custom, image: "example.com/lg:1"}
          facade: {}
    """
    wanted = desired([document(text)], {}, Settings())
    (planned,) = wanted.plans.values()
    machine = Machine(tmp_path, wanted.objects, Addresses(), {})
    with pytest.raises(CannotRun, match=r"example\.com/lg:1.* framework\.type: promptkit"):
        localise(planned, AgentPorts(1, 2, 3, 4), machine)


EVALUATED = """
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {name: judged}
spec:
  promptPackRef: {name: support}
  session: {type: SESSIONS}
  providers:
    - {name: default, providerRef: {name: model}}
    - {name: judge, providerRef: {name: model}}
  evals: {enabled: true}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata: {name: support}
spec: {version: 1.0.0, source: {type: configmap, configMapRef: {name: pack}}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata: {name: model}
spec: {type: mock}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: pack}
data: {pack.json: PACK}
---
apiVersion: v1
kind: Secret
metadata: {name: store}
stringData: {url: "redis://127.0.0.1:1"}
"""


@pytest.mark.parametrize(
    ("sessions", "programs"),
    [
        ("memory", ["judged/facade", "judged/runtime"]),
        ("redis, storeRef: {name: store}", ["judged/facade", "judged/runtime", "judged/evals"]),
    ],
)
def test_evaluations_are_a_third_program_where_it_sees_the_sessions(
    sessions: str, programs: list[str], tmp_path: Path
) -> None:
    prompt = {"id": "main", "name": "Main", "version": "1.0.0", "system_template": "Hi."}
    judged = {"id": "k", "type": "llm_judge", "trigger": "every_turn", "params": {"criteria": "K"}}
    pack = {
        "id": "support",
        "name": "Support",
        "version": "1.0.0",
        "prompts": {"main": prompt},
        "template_engine": {"version": "v1", "syntax": "{{variable}}"},
        "evals": [judged],
    }
    text = EVALUATED.replace("SESSIONS", sessions).replace("PACK", json.dumps(json.dumps(pack)))
    wanted = desired([document(each) for each in text.split("---")], {}, Settings())
    (planned,) = wanted.plans.values()
    machine = Machine(tmp_path, wanted.objects, Addresses(), {})
    made = localise(planned, AgentPorts(1, 2, 3, 4, 5), machine)
    assert [process.title for process in made.processes] == programs
    assert made.processes[1].environment["OMNIA_EVALS_WORKER"] == "true"
    if len(programs) > 2:
        worker = made.processes[2]
        assert worker.command[1:] == ("-m", "omnia_runtime.evals")
        assert worker.environment["OMNIA_HEALTH_PORT"] == "5"
        assert "evals" in made.health


@pytest.mark.parametrize(("session", "kept"), [("{}", "true"), ("{keepVariables: false}", "false")])
def test_variables_are_kept_on_a_laptop_unless_it_is_switched_off(
    session: str, kept: str, tmp_path: Path
) -> None:
    text = f"""
        apiVersion: omnia.altairalabs.ai/v1alpha1
        kind: AgentRuntime
        metadata: {{name: small}}
        spec: {{prompt: {{system: hi}}, provider: {{type: mock}}, facade: {{}}, session: {session}}}
    """
    wanted = desired([document(text)], {}, Settings())
    (planned,) = wanted.plans.values()
    machine = Machine(tmp_path, wanted.objects, Addresses(), {})
    _, runtime = localise(planned, AgentPorts(1, 2, 3, 4), machine).processes
    assert runtime.environment["OMNIA_SESSION_KEEP_VARIABLES"] == kept


def test_what_an_agent_has_in_a_cluster_only_is_named(tmp_path: Path) -> None:
    text = """
        apiVersion: omnia.altairalabs.ai/v1alpha1
        kind: AgentRuntime
        metadata: {name: fitted}
        spec:
          prompt: {system: hi}
          provider: {type: mock}
          facade:
            expose: {hostnames: [a.example.com], ingress: {}}
          runtime:
            podLabels: {team: a}
            serviceAccountName: mine
            initContainers: [{name: seed, image: "example.com/seed:1"}]
            extraContainers: [{name: proxy, image: "example.com/proxy:1"}]
    """
    wanted = desired([document(text)], {}, Settings())
    (planned,) = wanted.plans.values()
    machine = Machine(tmp_path, wanted.objects, Addresses(), {})

    made = localise(planned, AgentPorts(1, 2, 3, 4), machine)

    assert [process.title for process in made.processes] == ["fitted/facade", "fitted/runtime"]
    assert made.notes == (
        'container "seed": not run on this machine, because it is the image example.com/seed:1',
        'container "proxy": not run on this machine, because it is the image example.com/proxy:1',
        "facade.expose (a.example.com): only a cluster has it; port 1 serves here",
    )


@pytest.mark.parametrize(
    ("change", "notes"),
    [
        ("facade: {}", []),
        (
            "framework: {image: example.com/lg:1}\n          facade: {}",
            [
                (
                    "the runtime image example.com/lg:1 is not used on this machine, the built-in"
                    " runtime runs: if the image has a runtime of its own, add type: custom below"
                    " framework"
                )
            ],
        ),
        (
            "facade: {image: example.com/f:1}",
            ["the facade image example.com/f:1 is not used on this machine"],
        ),
    ],
)
def test_an_image_that_is_not_run_here_is_told(
    tmp_path: Path, change: str, notes: list[str]
) -> None:
    text = f"""
        apiVersion: omnia.altairalabs.ai/v1alpha1
        kind: AgentRuntime
        metadata: {{name: lg}}
        spec:
          prompt: {{system: hi}}
          provider: {{type: mock}}
          {change}
    """
    wanted = desired([document(text)], {}, Settings())
    (planned,) = wanted.plans.values()
    machine = Machine(tmp_path, wanted.objects, Addresses(), {})
    assert list(localise(planned, AgentPorts(1, 2, 3, 4), machine).notes) == notes


def test_an_environment_may_come_from_a_config_map() -> None:
    entries = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "files", "key": "a.txt"}}}]
    assert environment(entries, "default", "x", collect([document(CONFIG)])) == {"A": "one"}


@pytest.mark.parametrize(
    ("change", "restarts"),
    [
        ({}, False),
        ({"environment": {"A": "2"}}, True),
        ({"command": ("y",)}, True),
        ({"files": {Path("/watched"): b"2", Path("/once"): b"1"}}, False),
        ({"files": {Path("/watched"): b"1", Path("/once"): b"2"}}, True),
    ],
)
def test_only_what_a_process_reads_at_its_start_needs_a_new_one(
    change: dict[str, Any], restarts: bool
) -> None:
    common: dict[str, Any] = {
        "title": "x",
        "command": ("x",),
        "environment": {"A": "1"},
        "files": {Path("/watched"): b"1", Path("/once"): b"1"},
        "read_at_start": frozenset([Path("/once")]),
    }
    assert ProcessSpec(**common).restarts(ProcessSpec(**{**common, **change})) is restarts
