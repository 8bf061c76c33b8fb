"""Uploads in a pod: the facade writes a volume that the runtime reads."""

from omnia_core.media import StorageRef, folder_name
from tests.cluster.agents import everything, ready, told
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import read, share

PATH = "/var/omnia/media"
TEXT = "a letter"
WRITE = "import sys; open(sys.argv[1], 'w')"


def test_both_containers_have_one_volume_for_uploads(kubectl: Kubectl, omnia: Kubectl) -> None:
    media = {"enabled": True, "storagePath": PATH, "publicURL": "http://helper:8080"}
    kubectl.apply(*everything({"facade": {"media": media}}))
    ready(kubectl, "helper")

    reference, answer = share(kubectl, "helper", TEXT)

    # the runtime found the file: it refuses a message with one that it cannot have
    assert (answer["type"], answer.get("content")) == ("done", "one")
    ref = StorageRef.parse(reference)
    file = f"{PATH}/{folder_name(ref.session_id)}/{ref.media_id}"
    assert read(kubectl, "helper", file).strip() == TEXT
    runtime = ("deployment/helper", "--container=runtime")
    write = ("exec", *runtime, "--", "python", "-c", WRITE, f"{PATH}/mine")
    assert "Read-only file system" in kubectl.refusal(*write)
    told(kubectl, "helper", "MediaReady", ("True", "SinglePod"))
