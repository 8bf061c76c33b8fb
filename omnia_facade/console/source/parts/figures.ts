// Figures as people read them.

import type { Usage } from "../wire/frames";

export const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;

export const clock = (time: Date): string => time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

export const size = (bytes: number): string =>
  bytes < 1024 ? `${bytes} B` : bytes < 1 << 20 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / (1 << 20)).toFixed(1)} MB`;

// Two digits that count: $0.0023, $0.40, $12.30.
export function cost(usd: number): string {
  if (usd >= 0.01) return `$${usd.toFixed(2)}`;
  const digits = Math.min(8, 1 - Math.floor(Math.log10(usd)));
  return `$${usd.toFixed(digits)}`;
}

export function usageFacts(usage: Usage | undefined): string[] {
  // No call of a model is without tokens: these are not known.
  if (!usage || !(usage.input_tokens + usage.output_tokens)) return [];
  const count = (number: number): string => Number(number).toLocaleString("en");
  const facts = [`${count(usage.input_tokens)} tokens in`, `${count(usage.output_tokens)} tokens out`];
  const paid = Number(usage.cost_usd ?? 0);
  return paid > 0 ? [...facts, cost(paid)] : facts;
}

export const pretty = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
