// The frames of the WebSocket protocol, as far as the page uses them (docs/reference/websocket.md).

import type { Schema } from "../form/schema";

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cost_usd?: number;
}

export interface MediaContent {
  mime_type?: string;
  filename?: string;
  size_bytes?: number;
  data?: string;
  url?: string;
  storage_ref?: string;
}

export interface ContentPart {
  type: string;
  text?: string;
  media?: MediaContent;
}

export interface ToolCallBody {
  id: string;
  name: string;
  arguments?: unknown;
  execution?: string;
  consent_message?: string;
  // Of the result that a client tool is to give.
  output_schema?: Schema | boolean;
}

export interface ToolResultBody {
  result?: unknown;
  error?: unknown;
}

export interface MediaChunk {
  media_id: string;
  is_last: boolean;
  data: string;
  mime_type: string;
}

export interface UploadTicket {
  upload_id: string;
  storage_ref: string;
}

export interface Fault {
  code: string;
  message: string;
  // What it says to a person; absent of a runtime's own codes.
  details?: { title?: string; hint?: string };
}

export interface Done {
  content?: string;
  finish_reason?: string;
  usage?: Usage;
  parts?: ContentPart[];
  session_name?: string;
  pack_version?: string;
}

export type Frame = { session_id: string } & (
  | { type: "connected"; connected?: { resumed?: boolean; session_name?: string } }
  | { type: "chunk"; content: string; role?: string }
  | { type: "tool_call"; tool_call: ToolCallBody }
  | { type: "tool_result"; tool_result: ToolResultBody & { id: string } }
  | { type: "media_chunk"; media_chunk: MediaChunk }
  | { type: "upload_ready"; upload_ready: UploadTicket }
  | ({ type: "done" } & Done)
  | { type: "error"; error: Fault }
);
