// The conversations with an agent that this device knows of, the newest first.
//
// A browser that is used on the machine of the agent keeps them; elsewhere they end with the tab.

import { addressOf, NOWHERE } from "./routes";
import { isLoopback, type AgentName } from "./place";
import { Changes } from "./parts/changes";

const KEPT = 50;
const LONGEST_NAME = 60;

export interface Known {
  id: string;
  name: string;
  // When it was last used, in milliseconds since 1970.
  at: number;
}

export class KnownConversations extends Changes {
  list: Known[];
  readonly #key: string;
  readonly #storage = isLoopback ? localStorage : sessionStorage;

  constructor(agent: AgentName) {
    super();
    this.#key = `omnia.conversations ${addressOf({ ...NOWHERE, agent })}`;
    this.list = this.#read();
  }

  // A conversation is used; `name` is what it is about.
  use(id: string, name: string): void {
    // Another tab may have written meanwhile.
    const list = this.#read();
    const known = list.find((each) => each.id === id);
    const entry = { id, name: name.slice(0, LONGEST_NAME) || known?.name || id, at: Date.now() };
    this.#write([entry, ...list.filter((each) => each.id !== id)]);
  }

  forget(id: string): void {
    this.#write(this.#read().filter((each) => each.id !== id));
  }

  forgetAll(): void {
    this.#write([]);
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
    this.list = list.slice(0, KEPT);
    if (list.length) this.#storage.setItem(this.#key, JSON.stringify(this.list));
    else this.#storage.removeItem(this.#key);
    this.changed();
  }
}

function isKnown(value: unknown): value is Known {
  const { id, name, at } = (value ?? {}) as Partial<Known>;
  return typeof id === "string" && typeof name === "string" && typeof at === "number";
}
