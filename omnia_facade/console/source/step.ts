// Where the time of a turn went.

import type { ToolCall } from "./tool-call";

// A piece of the turn's time, in milliseconds since its beginning.
export interface Step {
  // A check and an event take no time of the turn.
  kind: "model" | "tool" | "check" | "event";
  name: string;
  began: number;
  ended: number | null;
  failed: boolean;
  // The call, where the step is one.
  call: ToolCall | null;
  // What is shown in place of the time; empty: the time.
  note?: string | undefined;
  facts?: [name: string, value: string][];
  // Milliseconds from its beginning to the first text of the answer.
  first?: number | undefined;
  // Whether it began when the answer had ended.
  after?: boolean;
}
