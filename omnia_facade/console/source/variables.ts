// The values of the prompt's variables: kept in this tab for each agent, sent as metadata with each message.

import { Changes } from "./parts/changes";
import type { AgentName } from "./place";

// As in GET /api/agent.
export interface Declared {
  name: string;
  type: string;
  required: boolean;
  description?: string;
  default?: unknown;
  enum?: unknown[];
}

export class Variables extends Changes {
  declared: Declared[] = [];
  readonly #key: string;
  #values: Record<string, string> = {};

  constructor({ namespace, name }: AgentName) {
    super();
    this.#key = `omnia.variables.${namespace}/${name}`;
    try {
      const kept: unknown = JSON.parse(sessionStorage.getItem(this.#key) ?? "{}");
      for (const [each, value] of Object.entries(kept ?? {})) if (typeof value === "string") this.#values[each] = value;
    } catch {
      // What is kept there is not of this page.
    }
  }

  declare(declared: Declared[]): void {
    this.declared = declared;
    this.changed();
  }

  valueOf(name: string): string {
    return this.#values[name] ?? "";
  }

  // An empty value is none: the default applies.
  set(name: string, value: string): void {
    const { [name]: _, ...others } = this.#values;
    this.#values = value ? { ...others, [name]: value } : others;
    sessionStorage.setItem(this.#key, JSON.stringify(this.#values));
    this.changed();
  }

  // Those that the prompt still declares.
  get metadata(): Record<string, string> {
    const known = this.declared.filter(({ name }) => this.#values[name]);
    return Object.fromEntries(known.map(({ name }) => [name, this.#values[name]!]));
  }

  get missing(): string[] {
    return this.declared
      .filter((each) => each.required && each.default === undefined && !this.#values[each.name])
      .map(({ name }) => name);
  }
}

// Values as a message has them: text as it is, everything else as JSON.
export const asText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
