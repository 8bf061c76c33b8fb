// What the server has recorded of a turn, as steps (docs/reference/websocket.md, "What is recorded of a turn").

import { seconds } from "./parts/figures";
import type { Step } from "./step";
import type { ToolCall } from "./tool-call";
import type { Usage } from "./wire/frames";
import type { Recorded } from "./wire/recorded";

export interface Traced {
  steps: Step[];
  // In milliseconds.
  duration: number;
  // To the first text of an answer; null where there is none.
  first: number | null;
  usage: Required<Usage>;
}

// Events in which something went wrong.
const FAULTS = ["input_blocked", "output_blocked", "limit_reached", "breaker_open"];

// Null where nothing is recorded: what the page measured stays.
export function traced({ trail, eval_results = [] }: Recorded, callOf: (id: string) => ToolCall | null): Traced | null {
  if (!trail?.began_at) return null;
  const after = (at: string): number => Math.max(0, Date.parse(at) - Date.parse(trail.began_at!));
  const step = (kind: Step["kind"], name: string, record: object, at: string, took: number, more: Partial<Step>): Step => {
    const began = after(at);
    return { kind, name, began, ended: began + took, failed: false, call: null, facts: factsOf(record), ...more };
  };
  const steps = [
    ...trail.provider_calls.map((each) =>
      // A provider may have no model, as the mock.
      step("model", each.model || each.provider, each, each.began_at, each.duration_ms, {
        failed: each.status === "error",
        note: each.fault,
        first: each.first_word_ms,
      }),
    ),
    ...trail.tool_calls.map((each) =>
      step("tool", each.name, each, each.began_at, each.duration_ms, {
        failed: each.status !== "success",
        note: each.status,
        call: callOf(each.call_id),
      }),
    ),
    ...trail.events.map((each) =>
      step("event", words(each.kind), each, each.at, 0, { failed: FAULTS.includes(each.kind), note: each.detail }),
    ),
  ];
  const duration = trail.ended_at ? after(trail.ended_at) : Math.max(0, ...steps.map((each) => each.ended!));
  for (const each of steps) each.after = each.began > duration;
  const checks = eval_results.map((each) =>
    step("check", each.evaluation, each, each.at, 0, {
      failed: each.passed === false || each.outcome === "error",
      note: each.outcome,
      after: true,
    }),
  );
  const usage = { input_tokens: 0, output_tokens: 0, cost_usd: 0 };
  for (const each of trail.provider_calls) {
    if (after(each.began_at) > duration) continue;
    for (const name of Object.keys(usage) as (keyof Usage)[]) usage[name] += each[name];
  }
  const firsts = trail.provider_calls.flatMap((each) =>
    each.attempt && each.first_word_ms !== undefined ? after(each.began_at) + each.first_word_ms : [],
  );
  const first = firsts.length ? Math.min(...firsts) : null;
  return { steps: [...steps, ...checks].sort((one, other) => one.began - other.began), duration, first, usage };
}

const words = (name: string): string => name.replaceAll("_", " ");

// What a record says beside its name and its times.
const factsOf = (record: object): [string, string][] =>
  Object.entries(record)
    .filter(([name]) => !/^(began_at|at|duration_ms|call_id|name|kind|evaluation)$/.test(name))
    .map(([name, value]) =>
      name === "first_word_ms" ? ["first word after", seconds(value)] : [words(name), String(value)],
    );
