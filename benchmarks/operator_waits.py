"""How long people wait for the operator on a real cluster, as `make bench-waits` measures it.

Each row is the time from the command of a person to what that person waits for, with the deployed
operator, on a cluster that runs pods. Times are seconds of a wall clock: they compare two commits
on one machine (`--json before.json`, then `--before before.json`), and no two machines.
"""

import argparse
import base64
import json
import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import condition, everything, here, pods, ready
from tests.cluster.harness.cluster import chosen
from tests.cluster.harness.deploy import NAMESPACE, RELEASE
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.waiting import wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import say, talk
from tests.operator import objects
from tests.operator.cluster import secret

EXAMPLES = Path(__file__).parents[1] / "examples"
LIMIT = 120.0
MANY = 20


@dataclass
class Watch:
    """The times of one round."""

    kubectl: Kubectl
    seconds: dict[str, float]
    started: float = 0.0

    def start(self) -> None:
        """Something is asked for now."""
        self.started = time.monotonic()

    def stop(self, what: str) -> None:
        """It is there now."""
        self.seconds[what] = time.monotonic() - self.started

    def until(self, what: str, reached: Callable[[], bool]) -> None:
        """Wait for it, and note how long that took since `start`."""
        wait_until(what, reached, seconds=LIMIT)
        self.stop(what)


def examples(watch: Watch) -> None:
    """Every example, from applied to ready."""
    # A pack in a folder is compiled before it is applied: `starter` is for `omnia up`.
    folders = (each for each in EXAMPLES.iterdir() if not (each / "pack").exists())
    for folder in sorted(folders):
        watch.start()
        watch.kubectl.apply_files(folder)
        ready(watch.kubectl, folder.name)
        watch.stop(f"{folder.name}: applied to Ready")


def references(watch: Watch) -> None:
    """A Provider that is missing, and one that answers otherwise."""
    kubectl = watch.kubectl
    agent, pack, content, provider = everything()
    watch.start()
    kubectl.apply(agent, content, pack)
    watch.until(
        "a missing Provider: told",
        lambda: condition(kubectl, "helper", "ProviderReady")[1] == "ProviderNotFound",
    )
    watch.start()
    kubectl.apply(provider)
    ready(kubectl, "helper")
    watch.stop("a missing Provider: created to Ready")

    session, _ = talk(kubectl, "helper", "Hello!")
    watch.start()
    kubectl.apply(here(objects.provider({"mock": {"responses": {"defaultResponse": "two"}}})))
    watch.until(
        "a Provider's new answer: used in the open conversation",
        lambda: say(kubectl, "helper", "Hello!", session=session) == ["two"],
    )


def restarts(watch: Watch) -> None:
    """New pods for a new key, and because somebody asks for them."""
    kubectl = watch.kubectl
    before = pods(kubectl)
    watch.start()
    kubectl("rollout", "restart", "deployment/helper")
    kubectl("rollout", "status", "deployment/helper", "--timeout=60s", seconds=70)
    watch.stop("kubectl rollout restart: complete")
    watch.until("kubectl rollout restart: the old pod is gone", lambda: not pods(kubectl) & before)

    def key(text: bytes) -> JsonObject:
        return here(secret("keys", {"api-key": base64.b64encode(text).decode()}))

    openai = {"type": "openai", "model": "gpt", "secretRef": {"name": "keys"}}
    kubectl.apply(key(b"one"), here(objects.provider(openai)))
    ready(kubectl, "helper")
    kubectl("rollout", "status", "deployment/helper", "--timeout=60s", seconds=70)
    before = pods(kubectl)
    watch.start()
    kubectl.apply(key(b"two"))
    watch.until("a key is rotated: the new pod is there", lambda: bool(pods(kubectl) - before))
    ready(kubectl, "helper")
    watch.stop("a key is rotated: Ready with the new pod")


def failures(watch: Watch) -> None:
    """What cannot start is told."""
    kubectl = watch.kubectl
    wrong = {"extraEnv": [{"name": "LOG_LEVEL", "value": "loud"}]}
    agent = everything({"runtime": wrong})[0]
    watch.start()
    kubectl.apply({**agent, "metadata": {"name": "crashing"}})
    watch.until(
        "a program that ends: told",
        lambda: condition(kubectl, "crashing", "Ready")[1] == "CrashLoopBackOff",
    )
    agent = everything({"facade": {"image": "localhost/no-such-image:1"}})[0]
    watch.start()
    kubectl.apply({**agent, "metadata": {"name": "imageless"}})
    watch.until(
        "an image that is not there: told",
        lambda: condition(kubectl, "imageless", "Ready")[1] in ("ImagePullBackOff", "ErrImagePull"),
    )


def drift(watch: Watch) -> None:
    """What somebody edits is put back."""
    kubectl = watch.kubectl

    def selector() -> JsonObject:
        found: JsonObject = kubectl.get("service", "helper")["spec"]["selector"]
        return found

    wanted = selector()
    patch = '{"spec":{"selector":{"a":"b"}}}'
    watch.start()
    kubectl("patch", "service", "helper", "--type=merge", f"--patch={patch}")
    watch.until("a Service's selector is edited: put back", lambda: selector() == wanted)
    uid = kubectl.get("deployment", "helper")["metadata"]["uid"]
    watch.start()
    kubectl("delete", "deployment", "helper", "--wait=false")

    def back() -> bool:
        found = kubectl("get", "deployment", "helper", "--ignore-not-found", "--output=json")
        return bool(found.strip()) and json.loads(found)["metadata"]["uid"] != uid

    watch.until("a Deployment is deleted: back", back)


def many(watch: Watch) -> None:
    """The operator's leader goes away while there is work; then everything is deleted."""
    kubectl = watch.kubectl
    operator = replace(kubectl, namespace=NAMESPACE)
    (pod, *_) = operator.list("pods", f"app.kubernetes.io/instance={RELEASE}")
    watch.start()
    operator("delete", "pod", pod["metadata"]["name"], "--wait=false")
    agent: JsonObject = {
        "apiVersion": objects.agent()["apiVersion"],
        "kind": "AgentRuntime",
        "metadata": {"name": "later"},
        "spec": {"facade": {"handler": "echo"}},
    }
    kubectl.apply(agent)
    ready(kubectl, "later")
    watch.stop("the operator's pod is deleted: a new agent is Ready")

    for number in range(MANY):
        spec = {"facade": {"handler": "echo"}, "runtime": {"replicas": 0}}
        kubectl.apply({**agent, "metadata": {"name": f"many-{number}"}, "spec": spec})
    watch.start()
    kubectl("delete", "namespace", kubectl.namespace, "--timeout=120s", seconds=130)
    watch.stop(f"a namespace of {MANY + 12} agents is deleted: gone")


STEPS = (examples, references, restarts, failures, drift, many)


def one_round(kubectl: Kubectl) -> dict[str, float]:
    """Measure everything once, in a namespace of its own."""
    namespace = f"bench-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", namespace)
    watch = Watch(replace(kubectl, namespace=namespace), {})
    try:
        watch.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
        for step in STEPS:
            step(watch)
    finally:
        kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
    return watch.seconds


def main() -> None:
    """Measure, print a table, and write the medians where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the medians to this file")
    parser.add_argument("--before", type=Path, help="print these medians beside the new ones")
    chosen_options = parser.parse_args()
    cluster = chosen()
    if not cluster.answers():
        raise HarnessError("no cluster answers; start one with Omnia in it: make cluster-up deploy")
    kubectl = Kubectl(cluster.kubectl, cluster.kubeconfig, "default")
    rounds = [one_round(kubectl) for _ in range(chosen_options.rounds)]
    medians = {what: statistics.median(each[what] for each in rounds) for what in rounds[0]}
    before: dict[str, float] = (
        json.loads(chosen_options.before.read_text()) if chosen_options.before else {}
    )
    for what, median in medians.items():
        spread = [each[what] for each in rounds]
        was = f"   before {before[what]:6.2f} s" if what in before else ""
        print(f"{what:58} {median:6.2f} s ({min(spread):.2f} to {max(spread):.2f}){was}")
    if chosen_options.json:
        chosen_options.json.write_text(json.dumps(medians, indent=1))


if __name__ == "__main__":
    main()
