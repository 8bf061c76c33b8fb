"""A2A 0.3 with the official client's own translation of it, and the signed and extended card."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from a2a.client import ClientCallContext
from a2a.client.card_resolver import A2ACardResolver, parse_agent_card
from a2a.compat.v0_3 import types as old
from a2a.compat.v0_3.jsonrpc_transport import CompatJsonRpcTransport
from a2a.types import a2a_pb2 as pb
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier
from jwt import PyJWK

from omnia_core.cards.card import CardContent, CardSkill, card_document
from omnia_core.cards.file import CardFile
from omnia_core.cards.signature import new_key, public_key, signed
from tests.facade.conftest import Running
from tests.facade.doors.a2a_bed import LIMIT, rpc, said, streamed_text, text_of
from tests.facade.doors.bed import DEFAULT, LONG, doors, request
from tests.runtime.scripted import Mounted

URL = "https://agents.example.com"


@pytest.mark.covers("a2a.md#v03", "a2a.md#v03-card")
async def test_a_client_of_03_sends_streams_reads_and_is_told_of_tools(facade: Running) -> None:
    async with httpx.AsyncClient(timeout=LIMIT) as transport:
        card = (await transport.get(f"{facade.http}/.well-known/agent-card.json")).json()
        # The card is one of 0.3 too.
        known = old.AgentCard.model_validate(card)
        assert (known.protocol_version, known.preferred_transport) == ("0.3.0", "JSONRPC")
        agent = CompatJsonRpcTransport(transport, parse_agent_card(card), known.url)
        context = ClientCallContext()
        sent = await agent.send_message(said("hello"), context=context)
        assert text_of(sent.task) == DEFAULT
        found = [e async for e in agent.send_message_streaming(said("slowly please"))]
        assert streamed_text(found) == LONG
        task = await agent.get_task(pb.GetTaskRequest(id=found[0].task.id))
        assert (task.status.state, text_of(task)) == (pb.TASK_STATE_COMPLETED, LONG)
        asked = await agent.send_message(said("pick a date"))
        assert asked.task.status.state == pb.TASK_STATE_INPUT_REQUIRED
        canceled = await agent.cancel_task(pb.CancelTaskRequest(id=asked.task.id))
        assert canceled.status.state == pb.TASK_STATE_CANCELED


@pytest.mark.covers("a2a.md#version")
async def test_a_request_without_a_version_speaks_03(facade: Running) -> None:
    part = {"kind": "text", "text": "hello"}
    params = {"message": {"kind": "message", "messageId": "m", "role": "user", "parts": [part]}}
    answer = await rpc(facade, "message/send", params, version="")
    assert answer.body["result"]["kind"] == "task"
    assert answer.body["result"]["status"]["state"] == "completed"
    new = await rpc(facade, "SendMessage", params, version="")
    assert "A2A-Version" in new.body["error"]["message"]


@pytest.mark.covers("a2a.md#version")
async def test_an_agent_may_serve_10_alone(mock_runtime: Mounted) -> None:
    async with doors(mock_runtime, a2a_versions=("1.0",)) as facade:
        refused = await rpc(facade, "message/send", {}, version="")
        card = await request(facade, "GET", "/.well-known/agent-card.json")
    assert refused.body["error"]["code"] == -32009
    assert "protocolVersion" not in card.body


def signed_file(folder: Path, url: str = URL) -> tuple[str, dict[str, Any]]:
    """Write a signed card with a private skill; return its path, and its public key."""
    key, jku = new_key(), f"{url}/.well-known/jwks.json"
    skills = (
        CardSkill("refunds", "Refunds", "Answers about refunds", ("refunds",)),
        CardSkill("audit", "Audit", "For staff", ("audit",), private=True),
    )
    content = CardContent(name="Refünds", description="About refunds", version="1", skills=skills)
    public, extended = (
        signed(card_document(content, None, url, extended=extended), key, jku)
        for extended in (False, True)
    )
    path = folder / "card.json"
    file = CardFile(content, public, extended, (public_key(key),))
    path.write_bytes(msgspec.json.encode(file))
    return str(path), public_key(key)


@pytest.mark.covers("a2a.md#signed-card", "a2a.md#jwks", "a2a.md#extended-card")
async def test_the_official_verifier_accepts_the_card_and_no_changed_one(
    mock_runtime: Mounted, tmp_path: Path
) -> None:
    path, published = signed_file(tmp_path)
    async with (
        doors(mock_runtime, a2a_card_path=path) as facade,
        httpx.AsyncClient(timeout=LIMIT) as transport,
    ):
        card = await A2ACardResolver(transport, facade.http).get_agent_card()
        keys = (await transport.get(f"{facade.http}/.well-known/jwks.json")).json()["keys"]
        answer = await rpc(facade, "GetExtendedAgentCard", {})
    assert keys == [published]
    verify = create_signature_verifier(lambda *_: PyJWK(keys[0]), ["ES256"])
    verify(card)
    extended = parse_agent_card(answer.body["result"])
    verify(extended)
    assert [skill.id for skill in card.skills] == ["refunds"]
    assert [skill.id for skill in extended.skills] == ["refunds", "audit"]
    card.skills[0].name = "Refunde"
    with pytest.raises(InvalidSignaturesError):
        verify(card)


@pytest.mark.covers("a2a.md#extended-card")
async def test_without_private_skills_there_is_no_extended_card(facade: Running) -> None:
    answer = await rpc(facade, "GetExtendedAgentCard", {})
    assert answer.body["error"]["code"] == -32004
