// One turn: the message of the user, the answer, and where the time went.

import { MediaStreams, shown, type Shown } from "./media";
import { Changes } from "./parts/changes";
import { seconds, usageFacts } from "./parts/figures";
import type { Step } from "./step";
import { ToolCall } from "./tool-call";
import { traced } from "./trail";
import type { Done, Fault, MediaChunk, MediaContent, ToolCallBody, ToolResultBody, Usage } from "./wire/frames";
import type { Check, PastMessage, Recorded } from "./wire/recorded";

// Why an answer ended otherwise than as usual.
const REASONS: Record<string, string> = {
  cancelled: "stopped by you",
  max_output_tokens: "cut at the output limit",
  safety: "held back",
  refusal: "refused",
  tool_use: "ended with a tool call",
  error: "failed",
  interrupted: "broke off",
};

export class Text {
  readonly kind = "text";
  text = "";
  settled = false;
  // Whether a check held it back after it was shown.
  heldBack = false;
  // Called after each piece; the turn's other parts are not drawn again for it.
  grown: () => void = () => {};

  add(piece: string): void {
    this.text += piece;
    this.grown();
  }
}

let turns = 0;

export class Turn extends Changes {
  readonly key = (turns += 1);
  readonly parts: (Text | ToolCall)[] = [];
  // Where the time went: measured here, until the server tells what it has recorded.
  steps: Step[] = [];
  origin: "asked" | "measured" | "recorded" = "asked";
  media: Shown[] = [];
  state: "queued" | "running" | "settled" = "queued";
  // Seconds count from here while something is still to come.
  waitingSince: number | null = null;
  facts: string[] = [];
  // The version of the prompt that answered; empty while it is not known.
  version = "";
  // The side of a rollout that answered; empty for the stable one.
  variant = "";
  // The values of the prompt's variables that it had; null while they are not known.
  variables: Record<string, string> | null = null;
  // Results of evaluations, as far as there are any yet.
  checks: Check[] = [];
  fault: Fault | null = null;
  usage: Usage | null = null;
  // Milliseconds from the message to the end of the answer, as this page measured them; null for a turn of the past.
  took: number | null = null;
  // Whether the user stopped the answer.
  stopped = false;
  // Whether anything of the answer has arrived.
  begun = false;
  // The names of files that were sent before the page was loaded.
  fileNames: string[];

  // Of the turn, by the server; 0 while it is not known.
  #recorded = 0;
  readonly #calls = new Map<string, ToolCall>();
  readonly #open = new Map<string, Step>();
  readonly #streams = new MediaStreams();
  #began = 0;
  #first = 0;

  constructor(
    readonly text: string,
    readonly files: File[] = [],
  ) {
    super();
    this.fileNames = files.map((each) => each.name);
  }

  // The answer as it was written, without its tool calls.
  get said(): string {
    return this.parts.flatMap((each) => (each.kind === "text" && each.text && !each.heldBack ? [each.text] : [])).join("\n\n");
  }

  // Milliseconds of the turn so far.
  get duration(): number {
    if (this.#recorded) return this.#recorded;
    const ends = this.steps.map((each) => each.ended ?? this.#now);
    return Math.max(1, ...ends);
  }

  start(): void {
    this.#began = performance.now();
    this.waitingSince = this.#began;
    this.state = "running";
    this.#model();
    this.changed();
  }

  chunk(text: string): void {
    this.#arrived();
    const last = this.parts.at(-1);
    if (last?.kind === "text" && this.waitingSince === null) {
      last.add(text);
      return;
    }
    this.waitingSince = null;
    const part = last?.kind === "text" ? last : new Text();
    if (part !== last) this.parts.push(part);
    part.add(text);
    this.changed();
  }

  call(body: ToolCallBody, send: (frame: object) => void): void {
    this.#arrived();
    this.waitingSince = null;
    this.#settle();
    const call = new ToolCall(body, send, () => this.#answered(call));
    this.#calls.set(body.id, call);
    this.parts.push(call);
    const step: Step = { kind: "tool", name: body.name, began: this.#now, ended: null, failed: false, call };
    this.#endModel();
    this.steps.push(step);
    this.#open.set(body.id, step);
    this.changed();
  }

  result(body: ToolResultBody & { id: string }): void {
    this.#arrived();
    const call = this.#calls.get(body.id);
    if (!call) return;
    call.result(body);
    this.#answered(call);
  }

  piece(chunk: MediaChunk): void {
    this.#arrived();
    const file = this.#streams.take(chunk);
    if (file) this.#show([file]);
  }

  done(frame: Done): void {
    const heard = this.parts.some((each) => each.kind === "text" && each.text);
    if (frame.content && (!heard || this.#calls.size === 0)) {
      const last = this.parts.at(-1);
      const part = last?.kind === "text" ? last : new Text();
      if (part !== last) this.parts.push(part);
      part.text = frame.content;
    }
    const known = usageFacts(frame.usage);
    this.stopped = frame.finish_reason === "cancelled";
    if (this.stopped && !known.length) known.push("cost not known");
    this.version = frame.pack_version ?? "";
    this.usage = frame.usage ?? null;
    this.#end([REASONS[frame.finish_reason ?? ""] ?? "", ...known, ...this.#times()]);
    void this.#fetch((frame.parts ?? []).flatMap((each) => each.media ?? []));
  }

  fail(fault: Fault): void {
    this.fault = fault;
    this.#end(this.#times());
  }

  // The user has seen the fault and sends the message again.
  dismissFault(): void {
    this.fault = null;
    this.changed();
  }

  // Shows what was said earlier: the messages that follow the one of the user.
  recall(messages: PastMessage[], said: string | undefined): void {
    const media: MediaContent[] = [];
    // Of an answer that failed before it began nothing is stored.
    let reason = messages.length ? "" : "not answered";
    for (const message of messages) {
      if (message.role === "tool") {
        this.#calls.get(message.tool_call_id ?? "")?.result(message);
        continue;
      }
      if (message.content) {
        const part = new Text();
        part.text = message.content;
        this.parts.push(part);
      }
      for (const body of message.tool_calls ?? []) {
        // Nobody waits for an answer to a call of the past.
        const call = new ToolCall({ ...body, execution: "server" }, () => {}, () => {});
        this.#calls.set(body.id, call);
        this.parts.push(call);
      }
      media.push(...(message.media ?? []));
      reason = REASONS[message.finish_reason ?? ""] ?? "";
      this.stopped = message.finish_reason === "cancelled";
    }
    this.#end([said ? new Date(said).toLocaleString() : "", reason]);
    void this.#fetch(media);
  }

  // Takes what the server has recorded of the turn.
  trace(recorded: Recorded, { isPast }: { isPast: boolean }): void {
    this.version ||= recorded.pack_version ?? "";
    this.variant = recorded.variant ?? "";
    this.variables = recorded.variables ?? null;
    this.checks = recorded.eval_results ?? [];
    const found = traced(recorded, (id) => this.#calls.get(id) ?? null);
    this.origin = found ? "recorded" : "measured";
    if (found) {
      this.steps = found.steps;
      this.#recorded = Math.max(1, found.duration);
      const by = found.steps.find((each) => each.name === "output blocked")?.note;
      if (by) {
        this.facts = this.facts.map((each) => (each === REASONS["safety"] ? `${each} by ${by}` : each));
        if (!isPast) this.#holdBack(recorded.messages?.at(-1)?.content);
      }
      if (isPast) this.facts = [...this.facts, ...usageFacts(found.usage), ...timesOf(found.first, found.duration)];
    }
    this.changed();
  }

  // What came before the words that the server keeps in its place.
  #holdBack(kept = ""): void {
    const shown = this.parts.at(-1);
    if (!kept || shown?.kind !== "text" || !shown.text.endsWith(kept) || shown.text === kept) return;
    const [before, instead] = [new Text(), new Text()];
    before.text = shown.text.slice(0, -kept.length);
    before.heldBack = before.settled = instead.settled = true;
    instead.text = kept;
    this.parts.splice(-1, 1, before, instead);
  }

  get #now(): number {
    return performance.now() - this.#began;
  }

  #arrived(): void {
    this.begun = true;
    this.#first ||= performance.now();
  }

  // The model is asked, or asked again.
  #model(): void {
    this.steps.push({ kind: "model", name: "model", began: this.#now, ended: null, failed: false, call: null });
  }

  #endModel(): void {
    const last = this.steps.findLast((each) => each.kind === "model");
    if (last) last.ended ??= this.#now;
  }

  #answered(call: ToolCall): void {
    const step = this.#open.get(call.body.id);
    this.#open.delete(call.body.id);
    if (step) [step.ended, step.failed] = [this.#now, call.state === "failed"];
    if (this.#open.size === 0 && this.state === "running") {
      this.waitingSince = performance.now();
      this.#model();
    }
    this.changed();
  }

  #show(files: Shown[]): void {
    this.media = [...this.media, ...files];
    this.changed();
  }

  async #fetch(media: MediaContent[]): Promise<void> {
    for (const each of media) this.#show([await shown(each)]);
  }

  #settle(): void {
    for (const each of this.parts) if (each.kind === "text") each.settled = true;
  }

  #end(facts: string[]): void {
    this.waitingSince = null;
    this.state = "settled";
    for (const each of this.#calls.values()) each.end();
    for (const each of this.steps) each.ended ??= this.#now;
    this.#settle();
    this.facts = facts.filter(Boolean);
    this.changed();
  }

  #times(): string[] {
    this.took = this.#now;
    return timesOf(this.#first ? this.#first - this.#began : null, this.took);
  }
}

function timesOf(first: number | null, all: number): string[] {
  return [...(first === null ? [] : [`first after ${seconds(first)}`]), `${seconds(all)} in all`];
}
