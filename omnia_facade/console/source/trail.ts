// What the server has recorded of a turn, as steps (docs/reference/websocket.md, "What is recorded of a turn").

import { cost } from "./parts/figures";
import type { Step, ToolCall } from "./turn";

interface ProviderCall {
  began_at: string;
  provider: string;
  model: string;
  status: string;
  fault?: string;
  attempt: number;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  cost_usd: number;
  duration_ms: number;
}

interface ExecutedCall {
  began_at: string;
  call_id: string;
  name: string;
  handler?: string;
  status: string;
  duration_ms: number;
}

interface EvalResult {
  at: string;
  evaluation: string;
  type: string;
  outcome: string;
  score?: number;
  passed?: boolean;
  threshold?: string;
  explanation?: string;
  error?: string;
  duration_ms: number;
  cost_usd: number;
}

interface Trail {
  began_at?: string;
  ended_at?: string;
  provider_calls: ProviderCall[];
  tool_calls: ExecutedCall[];
  events: { at: string; kind: string; detail?: string }[];
}

export interface Recorded {
  pack_version?: string;
  variant?: string;
  trail?: Trail;
  eval_results?: EvalResult[];
}

export interface Traced {
  steps: Step[];
  // In milliseconds.
  duration: number;
  usage: { input_tokens: number; output_tokens: number; cost_usd: number };
}

// The events that are steps: how they are called, and whether something went wrong.
const EVENTS: Record<string, [name: string, failed: boolean]> = {
  input_blocked: ["message held back", true],
  output_blocked: ["answer held back", true],
  limit_reached: ["limit reached", true],
  provider_retried: ["retry", false],
  provider_fallback: ["fallback", false],
  breaker_open: ["tool server unavailable", true],
  summary_made: ["summary", false],
  name_made: ["name", false],
};

const count = (number: number): string => number.toLocaleString("en");

// Null where nothing is recorded: what the page measured stays.
export function traced({ trail, eval_results = [] }: Recorded, callOf: (id: string) => ToolCall | null): Traced | null {
  if (!trail?.began_at) return null;
  const start = Date.parse(trail.began_at);
  const after = (at: string): number => Math.max(0, Date.parse(at) - start);
  const timed = (at: string, took: number) => ({ began: after(at), ended: after(at) + took });
  const own: Step[] = [
    ...trail.provider_calls.map((each) => modelStep(each, timed(each.began_at, each.duration_ms))),
    ...trail.tool_calls.map((each) => toolStep(each, timed(each.began_at, each.duration_ms), callOf(each.call_id))),
    ...trail.events.flatMap(({ at, kind, detail = "" }) => {
      const [name, failed] = EVENTS[kind] ?? [];
      if (!name) return [];
      const facts: [string, string][] = detail ? [["Detail", detail]] : [];
      return [{ kind: "event" as const, name, ...timed(at, 0), failed: failed!, call: null, note: detail, facts }];
    }),
  ];
  const ended = trail.ended_at ? after(trail.ended_at) : Math.max(0, ...own.map((each) => each.ended!));
  const answering = trail.provider_calls.filter((each) => after(each.began_at) <= ended);
  const sum = (of: "input_tokens" | "output_tokens" | "cost_usd"): number =>
    answering.reduce((total, each) => total + each[of], 0);
  const checks = eval_results.map((each) => checkStep(each, timed(each.at, 0)));
  const steps = [...own, ...checks].sort((one, other) => one.began - other.began);
  for (const each of steps) each.after = each.began > ended || each.kind === "check";
  return {
    steps,
    duration: ended,
    usage: { input_tokens: sum("input_tokens"), output_tokens: sum("output_tokens"), cost_usd: sum("cost_usd") },
  };
}

function modelStep(call: ProviderCall, times: { began: number; ended: number }): Step {
  const facts: [string, string][] = [
    ["Model", `${call.model}, provider ${call.provider}`],
    ["Tokens", `${count(call.input_tokens)} in (${count(call.cached_tokens)} cached), ${count(call.output_tokens)} out`],
    ["Attempt", String(call.attempt)],
  ];
  if (call.cost_usd) facts.push(["Cost", cost(call.cost_usd)]);
  if (call.fault) facts.push(["Fault", call.fault]);
  const failed = call.status === "error";
  return { kind: "model", name: call.model, ...times, failed, call: null, note: failed ? call.fault : "", facts };
}

function toolStep(done: ExecutedCall, times: { began: number; ended: number }, call: ToolCall | null): Step {
  const facts: [string, string][] = [["Status", done.status]];
  if (done.handler) facts.push(["Handler", done.handler]);
  const failed = done.status !== "success";
  return { kind: "tool", name: done.name, ...times, failed, call, note: failed ? done.status : "", facts };
}

function checkStep(result: EvalResult, times: { began: number; ended: number }): Step {
  const facts: [string, string][] = [
    ["Type", result.type],
    ["Outcome", result.outcome],
    ["Took", `${result.duration_ms.toFixed(1)} ms`],
  ];
  if (result.score !== undefined) facts.push(["Score", String(Math.round(result.score * 1000) / 1000)]);
  if (result.threshold) facts.push(["Threshold", result.threshold]);
  if (result.cost_usd) facts.push(["Cost", cost(result.cost_usd)]);
  if (result.explanation) facts.push(["Explanation", result.explanation]);
  if (result.error) facts.push(["Error", result.error]);
  const failed = result.passed === false || result.outcome === "error";
  return { kind: "check", name: result.evaluation, ...times, failed, call: null, note: result.outcome, facts };
}
