// Errors in words: what to do comes before the code. Codes of docs/reference/websocket.md.

import type { Fault } from "../wire/frames";

export interface Explained {
  title: string;
  hint: string;
}

const KNOWN: Record<string, Explained> = {
  INTERNAL_ERROR: { title: "The answer failed.", hint: "" },
  TOOL_FAILED: { title: "The agent used its tools too often.", hint: "" },
  AGENT_UNAVAILABLE: { title: "The agent does not answer.", hint: "It may be starting. Send the message again." },
  CONNECTION_LOST: { title: "The answer broke off.", hint: "What it said is kept here. Send the message again." },
  SESSION_EXPIRED: {
    title: "This conversation has ended.",
    hint: "It can be read here, not continued. The next message begins a new one.",
  },
  SESSION_CONFLICT: {
    title: "This conversation is answered elsewhere at the moment.",
    hint: "Send the message again when that answer has ended.",
  },
  RATE_LIMITED: { title: "That was too fast.", hint: "Send it again when an answer has ended." },
  INVALID_MESSAGE: {
    title: "The server did not accept the message.",
    hint: "If the page is older than the server, reload it.",
  },
  BUDGET_EXCEEDED: { title: "The agent's budget is used up.", hint: "" },
};

// By the code and, where it is about an answer that broke off, by the server's own words.
export function explained({ code, message }: Fault): Explained {
  const kept = /its answer so far is (perhaps not )?stored$/.exec(message);
  if (kept) {
    const what = kept[1] ? "It is not confirmed that what it said is kept." : "What it said is kept.";
    return { title: "The answer broke off.", hint: what };
  }
  return KNOWN[code] ?? { title: "", hint: "" };
}
