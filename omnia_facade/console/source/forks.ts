// Sessions that begin with the first turns of another one, and the variants of a turn that come of it.

import type { Turn } from "./turn";
import { asJson, type Refused } from "./wire/http";

// As many as the server tells at once.
const MOST = 100;

interface Told {
  earlier: number;
  turns: { messages: [{ content?: string }] }[];
}

// The variants of one turn, each by its session, and which of them is shown.
export interface Variants {
  sessions: string[];
  at: number;
}

// As this tab keeps them: the sessions of each group, and where a session and turn are among them.
interface Kept {
  groups: string[][];
  places: [place: string, group: number, at: number][];
}

// Begins a session before a turn; empty when the session has nothing from that turn on.
export async function forkBefore(base: string, session: string, shown: Turn[], turn: Turn): Promise<string> {
  const path = `${base}api/sessions/${encodeURIComponent(session)}`;
  const { earlier, turns } = await asJson<Told>(`${path}/turns?last=${MOST}`).catch((refused: Refused) => {
    // Nothing of the session was stored.
    if (refused.status === 404) return { earlier: 0, turns: [] };
    throw refused;
  });
  const before = earlier + kept(
    turns.map((each) => each.messages[0].content ?? ""),
    shown.map((each) => each.text),
    shown.indexOf(turn),
  );
  if (before === earlier + turns.length) return "";
  const forked = await asJson<{ session_id: string }>(`${path}/fork`, {
    method: "POST",
    body: JSON.stringify({ after_turn: before }),
  });
  return forked.session_id;
}

// How many of the stored turns come before the shown turn `at`. A message that failed on its way is shown and not stored.
function kept(stored: string[], shown: string[], at: number): number {
  let left = stored.length;
  for (let index = shown.length - 1; index >= at; index -= 1) {
    if (left > 0 && stored[left - 1] === shown[index]) left -= 1;
  }
  return left;
}

// As many as a tab keeps.
const MOST_KEPT = 500;

// What this tab knows of forks: by session and number of the turn.
export class Forks {
  readonly #known = new Map<string, Variants>();
  readonly #key: string;

  // `base` is what the paths of the agent begin with.
  constructor(base: string) {
    this.#key = `omnia.forks ${base}`;
    try {
      const { groups, places }: Kept = JSON.parse(sessionStorage.getItem(this.#key) ?? "");
      for (const [place, group, at] of places) {
        if (typeof groups[group]?.[at] === "string") this.#known.set(place, { sessions: groups[group], at });
      }
    } catch {
      // Nothing is kept there, or something else.
    }
  }

  of(session: string, turn: number): Variants | undefined {
    return this.#known.get(`${turn} ${session}`);
  }

  add(session: string, forked: string, turn: number): void {
    const { sessions } = this.of(session, turn) ?? this.#put(session, turn, { sessions: [session], at: 0 });
    sessions.push(forked);
    this.#put(forked, turn, { sessions, at: sessions.length - 1 });
    // Before the fork both have the same turns.
    for (let earlier = 1; earlier < turn; earlier += 1) {
      const variants = this.of(session, earlier);
      if (variants) this.#put(forked, earlier, variants);
    }
    this.#keep();
  }

  #put(session: string, turn: number, variants: Variants): Variants {
    this.#known.set(`${turn} ${session}`, variants);
    return variants;
  }

  #keep(): void {
    const latest = [...this.#known].slice(-MOST_KEPT);
    const groups = [...new Set(latest.map(([, { sessions }]) => sessions))];
    const places = latest.map(([place, { sessions, at }]) => [place, groups.indexOf(sessions), at]);
    sessionStorage.setItem(this.#key, JSON.stringify({ groups, places }));
  }
}
