// Two conversations that hear the same questions, and how their answers differ.

import { Conversation, type Trial } from "./conversation";
import { Changes } from "./parts/changes";
import type { Turn } from "./turn";

export const LANES = ["a", "b"] as const;
export type LaneName = (typeof LANES)[number];
const MAX_QUESTIONS = 200;
// Results of evaluations come after an answer: so long, in milliseconds, before each time they are asked for.
const PAUSES = [500, 1000, 2000, 4000, 8000];

// As in the address: VERSION or VERSION,PROVIDER; each may be empty.
export function trialOf(text: string): Trial {
  const [version = "", provider = ""] = text.split(",");
  return { version, provider };
}

export const textOf = ({ version, provider }: Trial): string => (provider ? `${version},${provider}` : version);

export const labelOf = ({ version, provider, system }: Trial): string =>
  [version, provider, system && "a draft"].filter(Boolean).join(" · ") || "as it is";

export class Lanes extends Changes {
  readonly conversations: Record<LaneName, Conversation>;
  // Questions that wait until both have answered.
  waiting: string[] = [];
  // How many evaluations an answer has.
  evals = 0;

  readonly #judged = new WeakSet<Turn>();
  #left = false;

  // `metadata` is sent with each message, in both lanes.
  constructor(
    readonly base: string,
    readonly trials: Record<LaneName, Trial>,
    sessions: Record<LaneName, string>,
    metadata: () => Record<string, string>,
  ) {
    super();
    const lane = (name: LaneName): Conversation => {
      const conversation = new Conversation(base, sessions[name], metadata, trials[name]);
      conversation.listen(() => this.#heard());
      return conversation;
    };
    this.conversations = { a: lane("a"), b: lane("b") };
  }

  get all(): Conversation[] {
    return LANES.map((each) => this.conversations[each]);
  }

  get running(): Turn | null {
    return this.all.find((each) => each.running)?.running ?? null;
  }

  get stopping(): boolean {
    return this.all.every((each) => each.stopping || !each.running);
  }

  connect(): void {
    for (const each of this.all) each.connect();
  }

  leave(): void {
    this.#left = true;
    for (const each of this.all) each.leave();
  }

  say(text: string, files: File[]): void {
    for (const each of this.all) each.say(text, files);
  }

  // Asks the questions of a file, one a line, each when the one before is answered.
  ask(file: string): void {
    const lines = file.split("\n").flatMap((each) => each.trim() || []);
    this.waiting = [...this.waiting, ...lines].slice(0, MAX_QUESTIONS);
    this.#heard();
  }

  stop(): void {
    this.waiting = [];
    for (const each of this.all) each.stop();
    this.changed();
  }

  #heard(): void {
    if (this.waiting.length && this.all.every((each) => !each.running && each.session && each.state.kind === "open")) {
      const [next = "", ...rest] = this.waiting;
      this.waiting = rest;
      this.say(next, []);
    }
    if (this.evals) for (const each of this.all) for (const turn of each.turns) void this.#judge(each, turn);
    this.changed();
  }

  async #judge(conversation: Conversation, turn: Turn): Promise<void> {
    if (turn.state !== "settled" || turn.fault || this.#judged.has(turn)) return;
    this.#judged.add(turn);
    for (const pause of PAUSES) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      if (this.#left || turn.checks.length >= this.evals) break;
      await conversation.trace(turn);
    }
    this.changed();
  }
}

// What an answer took; null where that is not known.
interface Taken {
  time: number | null;
  tokens: number | null;
  cost: number | null;
}

export function takenBy(turns: readonly (Turn | undefined)[]): Taken {
  const answered = turns.filter((each) => each?.state === "settled" && !each.fault) as Turn[];
  const sum = (of: (turn: Turn) => number | null | undefined): number | null => {
    const numbers = answered.map(of);
    const known = numbers.length > 0 && numbers.every((each) => each !== null && each !== undefined);
    return known ? numbers.reduce<number>((total, each) => total + each!, 0) : null;
  };
  return {
    time: sum((each) => each.took),
    tokens: sum((each) => each.usage && each.usage.input_tokens + each.usage.output_tokens),
    cost: sum((each) => each.usage?.cost_usd),
  };
}

// By how many percent one is more than the other; null where that cannot be said.
function percent(one: number | null, other: number | null): number | null {
  return one === null || !other ? null : Math.round((100 * (one - other)) / other);
}

const WORDS: Record<keyof Taken, [string, string]> = {
  time: ["slower", "faster"],
  tokens: ["more tokens", "fewer tokens"],
  cost: ["dearer", "cheaper"],
};

// As "21 % slower, 37 % dearer"; empty where nothing is known or differs.
export function inWords(one: Taken, other: Taken): string {
  const found = (Object.keys(WORDS) as (keyof Taken)[]).flatMap((each) => {
    const by = percent(one[each], other[each]);
    return by ? `${Math.abs(by)} % ${WORDS[each][by > 0 ? 0 : 1]}` : [];
  });
  return found.join(", ");
}
