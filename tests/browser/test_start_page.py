"""What the page shows before the first message."""

from tests.browser.served import MARKUP, PageRuntime, served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered


def test_a_question_to_begin_with_is_asked_by_a_click(tab: Tab) -> None:
    examples = f"hello\n{MARKUP}"
    with served(PageRuntime(), agent_description=MARKUP, agent_examples=examples) as agent:
        tab.open(agent.page)
        tab.until_text(".start h2", MARKUP)
        assert tab.value("document.querySelectorAll('.questions button').length") == 2
        assert tab.text(".questions li:nth-child(2)") == MARKUP
        tab.click(".questions li:nth-child(1) button")
        assert "you said hello" in answered(tab)
        assert tab.value("document.querySelector('.start')") is None


def test_an_agent_that_says_nothing_of_itself_has_a_start_page(tab: Tab) -> None:
    with served(PageRuntime()) as agent:
        tab.open(agent.page)
        tab.until_text("#state", "Connected")
        assert tab.text(".start h2") == "Talk to guide"
        assert tab.value("document.querySelector('.questions')") is None


def test_where_the_time_went_is_below_an_answer_with_tools(tab: Tab) -> None:
    with served(PageRuntime()) as agent:
        tab.open(agent.page)
        tab.until_text("#state", "Connected")
        tab.say("hello")
        answered(tab)
        # One step needs no strip.
        assert tab.value("document.querySelector('.strip')") is None
        tab.say("markup")
        answered(tab, 2)
        steps = "[...document.querySelectorAll('.steps li')].map((each) => each.innerText)"
        names = [each.splitlines()[0] for each in tab.value(steps)]
        assert names == ["model", MARKUP, "model"]
        assert tab.value("document.querySelectorAll('.track i').length") == 3
