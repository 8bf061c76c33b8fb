"""The pages are readable and usable: contrast, names for assistive technology, small screens."""

from pathlib import Path

from tests.browser.accessibility import needs_axe, violations
from tests.browser.served import PageRuntime, Served, served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered, opened
from tests.browser.test_function_page import ORDER, function

# The contrast of every piece of text with what is behind it (WCAG 2.2, 1.4.3).
CONTRASTS = """(() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => {
      const s = c / 255;
      return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = channels(getComputedStyle(each).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    throw new Error("nothing is behind it");
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  const look = (element, pseudo, text) => {
    const style = getComputedStyle(element, pseudo);
    const pair = [light(channels(style.color)), light(behind(element))].sort((a, b) => b - a);
    found.push([text, (pair[0] + 0.05) / (pair[1] + 0.05)]);
  };
  while (texts.nextNode()) {
    const { parentElement: element, data } = texts.currentNode;
    const seen = element.checkVisibility() && element.getClientRects().length;
    if (data.trim() && seen && !element.closest(":disabled")) look(element, null, data.trim());
  }
  for (const each of document.querySelectorAll("[placeholder]")) {
    if (each.checkVisibility()) look(each, "::placeholder", each.placeholder);
  }
  return found;
})()"""


def check(tab: Tab) -> None:
    """Hold what is shown to the rules, in both themes and on the smallest screen."""
    grounds = set()
    for scheme in ("light", "dark"):
        tab.prefer(scheme)
        grounds.add(tab.value("getComputedStyle(document.body).backgroundColor"))
        contrasts = tab.value(CONTRASTS)
        assert len(contrasts) > 5
        assert [each for each in contrasts if each[1] < 4.5] == []
    assert len(grounds) == 2
    controls = tab.controls()
    assert len(controls) > 5
    assert [each for each in controls if not each[1]] == []
    tab.narrow(320)
    wide = (
        "[...document.querySelectorAll('body *')].filter((each) => each.checkVisibility()"
        " && !each.closest('.unseen, .skip')"
        " && each.getBoundingClientRect().right > 320.5).map((each) => each.outerHTML)"
    )
    tab.becomes("document.documentElement.scrollWidth", 320)
    assert tab.value(wide) == []


def test_the_page_of_an_agent(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.click("#settings-toggle")
    tab.until("!document.getElementById('settings').hidden")
    tab.say("markup")
    answered(tab)
    tab.say("fail")
    answered(tab, 2)
    tab.click(".tool summary")
    tab.say("ask")
    tab.until_text(".message.agent:last-of-type .tool", "May I?")
    check(tab)


def test_the_page_of_a_function(tab: Tab, tmp_path: Path) -> None:
    with function(tmp_path, ORDER) as agent:
        tab.open(agent.page)
        tab.click("#settings-toggle")
        # What is below moves.
        tab.until("!document.getElementById('settings').hidden")
        tab.click("#call")
        tab.until_text("#summary", "input_invalid")
        check(tab)


def test_nothing_moves_for_who_does_not_want_it(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("slow")
    tab.until_text(".message.agent[aria-busy=true]", "so far")
    names = []
    for motion in ("reduce", "no-preference"):
        features = [{"name": "prefers-reduced-motion", "value": motion}]
        tab.send("Emulation.setEmulatedMedia", features=features)
        busy = "document.querySelector('[aria-busy=true] .growing > :last-child')"
        names.append(tab.value(f"getComputedStyle({busy}, '::after').animationName"))
    assert names == ["none", "blink"]


def test_axe_finds_nothing_in_the_page_of_an_agent(tab: Tab) -> None:
    needs_axe()
    with served(PageRuntime(), agent_description="Answers.", agent_examples="hello") as agent:
        tab.open(agent.page)
        tab.until_text(".start h2", "Answers.")
        for scheme in ("light", "dark"):
            tab.prefer(scheme)
            assert violations(tab) == []
        tab.click("#settings-toggle")
        tab.until("!document.getElementById('settings').hidden")
        tab.say("markup")
        answered(tab)
        tab.say("fail")
        answered(tab, 2)
        tab.click(".tool summary")
        tab.say("ask")
        tab.until_text(".message.agent:last-of-type .tool", "May I?")
        for scheme in ("light", "dark"):
            tab.prefer(scheme)
            assert violations(tab) == []
        tab.click(".steps li:nth-child(2) button")
        tab.until("document.querySelector('#inspector .detail')")
        for scheme in ("light", "dark"):
            tab.prefer(scheme)
            assert violations(tab) == []
        tab.narrow(375)
        assert violations(tab) == []
        tab.click("#close-inspector")
        tab.click(".open-rail")
        tab.until("document.getElementById('rail').checkVisibility()")
        assert violations(tab) == []


def test_axe_finds_nothing_in_the_page_of_a_function(tab: Tab, tmp_path: Path) -> None:
    needs_axe()
    with function(tmp_path, ORDER) as agent:
        tab.open(agent.page)
        tab.click("#settings-toggle")
        # What is below moves.
        tab.until("!document.getElementById('settings').hidden")
        tab.click("#call")
        tab.until_text("#summary", "input_invalid")
        for scheme in ("light", "dark"):
            tab.prefer(scheme)
            assert violations(tab) == []
