// Find anything: agents, conversations that this device knows of, and commands, by a part of their names; conversations
// by their first words too.

import { useEffect, useRef, useState } from "preact/hooks";
import { KnownConversations } from "../known";
import { addressOf, NOWHERE, routes } from "../routes";
import { hub } from "../wire/hub";

const SHOWN = 12;
const DIALOG = "find";

interface Entry {
  kind: string;
  text: string;
  // It is found by these words too.
  said?: string | undefined;
  // An address of the page, or what is done.
  to: string | (() => void);
}

function* entries(): Generator<Entry> {
  const agents = hub.overview?.agents ?? [];
  for (const { namespace, name, state } of agents) {
    const kind = state === "failed" ? "agent, not running" : "agent";
    yield { kind, text: name, to: addressOf({ ...NOWHERE, agent: { namespace, name } }) };
  }
  for (const { namespace, name } of agents) {
    const agent = { namespace, name };
    for (const { id, name: text, said } of new KnownConversations(agent).list) {
      yield { kind: name, text, said, to: addressOf({ ...NOWHERE, agent, session: id }) };
    }
  }
  const kind = "command";
  const { now } = routes;
  yield { kind, text: "All agents", to: "#/" };
  if (hub.overview?.has_history) yield { kind, text: "History", to: "#/history" };
  if (now.view === "try") {
    yield { kind, text: "New conversation", to: addressOf({ ...NOWHERE, agent: now.agent }) };
  }
  yield { kind, text: "Copy the link to this page", to: () => void navigator.clipboard.writeText(location.href) };
}

function found(query: string): Entry[] {
  const words = query.toLowerCase().split(/\s+/);
  const list: Entry[] = [];
  for (const each of entries()) {
    const text = `${each.text} ${each.said ?? ""} ${each.kind}`.toLowerCase();
    if (words.every((word) => text.includes(word))) list.push(each);
    if (list.length === SHOWN) break;
  }
  // What was said has no place in a list of names.
  if (query && hub.overview?.has_history) {
    list.push({ kind: "history", text: `Said: ${query}`, to: `#/history?${new URLSearchParams({ q: query })}` });
  }
  return list;
}

export const FindButton = () => (
  <button type="button" aria-keyshortcuts="Control+K" onClick={open}>
    Find anything <kbd aria-hidden="true">Ctrl K</kbd>
  </button>
);

function open(): void {
  const dialog = document.getElementById(DIALOG) as HTMLDialogElement;
  if (!dialog.open) dialog.showModal();
}

export function Find() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState(0);
  useEffect(() => {
    const keys = (event: KeyboardEvent): void => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "k") return;
      event.preventDefault();
      open();
    };
    addEventListener("keydown", keys);
  }, []);
  const list = found(query);
  const enter = (entry: Entry | undefined): void => {
    if (!entry) return;
    dialog.current!.close();
    if (typeof entry.to === "string") location.hash = entry.to;
    else entry.to();
  };
  const keys = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.length) setChosen((chosen + step + list.length) % list.length);
    else if (event.key === "Enter") enter(list[chosen]);
    // The page behind stops no answer when this is closed.
    else if (event.key === "Escape") event.stopPropagation();
    else return;
    if (event.key !== "Escape") event.preventDefault();
  };
  return (
    <dialog
      id={DIALOG}
      ref={dialog}
      class="find"
      aria-label="Find anything"
      closedby="any"
      onClose={() => {
        setQuery("");
        setChosen(0);
      }}
    >
      <input
        role="combobox"
        aria-label="Find agents, conversations and commands"
        aria-expanded={list.length > 0}
        aria-controls="found"
        aria-autocomplete="list"
        aria-activedescendant={list.length ? `found-${chosen}` : undefined}
        placeholder="Find agents, conversations, commands"
        autocomplete="off"
        spellcheck={false}
        value={query}
        onInput={({ currentTarget }) => {
          setQuery(currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={keys}
      />
      <ul id="found" role="listbox" aria-label="Found">
        {list.map((each, index) => (
          <li
            key={`${each.kind} ${each.text} ${String(each.to)}`}
            id={`found-${index}`}
            role="option"
            aria-selected={index === chosen}
            onClick={() => enter(each)}
          >
            <span>{each.text}</span>
            <small>{each.kind}</small>
          </li>
        ))}
      </ul>
      <p class="hint" role="status">
        {list.length ? "" : `Nothing has "${query}" in its name.`}
      </p>
    </dialog>
  );
}
