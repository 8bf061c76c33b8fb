"""The signature of an agent card: from the manifest to the file that the facade serves."""

import json
from base64 import b64decode, b64encode
from typing import Any

import msgspec
import pytest

from omnia_core.cards.file import CardFile
from omnia_core.cards.signature import new_key, public_key, verify
from omnia_operator.cluster.kinds import CONFIG_MAP, DEPLOYMENT, SECRET
from tests.operator.cluster import FakeCluster, secret
from tests.operator.test_external_auth import Scene

URL = "https://agents.example.com/helper"
SECRET_NAME = "omnia-helper-card-key"
SKILL = {"id": "a", "name": "A", "description": "Does a", "tags": ["a"]}


def facade(signing: Any = None, **more: Any) -> dict[str, Any]:
    card = {"skills": [SKILL, {**SKILL, "id": "b", "private": True}]}
    door = {"agentCard": card, **({} if signing is None else {"signing": signing})}
    return {"handler": "echo", "publicURL": URL, "a2a": door, **more}


def card_file(cluster: FakeCluster) -> CardFile:
    text = cluster.live(CONFIG_MAP, "omnia-helper-card")["data"]["card.json"]
    return msgspec.json.decode(text, type=CardFile)


async def test_the_operator_makes_a_key_once_and_signs_with_it() -> None:
    scene = await Scene(facade=facade({})).settle()
    file = card_file(scene.cluster)
    assert file.card is not None
    assert file.extended_card is not None
    assert verify(file.card, file.keys) == verify(file.extended_card, file.keys)
    assert file.card["supportedInterfaces"][0]["url"] == f"{URL}/a2a"
    assert [skill["id"] for skill in file.card["skills"]] == ["a"]
    assert [skill["id"] for skill in file.extended_card["skills"]] == ["a", "b"]
    pem = b64decode(scene.cluster.live(SECRET, SECRET_NAME)["data"]["key.pem"]).decode()
    assert (public_key(pem),) == file.keys
    assert scene.condition("CardSigned") == "True: Signed"

    # An operator that starts again signs alike, and writes nothing.
    scene.restarted()
    await scene.cluster.settle()
    assert card_file(scene.cluster) == file
    assert not [write for write in scene.cluster.writes if write.startswith("apply")]


async def test_no_pod_has_the_key() -> None:
    scene = await Scene(facade=facade({})).settle()
    pods = json.dumps(scene.cluster.live(DEPLOYMENT, "helper"))
    assert SECRET_NAME not in pods
    maps = json.dumps(scene.cluster.live(CONFIG_MAP, "omnia-helper-card"))
    assert "PRIVATE" not in maps


async def test_a_key_of_the_manifest_signs_with_its_id() -> None:
    pem = new_key()
    scene = Scene(
        facade=facade({"secretRef": {"name": "mine", "key": "pem"}, "keyId": "k1", "jku": URL})
    )
    scene.cluster.put(secret("mine", {"pem": b64encode(pem.encode()).decode()}))
    await scene.settle()
    file = card_file(scene.cluster)
    assert file.card is not None
    assert verify(file.card, [public_key(pem, "k1")]) == "k1"
    assert SECRET_NAME not in scene.cluster.names(SECRET)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signing": {"secretRef": {"name": "none", "key": "pem"}}}, "KeyNotUsable"),
        ({"signing": {}, "publicURL": None}, "NoPublicAddress"),
    ],
)
async def test_a_card_that_cannot_be_signed_is_served_without_a_signature(
    changes: dict[str, Any], reason: str
) -> None:
    given = {**facade(changes.pop("signing")), **changes}
    scene = await Scene(facade={k: v for k, v in given.items() if v is not None}).settle()
    assert card_file(scene.cluster).card is None
    assert scene.condition("CardSigned") == f"False: {reason}"
    assert scene.condition("Ready").startswith("True")


async def test_a_card_is_not_signed_unless_it_is_asked_for() -> None:
    scene = await Scene(facade=facade()).settle()
    assert card_file(scene.cluster).card is None
    assert "CardSigned" not in scene.cluster.conditions()


@pytest.mark.parametrize(("path", "named"), [("", ["agents.example.com:443"]), ("/helper", [])])
async def test_grpc_is_served_and_named_where_it_can_be_reached(
    path: str, named: list[str]
) -> None:
    given = facade({}, publicURL=f"https://agents.example.com{path}")
    given["a2a"]["grpc"] = True
    scene = await Scene(facade=given).settle()
    card = card_file(scene.cluster).card
    assert card is not None
    found = [i["url"] for i in card["supportedInterfaces"] if i["protocolBinding"] == "GRPC"]
    assert found == named
    pods = json.dumps(scene.cluster.live(DEPLOYMENT, "helper"))
    assert "OMNIA_A2A_GRPC" in pods
