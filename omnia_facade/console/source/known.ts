// The conversations with an agent, the latest first: those that the agent lists, else those that this device knows of.
//
// A browser that is used on the machine of the agent keeps them; elsewhere they end with the tab.

import { addressOf, NOWHERE } from "./routes";
import { isLoopback, type AgentName } from "./place";
import { Changes } from "./parts/changes";
import { ask, asJson } from "./wire/http";

const KEPT = 50;
const LONGEST_NAME = 60;
const UNNAMED = "Unnamed";

export interface Known {
  id: string;
  name: string;
  // The first words that its user said, where the agent lists them.
  said?: string | undefined;
  // When it was last used, in milliseconds since 1970.
  at: number;
}

interface Page {
  sessions: { id: string; name: string; first_message?: string; last_at: string }[];
  next?: string;
}

// What an agent can do with the conversations of its caller.
export type Capability = "list" | "names" | "delete";

export class KnownConversations extends Changes {
  list: Known[];
  capabilities: readonly string[] = [];
  // Where the list of the agent goes on; empty at its end.
  next = "";

  #base = "";
  // What was said first here, until a conversation has a name; an answer of the agent may be older than this.
  readonly #said = new Map<string, string>();
  readonly #key: string;
  readonly #storage = isLoopback ? localStorage : sessionStorage;

  constructor(agent: AgentName) {
    super();
    this.#key = `omnia.conversations ${addressOf({ ...NOWHERE, agent })}`;
    this.list = this.#read();
  }

  can(capability: Capability): boolean {
    return this.capabilities.includes(capability);
  }

  // The agent has said what it can do; `base` is what the paths of its requests begin with.
  serve(base: string, capabilities: readonly string[]): void {
    this.#base = base;
    this.capabilities = capabilities;
    void this.load();
  }

  // Asks the agent for its list, or for more of it.
  async load(more = false): Promise<void> {
    if (!this.can("list")) return;
    let page: Page;
    try {
      page = await asJson<Page>(`${this.#base}api/sessions?limit=${KEPT}${more ? `&cursor=${this.next}` : ""}`);
    } catch {
      // What is known stays: the list is no condition for anything.
      return;
    }
    const names = new Map([...this.#read(), ...this.list].map(({ id, name }) => [id, name]));
    const listed = page.sessions.map(({ id, name, first_message, last_at }) => ({
      id,
      name: name || this.#said.get(id) || first_message || names.get(id) || UNNAMED,
      said: first_message,
      at: Date.parse(last_at),
    }));
    this.next = page.next ?? "";
    const ids = new Set(listed.map(({ id }) => id));
    const before = more ? this.list.filter(({ id }) => !ids.has(id)) : [];
    this.#write([...before, ...listed].sort((one, other) => other.at - one.at));
  }

  // A conversation is used; `name` is what it is about.
  use(id: string, name: string): void {
    if (name) this.#said.set(id, name.slice(0, LONGEST_NAME));
    // Another tab may have written meanwhile.
    const list = this.can("list") ? this.list : this.#read();
    const known = list.find((each) => each.id === id);
    const entry = { ...known, id, name: name.slice(0, LONGEST_NAME) || known?.name || id, at: Date.now() };
    this.#write([entry, ...list.filter((each) => each.id !== id)]);
  }

  // Rejects with Refused when the agent does not give the name.
  async rename(id: string, name: string): Promise<string> {
    const body = JSON.stringify({ name });
    const headers = { "Content-Type": "application/json" };
    const { session_name } = await asJson<{ session_name: string }>(this.#path(id), { method: "PATCH", headers, body });
    this.#write(this.list.map((each) => (each.id === id ? { ...each, name: session_name } : each)));
    return session_name;
  }

  // Rejects with Refused when the agent does not end it.
  async remove(id: string): Promise<void> {
    await ask(this.#path(id), { method: "DELETE" });
    this.forget(id);
  }

  forget(id: string): void {
    this.#write((this.can("list") ? this.list : this.#read()).filter((each) => each.id !== id));
  }

  forgetAll(): void {
    this.#write([]);
  }

  #path(id: string): string {
    return `${this.#base}api/sessions/${encodeURIComponent(id)}`;
  }

  #read(): Known[] {
    try {
      const list: unknown = JSON.parse(this.#storage.getItem(this.#key) ?? "[]");
      return Array.isArray(list) ? list.filter(isKnown) : [];
    } catch {
      return [];
    }
  }

  #write(list: Known[]): void {
    this.list = this.can("list") ? list : list.slice(0, KEPT);
    if (list.length) this.#storage.setItem(this.#key, JSON.stringify(list.slice(0, KEPT)));
    else this.#storage.removeItem(this.#key);
    this.changed();
  }
}

function isKnown(value: unknown): value is Known {
  const { id, name, said = "", at } = (value ?? {}) as Partial<Known>;
  return typeof at === "number" && [id, name, said].every((each) => typeof each === "string");
}
