// One WebSocket at a time. A lost one is opened again with exponential back-off.

import { credential } from "./credential";
import type { Frame } from "./frames";
import { ask, Refused } from "./http";

const PAUSES = [0.5, 1, 2, 4, 8, 15];

export type State =
  | { kind: "connecting"; text: string; lost?: Lost }
  | { kind: "open"; text: string }
  // `asks`: the server wants another credential.
  | { kind: "refused"; text: string; asks?: boolean };

// Why there is no connection, and when it is tried again, as Date.now() counts.
export interface Lost {
  why: string;
  again: number;
}

export interface Listener {
  state(state: State): void;
  frame(frame: Frame): void;
  lost(): void;
  // The session to resume; empty for a new one.
  wanted(): string;
}

export class Connection {
  #socket: WebSocket | null = null;
  #tries = 0;
  #timer = 0;
  #lost: Lost | undefined;

  // `base` is what the path of the socket begins with.
  constructor(
    private readonly base: string,
    private readonly listener: Listener,
  ) {
    addEventListener("online", () => this.#timer && this.open());
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open(): void {
    this.#forget();
    const address = new URL(`${this.base}ws`, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const wanted = this.listener.wanted();
    if (wanted) address.searchParams.set("session_id", wanted);
    this.listener.state({ kind: "connecting", text: "Connecting", ...(this.#lost && { lost: this.#lost }) });
    try {
      this.#listen(new WebSocket(address, credential.subprotocols));
    } catch {
      this.listener.state({ kind: "refused", text: "The token contains invalid characters." });
    }
  }

  close(): void {
    this.#forget();
  }

  send(frame: object): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  #listen(socket: WebSocket): void {
    let opened = false;
    this.#socket = socket;
    socket.onopen = () => {
      opened = true;
      this.#tries = 0;
      this.#lost = undefined;
      this.listener.state({ kind: "open", text: "Connected" });
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.listener.frame(JSON.parse(data));
    };
    socket.onclose = () => {
      this.#socket = null;
      this.listener.lost();
      if (opened) this.#later("The connection is lost");
      else void this.#explain();
    };
  }

  // Browsers hide why an upgrade was rejected; a plain request for the same path returns the reason.
  async #explain(): Promise<void> {
    let why = "Cannot connect";
    try {
      await ask(`${this.base}ws`);
    } catch (refused) {
      if (!(refused instanceof Refused) || this.#socket || this.#timer) return;
      if (refused.status === 401) {
        this.listener.state({ kind: "refused", text: `Needs a token: ${refused.message}`, asks: true });
        return;
      }
      if (refused.status && refused.status !== 426) why = refused.message;
    }
    if (!this.#socket && !this.#timer) this.#later(why);
  }

  #later(why: string): void {
    const pause = PAUSES[Math.min(this.#tries, PAUSES.length - 1)]! * 1000 * (0.75 + Math.random() / 2);
    this.#tries += 1;
    const lost = (this.#lost = { why, again: Date.now() + pause });
    this.listener.state({ kind: "connecting", text: `${why}; trying again`, lost });
    this.#timer = setTimeout(() => this.open(), pause);
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.listener.lost();
  }
}
