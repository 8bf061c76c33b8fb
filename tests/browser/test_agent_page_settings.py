"""The page of an agent that wants a token, or keeps uploads."""

from pathlib import Path

from omnia_core.env.shared import MediaStorageType
from omnia_core.files.auth import AuthFile, ClientKeyAuth
from tests.browser.served import PageRuntime, served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered, opened
from tests.facade.auth_files import Mounted


def test_who_needs_a_token_is_asked_for_it(tab: Tab, tmp_path: Path) -> None:
    key = "key-of-somebody"
    mounted = Mounted(tmp_path)
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    mounted.client_key("someone", key)
    with served(
        PageRuntime(),
        allow_unauthenticated=False,
        auth_path=str(mounted.auth),
        auth_secrets_path=str(mounted.secrets),
    ) as agent:
        tab.open(agent.page)
        tab.until_text("#state", "Needs a token")
        assert tab.value("document.activeElement.id") == "token"
        asks = "guide asks who you are. Give a client key, or make a token: kubectl create token"
        assert asks in tab.text("#settings")
        tab.send("Input.insertText", text="wrong")
        tab.press("Enter")
        tab.until("document.getElementById('state').innerText.includes('Needs a token')")
        tab.fill("#token", key)
        tab.press("Enter")
        tab.until_text("#state", "Connected")
        assert tab.value("document.getElementById('settings').hidden")
        tab.say("hello")
        assert "you said hello" in answered(tab)
        assert not any(key in url for url in tab.requested)
        assert key not in tab.value("document.cookie + JSON.stringify(localStorage)")


def test_a_large_file_is_uploaded_where_uploads_are_kept(tab: Tab, tmp_path: Path) -> None:
    large = tmp_path / "plan.pdf"
    large.write_bytes(bytes(300_000))
    with served(
        PageRuntime(),
        media_storage_type=MediaStorageType.LOCAL,
        media_storage_path=str(tmp_path / "media"),
        media_public_url="https://agent.example",
    ) as agent:
        runtime = opened(tab, agent)
        tab.choose_files("#files", large)
        tab.click("#send")
        answered(tab)
        (part,) = runtime.received[-1].parts
        assert (part.type, part.media.mime_type) == ("file", "application/pdf")
        assert part.media.storage_ref.startswith("omnia://sessions/")
        assert not part.media.data


def test_a_file_that_is_not_taken_is_named(tab: Tab, tmp_path: Path) -> None:
    large = tmp_path / "lamp.png"
    large.write_bytes(bytes(300_000))
    with served(
        PageRuntime(),
        media_storage_type=MediaStorageType.LOCAL,
        media_storage_path=str(tmp_path / "media"),
        media_public_url="https://agent.example",
        media_max_file_size=280_000,
    ) as agent:
        opened(tab, agent)
        tab.choose_files("#files", large)
        tab.click("#send")
        tab.until_text(".message.agent .error", "lamp.png was not taken: ")
        assert "UPLOAD_FAILED" in tab.text(".message.agent .error")
