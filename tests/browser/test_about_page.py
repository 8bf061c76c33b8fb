"""The agent in the inspector: its prompt, what it is made of; and the variables of its prompt."""

from collections.abc import Iterator

import pytest

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.browser.accessibility import needs_axe, violations
from tests.browser.served import MARKUP, PageRuntime, Served, served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered, opened

HASH = "location.hash"
MARKS = "[...document.querySelectorAll('.prompt mark')].map((each) => each.innerText)"
DESCRIBED = pb.DescribeAgentResponse(
    pack="support",
    versions=[
        pb.PackVersion(version="2.0.0", weight=69),
        pb.PackVersion(
            version="2.1.0", weight=31, template=f"Always help.\nOn {{{{plan}}}}. {MARKUP}"
        ),
    ],
    variables=[
        pb.PromptVariable(
            name="plan",
            type="string",
            description="What is paid for.",
            default_json='"free"',
            enum_json=['"free"', '"gold"'],
        ),
        pb.PromptVariable(name="customer", type="string", required=True),
    ],
    tools=[
        pb.OfferedTool(
            name="lookup",
            description=f"looks {MARKUP}",
            input_schema_json='{"properties": {"id": {"type": "string"}}}',
            handler="crm",
            type="http",
            unreachable=True,
        )
    ],
    template=f"Help {{{{customer}}}}.\nOn {{{{plan}}}}. {MARKUP}",
    providers=[
        pb.ModelProvider(name="default", type="openai", model="m-1", input_usd=0.4, output_usd=1.6)
    ],
    window_tokens=8000,
    window_strategy="summarize",
    validators=["max_length"],
    evals=["polite"],
)
COMPOSED = pb.ComposePromptResponse(
    version="2.0.0",
    pieces=[
        pb.PromptPiece(text="Help "),
        pb.PromptPiece(text=MARKUP, variable="customer"),
        pb.PromptPiece(text=" on "),
        pb.PromptPiece(text="gold", variable="plan"),
    ],
    tokens=412,
    problems=['the variable "customer" has no value: set it'],
)


@pytest.fixture(scope="module")
def described() -> Iterator[Served]:
    runtime = PageRuntime(resume=pb.RESUME_STATE_NOT_FOUND, described=DESCRIBED, composed=COMPOSED)
    with served(runtime, console_inside=True) as found:
        yield found


def test_the_agent_has_an_address_and_shows_what_the_model_sees(
    tab: Tab, described: Served
) -> None:
    tab.open(f"{described.page}#/about")
    tab.until_text(".prompt", "gold")
    assert tab.value(MARKS) == [MARKUP, "gold"]
    shown = tab.text("#inspector")
    for part in (
        "about 412 tokens",
        "has no value: set it",
        "31 % of new conversations",
        "http, crm, does not answer at present",
        "id: string",
        "m-1",
        "$0.40 in, $1.60 out, a million tokens",
        "8,000 tokens at most, then summarize",
        "max_length",
        "polite",
        "omnia chat http",
        "/v1/chat/completions",
    ):
        assert part in shown, part
    tab.click("#inspector .about .choice button")
    tab.until_text(".prompt", "{{plan}}")
    assert tab.value(MARKS) == ["{{customer}}", "{{plan}}"]
    tab.choose("#inspector .about select", "2.1.0")
    tab.until_text(".prompt", "+ Always help.")
    changes = "[...document.querySelectorAll('.prompt > *')].map((each) => each.innerText.trim())"
    same = f"On {{{{plan}}}}. {MARKUP}"
    assert tab.value(changes) == ["- Help {{customer}}.", "+ Always help.", same]
    assert tab.value("document.querySelectorAll('#inspector img').length") == 0
    tab.press("Escape")
    tab.until("!document.querySelector('#inspector')")
    assert tab.value(HASH) == "#/"


def test_variables_go_with_a_message_and_into_the_prompt_and_stay_after_a_reload(
    tab: Tab, described: Served
) -> None:
    runtime = described.runtime
    opened(tab, described)
    tab.until_text(".variables summary", "customer needs a value")
    tab.click(".variables summary")
    tab.choose("#variable-plan", "gold")
    tab.fill("#variable-customer", "Ada")
    tab.click("#about")
    tab.until_text(".variables summary", "plan = gold, customer = Ada")
    tab.until_text(".prompt", "gold")
    assert runtime.composed_with[-1] == ({"plan": "gold", "customer": "Ada"}, "")
    tab.choose("#inspector select", "2.1.0")
    tab.say("hello")
    answered(tab)
    assert dict(runtime.received[-1].metadata) == {"plan": "gold", "customer": "Ada"}
    assert runtime.composed_with[-1][1] == "2.1.0"
    # The turn is beside the agent: each has its tab and its address.
    tab.click(".facts .inspect")
    tab.until_text("#inspector h2", "Turn 1 of 1")
    tab.click("#inspector header .choice button:nth-child(2)")
    tab.until(f"{HASH}.endsWith('/t/1/about')")
    tab.send("Page.reload")
    tab.until_text(".variables summary", "plan = gold, customer = Ada")
    assert "plan" in str(tab.value("JSON.stringify(sessionStorage)"))


def test_where_the_inside_is_hidden_the_page_says_so_and_asks_for_no_prompt(tab: Tab) -> None:
    runtime = PageRuntime(resume=pb.RESUME_STATE_NOT_FOUND, described=DESCRIBED, composed=COMPOSED)
    with served(runtime) as hidden:
        tab.open(f"{hidden.page}#/about")
        tab.until_text("#inspector", "consoleShows")
        tab.until_text(".variables summary", "customer needs a value")
        shown = tab.text("body")
    for part in ("m-1", "crm", "polite", "2.1.0"):
        assert part not in shown
    assert runtime.composed_with == []


def test_axe_finds_nothing_in_the_agent_and_its_variables(tab: Tab, described: Served) -> None:
    needs_axe()
    tab.open(f"{described.page}#/about")
    tab.until_text(".prompt", "gold")
    tab.click(".variables summary")
    for width in (None, 375):
        if width:
            tab.narrow(width)
        for scheme in ("light", "dark"):
            tab.prefer(scheme)
            assert violations(tab) == []
    tab.click("#inspector .about .choice button")
    tab.choose("#inspector .about select", "2.1.0")
    tab.until_text(".prompt", "+ Always help.")
    for scheme in ("light", "dark"):
        tab.prefer(scheme)
        assert violations(tab) == []
    assert tab.value("document.documentElement.scrollWidth") <= 375
