// The conversation: its session, its running turn, the messages that wait, and what was said before.

import { forkBefore, Forks, type Variants } from "./forks";
import { mediaParts } from "./media";
import { Note } from "./note";
import { Changes } from "./parts/changes";
import { connectedAgain, FORGOTTEN, GONE, MOST_TURNS, pastOf, recalled, type Past } from "./past";
import { Turn } from "./turn";
import type { Fault, Frame, UploadTicket } from "./wire/frames";
import { Refused } from "./wire/http";
import { Connection, type State } from "./wire/socket";

const SESSION_FORM = /^[A-Za-z0-9._:-]{1,128}$/;
// Errors of one frame: the turn continues.
const BESIDE = ["TOOL_FAILED", "MEDIA_NOT_ENABLED", "UPLOAD_FAILED"];

// What a session tries out from its first message on.
export interface Trial {
  version: string;
  provider: string;
  // The template of the prompt.
  system?: string;
}

export class Conversation extends Changes {
  // What is shown, in its order.
  items: (Turn | Note)[] = [];
  state: State = { kind: "connecting", text: "Connecting" };
  session = "";
  // What the session is about; empty while it has no name.
  name = "";
  running: Turn | null = null;
  stopping = false;

  readonly #connection: Connection;
  readonly #queue: Turn[] = [];
  #announced = "";
  // The session to go on with, until the server has answered that it does.
  #resuming: string;
  // Whether the session has anything to resume.
  #said: boolean;
  // Whether it was begun before this page was loaded.
  #continued = false;
  #isReading = false;
  // How many turns of the session are not shown.
  #earlier = 0;
  #upload: PromiseWithResolvers<UploadTicket | null> | null = null;
  #notes = 0;
  readonly #forks: Forks;
  #forking = false;

  // `base` is what the paths of the agent begin with; `session` is the one to resume, empty for a new one, which
  // tries out `trial`. `metadata` is sent with each message.
  constructor(
    readonly base: string,
    session: string,
    private readonly metadata: () => Record<string, string>,
    private readonly trial?: Trial,
  ) {
    super();
    this.#forks = new Forks(base);
    this.#resuming = session;
    this.#said = session !== "";
    this.#connection = new Connection(base, {
      state: (state) => {
        this.state = state;
        this.changed();
      },
      frame: (frame) => this.#handle(frame),
      lost: () => this.#lost(),
      wanted: () => (this.#resuming ||= this.#said ? this.session : ""),
    });
  }

  connect(): void {
    this.#connection.open();
  }

  leave(): void {
    this.#connection.close();
  }

  // The session that can be resumed; empty while nothing was said.
  get kept(): string {
    return this.#resuming || (this.#said ? this.session : "");
  }

  // Whether what was said before is still to come.
  get isReading(): boolean {
    return this.#isReading || this.#resuming !== "";
  }

  // How many messages are sent before this one; -1 when it does not wait.
  waitsAfter(turn: Turn): number {
    return this.#queue.indexOf(turn);
  }

  // What is still to be sent.
  get unsent(): string[] {
    return this.#queue.map((each) => each.text);
  }

  // A message that waits is not sent.
  takeBack(turn: Turn): void {
    if (this.waitsAfter(turn) < 0) return;
    this.#queue.splice(this.waitsAfter(turn), 1);
    this.items = this.items.filter((each) => each !== turn);
    this.changed();
  }

  // What was said first, as far as it is shown.
  get said(): string {
    return this.turns[0]?.text ?? "";
  }

  // How many turns the session has.
  get count(): number {
    return this.#earlier + this.turns.length;
  }

  // A turn by its number in the session, counted from 1.
  turnOf(number: number): Turn | undefined {
    return this.turns[number - this.#earlier - 1];
  }

  numberOf(turn: Turn): number {
    return this.#earlier + this.turns.indexOf(turn) + 1;
  }

  // Those that are shown.
  get turns(): Turn[] {
    return this.items.filter((each) => each instanceof Turn);
  }

  say(text: string, files: File[]): void {
    const turn = new Turn(text, files);
    this.items = [...this.items, turn];
    this.#queue.push(turn);
    this.#pump();
    this.changed();
  }

  // A message is said again, as it was or in other words, in a session that goes on before it.
  async fork(turn: Turn, text = turn.text): Promise<void> {
    if (this.running || this.#queue.length || this.#forking) return;
    const { session } = this;
    const number = this.numberOf(turn);
    this.#forking = true;
    turn.dismissFault();
    try {
      const forked = await forkBefore(this.base, session, this.turns, turn);
      // Another conversation may have been chosen meanwhile.
      if (this.session !== session || this.running) return;
      if (forked) {
        this.#forks.add(session, forked, number);
        this.session = forked;
        this.#said = true;
      }
      this.items = this.items.slice(0, this.items.indexOf(turn));
      this.say(text, turn.files);
    } catch (refused) {
      const { code, message } = refused as Refused;
      // Where nothing can be forked, the message follows what was said.
      if (code?.endsWith("_unsupported")) this.say(text, turn.files);
      else this.note(`Nothing was sent: ${message}`);
    } finally {
      this.#forking = false;
    }
  }

  variantsOf(turn: Turn): Variants | undefined {
    return this.#forks.of(this.session, this.numberOf(turn));
  }

  stop(): void {
    if (!this.running || this.stopping) return;
    this.stopping = true;
    if (this.#upload) this.#upload.reject(new Refused(0, "STOPPED", "The upload was stopped."));
    else this.#connection.send({ type: "cancel" });
    this.changed();
  }

  // Begins a new conversation, or goes on with an earlier one.
  begin(id: string): void {
    if (id && !SESSION_FORM.test(id)) {
      this.note("The id of a conversation has 1 to 128 letters, digits, dots, colons, dashes and underscores.");
      return;
    }
    this.#queue.length = 0;
    this.session = "";
    this.#said = id !== "";
    this.#resuming = id;
    this.#continued = false;
    this.#connection.open();
    this.items = [];
    this.#earlier = 0;
    this.name = "";
    this.changed();
  }

  // A conversation was given another name.
  rename(id: string, name: string): void {
    if (id !== this.kept) return;
    this.name = name;
    this.changed();
  }

  note(text: string): void {
    this.items = [...this.items, this.#noted(text)];
    this.changed();
  }

  #noted(text: string): Note {
    this.#notes += 1;
    return new Note(`note-${this.#notes}`, text);
  }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case "connected":
        this.#connected(frame.session_id, frame.connected);
        break;
      case "chunk":
        if (!frame.role || frame.role === "assistant") this.running?.chunk(frame.content);
        break;
      case "tool_call":
        this.running?.call(frame.tool_call, (answer) =>
          this.#connection.send({ ...answer, session_id: this.session }),
        );
        break;
      case "tool_result":
        this.running?.result(frame.tool_result);
        break;
      case "media_chunk":
        this.running?.piece(frame.media_chunk);
        break;
      case "upload_ready":
        this.#upload?.resolve(frame.upload_ready);
        break;
      case "done":
        this.running?.done(frame);
        if (this.running) void this.trace(this.running);
        if (frame.session_name) this.name = frame.session_name;
        this.#next();
        break;
      case "error":
        this.#refused(frame.error);
    }
  }

  #connected(id: string, body: { resumed?: boolean; session_name?: string } | undefined): void {
    if (body?.resumed) {
      this.name = body.session_name ?? "";
      const isFirst = !this.session;
      // A fork is announced likewise, without a lost connection.
      const isAgain = this.#resuming !== "" && this.turns.some((each) => each.state === "settled");
      this.#adopt(id, "");
      this.#continued ||= isFirst;
      if (isFirst) void this.#showPast(id);
      else if (isAgain) this.note(connectedAgain(this.turns));
      return;
    }
    this.#announced = id;
    if (this.#resuming) return;
    this.name = "";
    this.#adopt(id, "");
  }

  #refused(fault: Fault): void {
    const { code, message } = fault;
    if (this.#resuming && !this.running) {
      if (code === "SESSION_EXPIRED" || code === "SESSION_NOT_FOUND") {
        this.#adopt(this.#announced, this.turns.length ? FORGOTTEN : GONE);
      } else {
        this.#adopt(this.#resuming, `${code}: ${message}`);
      }
    } else if (this.#upload && [...BESIDE, "RATE_LIMITED"].includes(code)) {
      if (code === "MEDIA_NOT_ENABLED") this.#upload.resolve(null);
      else this.#upload.reject(new Refused(0, code, message));
    } else if (!this.running || BESIDE.includes(code) || (code === "INVALID_MESSAGE" && this.running.begun)) {
      this.note(`${code}: ${message}`);
    } else {
      if (code === "SESSION_EXPIRED") this.#forgetSession();
      this.#fail(fault);
    }
  }

  #lost(): void {
    this.#announced = "";
    this.#upload?.reject(new Refused(0, "CONNECTION_LOST", "The connection was lost during the upload."));
    if (this.running) {
      this.#fail({
        code: "CONNECTION_LOST",
        message: "The connection was lost before the answer was complete.",
        details: { title: "The answer broke off.", hint: "What it said is kept here. Send the message again." },
      });
    }
  }

  #adopt(id: string, news: string): void {
    this.#said = id !== this.#announced;
    this.session = id;
    this.#resuming = "";
    if (news) this.note(news);
    this.#pump();
    this.changed();
  }

  #forgetSession(): void {
    this.name = "";
    this.#said = false;
    this.session = this.#announced;
  }

  #pump(): void {
    if (this.running || this.#resuming || !this.session || !this.#connection.isOpen) return;
    const turn = this.#queue.shift();
    if (!turn) return;
    this.running = turn;
    this.stopping = false;
    turn.start();
    void this.#deliver(turn);
  }

  async #deliver(turn: Turn): Promise<void> {
    const frame: Record<string, unknown> = { type: "message", session_id: this.session };
    const metadata = this.metadata();
    if (Object.keys(metadata).length > 0) frame["metadata"] = metadata;
    // What was refused began no session.
    const isFirst = this.turns.every((each) => each === turn || each.fault?.code === "INVALID_MESSAGE");
    if (this.trial && isFirst && !this.#continued) frame["trial"] = this.trial;
    if (turn.files.length === 0) {
      frame["content"] = turn.text;
    } else {
      try {
        const text = turn.text ? [{ type: "text", text: turn.text }] : [];
        frame["parts"] = [...text, ...(await mediaParts(turn.files, (...file) => this.#requestUpload(...file)))];
      } catch (error) {
        const code = error instanceof Refused ? error.code : "UPLOAD_FAILED";
        if (turn === this.running) this.#fail({ code, message: (error as Error).message });
        return;
      }
    }
    // The turn may have been stopped meanwhile, or the connection lost.
    if (turn !== this.running) return;
    this.#said = true;
    this.#connection.send(frame);
    this.changed();
  }

  #requestUpload(file: File, mime_type: string): Promise<UploadTicket | null> {
    const asked = Promise.withResolvers<UploadTicket | null>();
    this.#upload = asked;
    this.#connection.send({
      type: "upload_request",
      session_id: this.session,
      upload_request: { filename: file.name, mime_type, size_bytes: file.size },
    });
    return asked.promise.finally(() => (this.#upload = null));
  }

  #fail(fault: Fault): void {
    this.running?.fail(fault);
    this.#next();
  }

  #next(): void {
    this.running = null;
    this.stopping = false;
    this.#pump();
    this.changed();
  }

  // Asks what the server has recorded of a turn; evaluations may come after its end.
  async trace(turn: Turn): Promise<void> {
    const id = this.session;
    const number = this.numberOf(turn);
    const last = this.count - number + 1;
    if (turn.state !== "settled" || last > MOST_TURNS) return;
    let found: Partial<Past["turns"][number]> = {};
    try {
      const { earlier, turns } = await pastOf(this.base, id, last);
      found = turns[number - earlier - 1] ?? {};
    } catch {
      // What the page measured stays.
    }
    if (this.session === id) turn.trace(found, { isPast: false });
  }

  // What was said before this page was loaded, from the session store.
  async #showPast(id: string): Promise<void> {
    let past: Past;
    this.#isReading = true;
    try {
      past = await pastOf(this.base, id);
    } catch (refused) {
      if (this.session === id) {
        this.note(`Conversation resumed. Earlier messages cannot be shown: ${(refused as Error).message}`);
      }
      return;
    } finally {
      this.#isReading = false;
    }
    // Another conversation may have been chosen meanwhile.
    if (this.session !== id) return;
    this.#earlier = past.earlier;
    const earlier = past.earlier ? [this.#noted(`${past.earlier} earlier turns are not shown.`)] : [];
    this.items = [...earlier, ...recalled(past), this.#noted("Conversation resumed"), ...this.items];
    this.changed();
  }
}
