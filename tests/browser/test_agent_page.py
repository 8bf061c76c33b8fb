"""The page of an agent, used by a person in a browser."""

from pathlib import Path

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.browser.served import MARKUP, PageRuntime, Served
from tests.browser.tab import Tab

# Answers that are complete, and drawn to their end.
SETTLED = (
    "document.querySelectorAll("
    "'.message.agent[aria-busy=false]:not(:has([aria-busy=true]))').length"
)


def answered(tab: Tab, count: int = 1) -> str:
    """Wait for so many answers and return the text of the last."""
    tab.until(f"{SETTLED} === {count}")
    return str(tab.value("[...document.querySelectorAll('.message.agent')].at(-1).innerText"))


def opened(tab: Tab, agent: Served) -> PageRuntime:
    tab.open(agent.page)
    tab.until_text("#state", "Connected")
    assert isinstance(agent.runtime, PageRuntime)
    return agent.runtime


def test_an_answer_is_seen_while_it_is_written_and_is_stopped_by_escape(
    tab: Tab, agent: Served
) -> None:
    opened(tab, agent)
    tab.say("slow")
    tab.until_text(".message.agent[aria-busy=true]", "so far")
    tab.say("next in line")
    tab.until_text(".message.user:last-of-type, .message.user ~ .message.user", "waits for")
    tab.press("Escape")
    tab.until_text("#log", "you said next in line")
    answered(tab, 2)
    assert "stopped" in tab.text(".message.agent")
    tab.say("slow")
    tab.until(f"{SETTLED} === 2 && document.querySelector('[aria-busy=true]')")
    tab.click("#cancel")
    assert "stopped" in answered(tab, 3)


def test_enter_with_shift_breaks_the_line(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.fill("#message", "one")
    tab.press("Enter", modifiers=8)
    tab.send("Input.insertText", text="two")
    tab.press("Enter")
    assert "you said one\ntwo" in answered(tab)


def test_a_call_for_the_client_is_answered_by_the_person(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("ask")
    tab.until_text(".tool", "May I?")
    assert "needs you, " in tab.text(".tool summary")
    tab.fill(".tool textarea", "no json")
    tab.click(".tool button[type=submit]")
    tab.until_text(".tool .wrong", "This is not JSON")
    tab.fill(".tool textarea", '{"city": "Bern"}')
    tab.click(".tool button[type=submit]")
    assert '{"city":"Bern"}' in answered(tab).replace('": "', '":"')
    tab.say("ask")
    tab.fill(".message.agent:last-of-type .tool input", "private")
    tab.click(".message.agent:last-of-type .tool button[type=button]")
    assert "private" in answered(tab, 2)
    assert "failed" in tab.text(".message.agent:last-of-type .tool summary")


def test_files_go_with_a_message(tab: Tab, agent: Served, tmp_path: Path) -> None:
    runtime = opened(tab, agent)
    small, large = tmp_path / "note.txt", tmp_path / "large.png"
    small.write_text("a note")
    large.write_bytes(bytes(300_000))
    tab.choose_files("#files", small, large)
    tab.until_text("#attached", "large.png (293 KB)")
    tab.say("look")
    answered(tab)
    assert tab.text("#attached") == ""
    text, note, picture = runtime.received[-1].parts
    assert (text.text, note.type, note.media.mime_type) == ("look", "file", "text/plain")
    assert note.media.data == "YSBub3Rl"
    # Without a storage for uploads a large file travels inside the message as well.
    assert (picture.type, len(picture.media.data)) == ("image", 400_000)


def test_pictures_of_an_answer_are_shown_and_nothing_is_fetched_from_elsewhere(
    tab: Tab, agent: Served
) -> None:
    opened(tab, agent)
    tab.say("picture")
    answered(tab)
    tab.until("document.querySelector('.media img')?.naturalWidth === 1")
    links = "[...document.querySelectorAll('.media a')].map((each) => each.href)"
    tab.until(f"{links}.length === 1")
    assert tab.value(links) == ["https://pictures.example/1.png"]


def test_what_looks_like_markup_is_text(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("markup")
    said = answered(tab)
    # The name of the tool, four times in the text, and the name of the step.
    assert said.count(MARKUP) == 6
    assert tab.text(".tool .name") == MARKUP
    assert tab.value("document.querySelectorAll('#log img, #log script').length") == 0
    tab.becomes("document.title", "guide · Omnia")


def test_the_name_of_a_conversation_is_the_title_and_only_text(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("name")
    assert "prompt 2.0.0" in answered(tab)
    tab.becomes("document.title", f"Lost {MARKUP} · guide · Omnia")
    tab.say("hello")
    answered(tab, 2)
    assert str(tab.value("document.title")).startswith("Lost ")


def test_an_error_is_shown_with_its_code_and_the_message_can_be_sent_again(
    tab: Tab, agent: Served
) -> None:
    runtime = opened(tab, agent)
    tab.say("fail")
    tab.until_text(".error", "PROVIDER_ERROR no model")
    seen = len(runtime.received)
    tab.click(".error button")
    answered(tab, 2)
    assert [each.content for each in runtime.received[seen:]] == ["fail"]


def test_an_error_says_what_to_do_before_its_code(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("busy")
    tab.until_text(".error", "AGENT_UNAVAILABLE busy")
    assert tab.text(".error").startswith("It is busy. Wait.")
    assert tab.text(".error strong") == "It is busy."


def test_an_unknown_conversation_cannot_be_resumed(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.click("#settings-toggle")
    tab.until("!document.getElementById('settings').hidden")
    tab.fill("#session", "long-ago")
    tab.press("Enter")
    tab.until_text("#log", "no longer exists")
    tab.say("hello")
    assert "you said hello" in answered(tab)


def test_a_sign_waits_for_the_first_word_with_the_seconds(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("think")
    tab.until_text(".waiting", "asking the model, 1 s")
    tab.press("Escape")
    answered(tab)
    assert tab.value("document.querySelector('.waiting')") is None


def pasted(tab: Tab) -> str:
    """Return what the clipboard has, by pasting it into the message field."""
    tab.fill("#message", "")
    tab.send("Input.dispatchKeyEvent", type="keyDown", commands=["paste"])
    tab.until("document.getElementById('message').value")
    return str(tab.value("document.getElementById('message').value"))


def test_an_answer_and_its_code_are_copied_as_they_were_written(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("see:\n```py\nprint(1)\n```\n**now**")
    answered(tab)
    tab.click(".text .copy")
    tab.until_text(".text .copy", "Copied")
    assert pasted(tab) == "print(1)"
    tab.click(".facts .copy")
    tab.until_text(".facts .copy", "Copied")
    assert pasted(tab).endswith("print(1)\n```\n**now**")


def test_what_was_said_is_shown_after_a_reload_and_only_as_text(tab: Tab, agent: Served) -> None:
    runtime = opened(tab, agent)
    tab.say("hello")
    answered(tab)
    runtime.resume = pb.RESUME_STATE_RESUMABLE
    runtime.conversation = pb.ReadConversationResponse(
        state=pb.RESUME_STATE_RESUMABLE,
        earlier_turns=4,
        messages=[
            pb.ConversationMessage(role="user", content=MARKUP),
            pb.ConversationMessage(role="assistant", content=f"**said** {MARKUP}"),
            pb.ConversationMessage(role="user", content="unanswered"),
        ],
    )
    try:
        tab.send("Page.reload")
        tab.until_text("#log", "4 earlier turns are not shown")
        assert tab.text("#log").count(MARKUP) == 2
        assert tab.text(".message.agent strong") == "said"
        tab.until_text(".message.user ~ .message.user", "unanswered")
        runtime.conversation = None
        tab.send("Page.reload")
        tab.until_text("#log", "Earlier messages cannot be shown: this agent returns no")
    finally:
        runtime.resume, runtime.conversation = pb.RESUME_STATE_NOT_FOUND, None
