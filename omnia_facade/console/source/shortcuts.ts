// The keys of the page, as its list shows them, and those that press a button or follow a link of the page.

export interface Shortcut {
  keys: string;
  does: string;
  // The key is there where the page has such an element.
  at: string;
}

const of = (at: string, ...keys: [keys: string, does: string][]): Shortcut[] =>
  keys.map(([each, does]) => ({ keys: each, does, at }));

const ALL: Shortcut[] = [
  ...of(
    "#message",
    ["Enter", "send"],
    ["Shift Enter", "new line"],
    ["↑", "edit the last message, from the empty field"],
    ["/", "to the message field"],
    ["Alt ↑, Alt ↓", "turn before, after"],
    ["← →", "step before, after"],
  ),
  ...of("#message, #call", ["Esc", "stop, else close what is open"]),
  ...of("#call", ["Ctrl Enter", "call"]),
  ...of("#new", ["Alt N", "new conversation"]),
  ...of("#about", ["Alt I", "inspector"]),
  ...of(".facts .copy", ["Alt C", "copy the last answer"]),
  ...of("#find", ["Ctrl K", "find anything"]),
  ...of(".home", ["Alt 1", "all agents"]),
  ...of("#conversation", ["Alt 2", "back to the conversation"]),
  ...of("#compare", ["Alt 3", "compare"]),
  ...of("[href='#/history']", ["Alt 4", "history"]),
  ...of("body", ["?", "this list"]),
];

export const shortcuts = (): Shortcut[] => ALL.filter(({ at }) => document.querySelector(at));

const PRESSED: Record<string, string> = { KeyC: ".facts .copy", Digit2: "#conversation", Digit3: "#compare" };

// The last such element is pressed, if there is one.
export function press(event: KeyboardEvent): void {
  const at = event.ctrlKey && event.key === "Enter" ? "#call" : event.altKey && PRESSED[event.code];
  const pressed = at && [...document.querySelectorAll<HTMLElement>(at)].at(-1);
  if (!pressed) return;
  event.preventDefault();
  pressed.click();
}

const KEY = "omnia.letters";

// Keys without Ctrl or Alt are off where software for speech types letters (WCAG 2.2, 2.1.4); kept on this device.
export const letters = {
  get areOn(): boolean {
    return localStorage.getItem(KEY) !== "off";
  },
  set areOn(on: boolean) {
    if (on) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, "off");
  },
};

export const isLetter = ({ target, ctrlKey, altKey, metaKey }: KeyboardEvent): boolean =>
  letters.areOn && !(ctrlKey || altKey || metaKey) && !(target as Element).closest("input, textarea, select");
