// The addresses of the page, after "#": every state that a person can come back to has one.
//
//   #/                            the start page of the agent; where several are served, all of them
//   #/c/SESSION                   a conversation
//   #/c/SESSION/t/2/s/1           its second turn in the inspector, and the first step of that
//   #/about                       the agent in the inspector; after a conversation or a turn, beside that
//   #/c/SESSION/files             the files of the conversation, likewise
//   #/compare?a=2.0.0&b=2.1.0,fast  two versions, the second with a provider, answer the same questions
//   #/a/NAMESPACE/NAME/c/SESSION  the same where several agents are served
//   #/history?q=&agent=&status=&from=  there, the conversations of all of them

import { ownAgent, type AgentName } from "./place";
import { Changes } from "./parts/changes";

export interface Route {
  view: "agents" | "try" | "compare" | "history";
  agent: AgentName;
  // Empty: a new conversation.
  session: string;
  // Counted from 1; 0: none is shown in the inspector.
  turn: number;
  step: number;
  // Whether the inspector shows the agent.
  about: boolean;
  // Whether the inspector shows the files of the conversation.
  files: boolean;
  // What the history is asked for; of a comparison, what each lane tries out, and its session.
  query: string;
}

export const NOWHERE: Route = {
  view: "try",
  agent: ownAgent,
  session: "",
  turn: 0,
  step: 0,
  about: false,
  files: false,
  query: "",
};

export function parsed(hash: string): Route {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?") as [string, string?];
  const words = path.split("/").map(decoded);
  const after = (mark: string): string => {
    const at = words.indexOf(mark);
    return at < 0 ? "" : (words[at + 1] ?? "");
  };
  let agent = ownAgent;
  if (HUB) {
    if (words[0] === "history") return { ...NOWHERE, view: "history", query };
    if (words[0] !== "a" || !words[2]) return { ...NOWHERE, view: "agents" };
    agent = { namespace: words[1]!, name: words[2] };
    words.splice(0, 3);
  }
  if (words[0] === "compare") return { ...NOWHERE, view: "compare", agent, query };
  // A session may have such a name, too.
  const last = words.at(-2) === "c" ? "" : words.at(-1);
  const [about, files] = [last === "about", last === "files"];
  return { ...NOWHERE, agent, session: after("c"), turn: number(after("t")), step: number(after("s")), about, files };
}

export function addressOf({ view, agent, session, turn, step, about, files, query }: Route): string {
  if (view === "agents") return "#/";
  if (view === "history") return query ? `#/history?${query}` : "#/history";
  const words = HUB ? ["a", agent.namespace, agent.name] : [];
  if (view === "compare") return `#/${[...words, "compare"].map(encodeURIComponent).join("/")}${query && `?${query}`}`;
  if (session) words.push("c", session);
  if (turn) words.push("t", String(turn));
  if (turn && step) words.push("s", String(step));
  if (about || files) words.push(about ? "about" : "files");
  return `#/${words.map(encodeURIComponent).join("/")}`;
}

function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return "";
  }
}

const number = (text: string): number => (/^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0);

class Routes extends Changes {
  now = parsed(location.hash);

  constructor() {
    super();
    // Back, forward, and links within the page.
    addEventListener("hashchange", () => this.#enter());
  }

  // Goes to another state; a replaced one is not found again by Back.
  go(change: Partial<Route>, { replace = false } = {}): void {
    const address = addressOf({ ...this.now, ...change });
    if (address === addressOf(this.now)) return;
    if (replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
    this.#enter();
  }

  #enter(): void {
    this.now = parsed(location.hash);
    this.changed();
  }
}

export const routes = new Routes();
