// A tool call of an answer; a client tool is answered here.

import type { ToolCallBody, ToolResultBody } from "./wire/frames";

export type CallState = "running" | "asked" | "done" | "failed" | "ended";

export class ToolCall {
  readonly kind = "tool";
  state: CallState;
  answer: { title: "Result" | "Error"; value: unknown } | null = null;
  // When it was called, as Date.now() counts.
  readonly at = Date.now();

  // `send` sends frames to the server; `answered` is called when the user has answered a client tool.
  constructor(
    readonly body: ToolCallBody,
    private readonly send: (frame: object) => void,
    private readonly answered: () => void,
  ) {
    this.state = body.execution === "client" ? "asked" : "running";
    if (this.state === "asked") send({ type: "tool_call_ack", tool_call_ack: { call_id: body.id } });
  }

  result(body: ToolResultBody): void {
    const failed = body.error !== undefined;
    this.answer = { title: failed ? "Error" : "Result", value: failed ? body.error : body.result };
    this.state = failed ? "failed" : "done";
  }

  // The user answers a client tool.
  resolve(value: unknown): void {
    this.send({ type: "tool_result", tool_result: { call_id: this.body.id, result: value } });
    this.result({ result: value });
    this.answered();
  }

  reject(reason: string): void {
    this.send({ type: "tool_call_nack", tool_call_nack: { call_id: this.body.id, reason } });
    this.result({ error: reason });
    this.answered();
  }

  // The turn has ended: an answer is no longer accepted.
  end(): void {
    if (this.state === "running" || this.state === "asked") this.state = "ended";
  }
}
