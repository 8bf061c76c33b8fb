// What the server tells of the turns of the past (docs/reference/websocket.md, "What was said").

import type { MediaContent, ToolCallBody, Usage } from "./frames";

export interface PastMessage {
  role: string;
  content?: string;
  tool_call_id?: string;
  tool_calls?: ToolCallBody[];
  media?: MediaContent[];
  finish_reason?: string;
  created_at?: string;
  result?: unknown;
  error?: unknown;
}

// As in eval_results of GET /api/sessions/{id}/turns.
export interface Check {
  at: string;
  evaluation: string;
  outcome: string;
  score?: number;
  passed?: boolean;
}

interface ProviderCall extends Required<Usage> {
  began_at: string;
  provider: string;
  model: string;
  status: string;
  fault?: string;
  attempt: number;
  duration_ms: number;
  first_word_ms?: number;
}

interface ExecutedCall {
  began_at: string;
  call_id: string;
  name: string;
  status: string;
  duration_ms: number;
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
  messages?: PastMessage[];
  // Where they are kept.
  variables?: Record<string, string>;
  trail?: Trail;
  eval_results?: Check[];
}
