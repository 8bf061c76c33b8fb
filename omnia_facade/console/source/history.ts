// What the history finds: pages of sessions, and the sums of all of them.

import { Changes } from "./parts/changes";
import { asJson } from "./wire/http";

const STATUSES = ["active", "completed", "error", "cancelled"];
const DAY = 86_400_000;
const USUAL_SPAN = "7";
const LIMIT = 30;
// One request searches a piece of the list; so many follow each other while they find nothing.
const PIECES = 5;

export interface Session {
  id: string;
  namespace: string;
  agent: string;
  name: string;
  // Absent where it is deleted, or nobody said anything.
  first_message?: string;
  tag: "agent" | "function";
  status: "active" | "completed" | "error" | "cancelled";
  begun_at: string;
  active_at: string;
  ended: boolean;
  turns: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
}

interface Sums {
  sessions: number;
  turns: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
}

interface Page {
  sessions: Session[];
  next: string | null;
  sums?: Sums;
}

// What the address asks for.
export class Filters {
  readonly #given: URLSearchParams;

  constructor(query: string) {
    this.#given = new URLSearchParams(query);
  }

  get q(): string {
    return this.#given.get("q") ?? "";
  }
  // NAME, or NAMESPACE/NAME.
  get agent(): string {
    return this.#given.get("agent") ?? "";
  }
  get status(): string {
    const given = this.#given.get("status") ?? "";
    return STATUSES.includes(given) ? given : "";
  }
  // Days, or "all".
  get from(): string {
    const given = this.#given.get("from") ?? USUAL_SPAN;
    return ["1", "30", "all"].includes(given) ? given : USUAL_SPAN;
  }

  // The query of the address with another value.
  with(name: string, value: string): string {
    const query = new URLSearchParams(this.#given);
    if (value && !(name === "from" && value === USUAL_SPAN)) query.set(name, value);
    else query.delete(name);
    return query.toString();
  }

  get parameters(): URLSearchParams {
    const wanted = new URLSearchParams({ limit: String(LIMIT), sums: "true" });
    const [agent = "", namespace = ""] = this.agent.split("/").reverse();
    const given = { q: this.q, namespace, agent, status: this.status };
    for (const [name, value] of Object.entries(given)) if (value) wanted.set(name, value);
    if (this.from !== "all") wanted.set("from", new Date(Date.now() - Number(this.from) * DAY).toISOString());
    return wanted;
  }
}

export class History extends Changes {
  state: "loading" | "found" | "failed" = "loading";
  sessions: Session[] = [];
  // Absent for a search: nothing knows what all of it would be.
  sums: Sums | undefined;
  next: string | null = null;
  fault = "";

  #wanted = new URLSearchParams();

  async find(filters: Filters): Promise<void> {
    this.#wanted = filters.parameters;
    this.sessions = [];
    this.sums = undefined;
    await this.#read(this.#wanted, "");
  }

  more = (): void => void this.#read(this.#wanted, this.next ?? "");

  async #read(wanted: URLSearchParams, cursor: string): Promise<void> {
    this.state = "loading";
    this.next = null;
    this.changed();
    try {
      for (let piece = 0; piece < PIECES; piece += 1) {
        const page = await asJson<Page>(`history/api/v1/sessions?${wanted}${cursor && `&cursor=${cursor}`}`);
        // Something else may have been asked for meanwhile.
        if (wanted !== this.#wanted) return;
        this.sessions = [...this.sessions, ...page.sessions];
        this.sums = page.sums;
        this.next = page.next;
        if (page.sessions.length || !page.next) break;
        cursor = page.next;
      }
      this.state = "found";
    } catch (refused) {
      if (wanted !== this.#wanted) return;
      this.state = "failed";
      this.fault = (refused as Error).message;
    }
    this.changed();
  }
}
