// What runs behind this address, where that is several agents. It is asked for again whenever something changes.

import { Changes } from "../parts/changes";
import { isSame, type AgentName } from "../place";
import { asJson } from "./http";

const PAUSE = 2000;

export interface HubAgent extends AgentName {
  mode: "agent" | "function";
  state: "ready" | "starting" | "failed";
  // Why it does not run, or what of its manifests is not in use.
  message?: string;
  description?: string;
  model?: string;
  version?: string;
}

interface Overview {
  title: string;
  since: string;
  agents: HubAgent[];
  has_history?: boolean;
  notes?: string[];
}

class Hub extends Changes {
  // null before the first answer.
  overview: Overview | null = null;
  // Whether the server answers at the moment.
  isOpen = false;

  #events: EventSource | null = null;
  #timer = 0;
  #loading = false;
  #again = false;

  // Follows what changes, for as long as the page is seen: a browser has few connections for each server.
  follow(): void {
    const listen = (): void => {
      clearTimeout(this.#timer);
      this.#events?.close();
      if (document.hidden) return;
      const events = new EventSource("hub/events");
      this.#events = events;
      events.onopen = events.onmessage = () => void this.#load();
      events.onerror = () => {
        this.isOpen = false;
        this.changed();
        // The browser itself tries again, unless the answer was none.
        if (events.readyState === EventSource.CLOSED) this.#timer = setTimeout(listen, PAUSE);
      };
    };
    document.addEventListener("visibilitychange", listen);
    listen();
  }

  agent(name: AgentName): HubAgent | undefined {
    return this.overview?.agents.find((each) => isSame(each, name));
  }

  async #load(): Promise<void> {
    this.#again = true;
    if (this.#loading) return;
    this.#loading = true;
    while (this.#again) {
      this.#again = false;
      try {
        this.overview = await asJson<Overview>("hub/agents");
        this.isOpen = true;
      } catch {
        this.isOpen = false;
      }
    }
    this.#loading = false;
    this.changed();
  }
}

export const hub = new Hub();
