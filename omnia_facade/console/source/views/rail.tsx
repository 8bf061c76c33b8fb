// Beside the conversation: the conversations before, by day. On a small screen it opens over the page.

import type { ComponentChildren } from "preact";
import type { Known, KnownConversations } from "../known";
import { useChanges } from "../parts/changes";
import { addressOf, routes } from "../routes";

export function Rail({ known, begin, children }: { known: KnownConversations; begin: () => void; children?: ComponentChildren }) {
  useChanges(known);
  useChanges(routes);
  const days = Map.groupBy(known.list, ({ at }) => dayOf(at));
  return (
    // A popover where there is no room for it: the browser closes it by Escape and by a click beside it.
    <nav id="rail" class="rail" aria-label="Conversations" popover="auto">
      {children}
      <button id="new" type="button" aria-keyshortcuts="Alt+N" onClick={() => closing(begin)}>
        New conversation
      </button>
      {[...days].map(([day, list]) => (
        <section key={day} aria-label={day}>
          <h2>{day}</h2>
          <ul>
            {list.map((each) => (
              <Entry key={each.id} known={each} />
            ))}
          </ul>
        </section>
      ))}
      {known.list.length > 0 && (
        <button type="button" class="bare small" onClick={() => known.forgetAll()}>
          Forget this list
        </button>
      )}
    </nav>
  );
}

function Entry({ known: { id, name, at } }: { known: Known }) {
  const { now } = routes;
  return (
    <li>
      <a
        href={addressOf({ ...now, view: "try", session: id, turn: 0, step: 0 })}
        aria-current={now.session === id ? "page" : undefined}
        title={name}
        onClick={() => closing()}
      >
        <span>{name}</span>
        <small>{new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}</small>
      </a>
    </li>
  );
}

function closing(then = (): void => {}): void {
  document.getElementById("rail")!.hidePopover();
  then();
}

function dayOf(at: number): string {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (at >= midnight) return "Today";
  if (at >= midnight - 86_400_000) return "Yesterday";
  return new Date(at).toLocaleDateString();
}
