"""What kubectl does for a person: it makes tokens, and reads and changes objects.

A user who may do both with kubectl may talk to the agent; this program needs no credential of the
cluster.
"""

import re
import subprocess
from typing import Any, NamedTuple

import orjson

from omnia_core.names import AUDIENCE_SCHEME, GROUP

SECONDS = 30
UNREADABLE = (
    "the output of kubectl is not what was expected; compare the version of the resource"
    " definitions with `omnia --version`"
)
"""The beginning of an error about objects that kubectl printed; ": " and the fault follow."""
# The names of the ports in the Service of an agent, and of a history.
PORT = "facade"
HISTORY_PORT = "http"
# The labels that the chart gives to the Service of a history; the value of the second one is the
# namespace of the sessions.
HISTORY_LABELS = ("app.kubernetes.io/name=omnia-history", "omnia.altairalabs.ai/history-of")


class KubectlFailed(Exception):
    """The agent could not be reached through kubectl; the message is for people."""


class ObjectMissing(KubectlFailed):
    """The cluster answered that it does not have the object."""


class Service(NamedTuple):
    """A Service of the cluster."""

    name: str
    namespace: str


def forward_command(name: str, namespace: str, port: str = PORT) -> list[str]:
    """Return the command that forwards a port of this machine to a Service, and prints it."""
    command = _kubectl("port-forward", namespace, f"service/{name}", f":{port}")
    return [*command, f"--pod-running-timeout={SECONDS}s"]


def new_token(name: str, namespace: str, account: str) -> str:
    """Return a new token that only one agent accepts.

    Raises:
        KubectlFailed: kubectl cannot make a token.
    """
    command = _kubectl("create", namespace, "token", account)
    command.append(f"--audience={AUDIENCE_SCHEME}{namespace}/{name}")
    return _said(command, f"no token of the ServiceAccount {account}").strip()


def history_of(namespace: str) -> Service:
    """Return the Service of the history of a namespace; it may be in another namespace.

    Raises:
        KubectlFailed: there is none, or kubectl cannot list Services.
    """
    named, shows = HISTORY_LABELS
    command = ["kubectl", "get", "services", f"--selector={named},{shows}={namespace}"]
    command.append("--output=json")
    failure = f'the history of the namespace "{namespace}" cannot be looked for'
    try:
        listed = _said([*command, "--all-namespaces"], failure)
    except KubectlFailed:
        # Users who may not list all namespaces may list this one.
        listed = _said([*command, f"--namespace={namespace}"], failure)
    found = sorted(
        Service(service["metadata"]["name"], service["metadata"]["namespace"])
        for service in orjson.loads(listed)["items"]
    )
    if not found:
        raise KubectlFailed(
            f'the cluster has no history of the namespace "{namespace}": install the chart with'
            f" history.enabled=true and history.namespace={namespace}"
        )
    return found[0]


def read_object(kind: str, name: str, namespace: str) -> dict[str, Any]:
    """Return an object of the cluster.

    Raises:
        KubectlFailed: it does not exist, or kubectl cannot read it.
    """
    command = _kubectl("get", namespace, f"{kind}.{GROUP}", name, "--output=json")
    failure = f'{kind}/{name} of the namespace "{namespace}" cannot be read'
    found: dict[str, Any] = orjson.loads(_said(command, failure))
    return found


def read_config_map(name: str, namespace: str) -> dict[str, Any]:
    """Return a ConfigMap of the cluster.

    Raises:
        KubectlFailed: it does not exist, or kubectl cannot read it.
    """
    command = _kubectl("get", namespace, "configmap", name, "--output=json")
    failure = f'configmap/{name} of the namespace "{namespace}" cannot be read'
    found: dict[str, Any] = orjson.loads(_said(command, failure))
    return found


def list_objects(plural: str, namespace: str) -> str:
    """Return the objects of a kind in a namespace, as JSON.

    Raises:
        KubectlFailed: kubectl cannot list them.
    """
    command = _kubectl("get", namespace, f"{plural}.{GROUP}", "--output=json")
    return _said(command, f'the {plural} of the namespace "{namespace}" cannot be listed')


def names_of(plural: str, namespace: str) -> list[str]:
    """Return the names of the objects of a kind in a namespace.

    Raises:
        KubectlFailed: kubectl cannot list them.
    """
    found = orjson.loads(list_objects(plural, namespace))["items"]
    return sorted(each["metadata"]["name"] for each in found)


def watch_command(plural: str, namespace: str) -> list[str]:
    """Return the command that prints the name of each object, and again when it changes."""
    kind = f"{plural}.{GROUP}"
    return _kubectl("get", namespace, kind, "--watch", "--output=name")


def annotate_object(kind: str, name: str, namespace: str, key: str, value: str) -> None:
    """Set an annotation of an object of the cluster.

    Raises:
        KubectlFailed: it does not exist, or kubectl may not change it.
    """
    command = _kubectl("annotate", namespace, f"{kind}.{GROUP}", name, f"{key}={value}")
    failure = f'{kind}/{name} of the namespace "{namespace}" cannot be annotated'
    _said([*command, "--overwrite"], failure)


def _said(command: list[str], failure: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the command is ours
            command, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise missing() from error
    except subprocess.TimeoutExpired as error:
        raise _failed(failure, "it takes too long") from error
    if done.returncode:
        raise _failed(failure, done.stderr)
    return done.stdout


def logs_command(name: str | None, namespace: str, *, follow: bool) -> list[str]:
    """Return the command that prints the logs of the pods of an agent, or of all agents."""
    labels = ["app.kubernetes.io/name=omnia-agent"]
    labels += [f"app.kubernetes.io/instance={name}"] if name else []
    command = _kubectl("logs", namespace, f"--selector={','.join(labels)}")
    # Without a number kubectl prints ten lines of each container, and follows five pods.
    command += ["--all-containers", "--prefix", "--tail=1000", "--max-log-requests=50"]
    return [*command, "--follow"] if follow else command


def _kubectl(verb: str, namespace: str, *arguments: str) -> list[str]:
    return ["kubectl", verb, *arguments, f"--namespace={namespace}"]


def missing() -> KubectlFailed:
    """Return the failure of a machine without kubectl."""
    return KubectlFailed("kubectl is not on the PATH; it is needed to reach an agent in a cluster")


def unreachable(name: str, namespace: str, output: str) -> KubectlFailed:
    """Return the failure of a port that kubectl does not forward, with what it printed."""
    return _failed(f'"{name}" in the namespace "{namespace}" cannot be reached', output)


# A line that kubectl logs about its own requests, each many times: level, date and time come first.
_LOGGED = re.compile(r"[EWI]\d{4} \d\d:\d\d:\d\d\.")
_NO_CLUSTER = "The connection to the server"
_NOT_FOUND = "Error from server (NotFound)"


def _failed(what: str, output: str) -> KubectlFailed:
    lines = [line for line in output.splitlines() if not _LOGGED.match(line)]
    said = " ".join(" ".join(lines or output.splitlines()).split())
    remedy = ""
    if said.startswith(_NO_CLUSTER):
        remedy = "; no cluster answers: set KUBECONFIG, or choose another context of kubectl"
    failed = ObjectMissing if _NOT_FOUND in said else KubectlFailed
    return failed(f"{what}; kubectl says: {said or 'nothing'}{remedy}")
