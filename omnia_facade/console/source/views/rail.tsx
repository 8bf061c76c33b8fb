// Beside the conversation: the conversations before, by day. On a small screen it opens over the page.

import type { ComponentChildren } from "preact";
import type { KnownConversations } from "../known";
import { useChanges } from "../parts/changes";
import { routes } from "../routes";
import { Entry } from "./entry";

// A popover where there is no room for it: the browser closes it by Escape and by a click beside it.
export const RailFrame = ({ label, children }: { label: string; children: ComponentChildren }) => (
  <nav id="rail" class="rail" aria-label={label} popover="auto">
    {children}
  </nav>
);

interface Props {
  known: KnownConversations;
  begin: () => void;
  // Called when a conversation was given another name.
  renamed: (id: string, name: string) => void;
  children?: ComponentChildren;
}

export function Rail({ known, begin, renamed, children }: Props) {
  useChanges(known);
  useChanges(routes);
  const days = Map.groupBy(known.list, ({ at }) => dayOf(at));
  return (
    <RailFrame label="Conversations">
      {children}
      <button id="new" type="button" aria-keyshortcuts="Alt+N" onClick={() => closing(begin)}>
        New conversation
      </button>
      {[...days].map(([day, list]) => (
        <section key={day} aria-label={day}>
          <h2>{day}</h2>
          <ul>
            {list.map((each) => (
              <Entry key={each.id} entry={each} known={known} chosen={() => closing()} renamed={renamed} />
            ))}
          </ul>
        </section>
      ))}
      {known.next && (
        <button type="button" class="bare small" onClick={() => void known.load(true)}>
          Show more
        </button>
      )}
      {known.list.length > 0 && !known.can("list") && (
        <button type="button" class="bare small" onClick={() => known.forgetAll()}>
          Forget this list
        </button>
      )}
    </RailFrame>
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
