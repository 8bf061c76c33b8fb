// Errors in words: what to do comes before the code. Codes of docs/reference/websocket.md.

export interface Explained {
  title: string;
  hint: string;
}

const KNOWN: Record<string, Explained> = {
  INTERNAL_ERROR: { title: "The answer failed.", hint: "" },
  TOOL_FAILED: { title: "The agent used its tools too often.", hint: "" },
  AGENT_UNAVAILABLE: { title: "The agent does not answer.", hint: "It may be starting. Send the message again." },
  CONNECTION_LOST: { title: "The answer broke off: the connection was lost.", hint: "Send the message again." },
  SESSION_EXPIRED: { title: "This conversation has ended.", hint: "The next message begins a new one." },
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

export function explained(code: string): Explained {
  return KNOWN[code] ?? { title: "", hint: "" };
}
