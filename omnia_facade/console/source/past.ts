// What was said in a conversation before: read from the agent, or missing there.

import { clock } from "./parts/figures";
import { Turn } from "./turn";
import { asJson } from "./wire/http";
import type { PastMessage, Recorded } from "./wire/recorded";

const SHOWN_TURNS = 30;
// As many as the server tells at once.
export const MOST_TURNS = 100;

export const GONE = "That conversation no longer exists. A new one was started.";
export const FORGOTTEN =
  "The agent does not remember what is above: it was restarted, or the conversation has ended. " +
  "The next message begins a new conversation.";

export interface Past {
  earlier: number;
  turns: (Recorded & { messages: [PastMessage, ...PastMessage[]] })[];
}

// The last turns of a session, from the session store.
export function pastOf(base: string, id: string, last = SHOWN_TURNS): Promise<Past> {
  return asJson<Past>(`${base}api/sessions/${encodeURIComponent(id)}/turns?last=${last}`);
}

export function recalled({ turns }: Past): Turn[] {
  return turns.map(({ messages: [mine, ...answer], ...recorded }) => {
    const turn = new Turn(mine.content ?? "");
    turn.fileNames = (mine.media ?? []).map((each) => each.mime_type || "a file");
    turn.recall(answer, mine.created_at);
    turn.trace(recorded, { isPast: true });
    return turn;
  });
}

// What is missing is said where the answer broke off.
export function connectedAgain(turns: Turn[]): string {
  const isCut = turns.findLast((turn) => turn.state === "settled")?.fault?.code === "CONNECTION_LOST";
  return `connected again ${clock(new Date())}${isCut ? "" : ", nothing is missing"}`;
}
