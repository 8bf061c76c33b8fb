// A tool call: its arguments, its result and, for a client tool, the form to answer it.

import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { pretty } from "../parts/figures";
import { useTicks } from "../parts/ticks";
import type { CallState, ToolCall } from "../tool-call";
import { Later } from "./later";

// The form of an answer. The page of an agent has it from the beginning, that of several agents in its second file.
export const form: { Asked?: ComponentType<{ call: ToolCall }> } = {};

const WORDS: Record<CallState, string> = {
  running: "running",
  done: "done",
  failed: "failed",
  asked: "needs you",
  ended: "no answer",
};

// Characters of an error that are shown where the call is closed.
const MAX_SHOWN = 300;

// `patience`: so many seconds a person may take, where that is known.
export function Tool({ call, patience }: { call: ToolCall; patience?: number | undefined }) {
  const { body, state, answer } = call;
  // What needs an answer begins open; after that the user decides.
  const [begins] = useState(state === "asked");
  return (
    <>
      <details class="tool" data-state={state} open={begins}>
        <summary>
          <span class="name">{body.name}</span> <span class="how">{WORDS[state]}</span>
          {state === "asked" && patience && <Left until={call.at + patience * 1000} />}
        </summary>
        <div class="inside">
          <h3>Arguments</h3>
          <pre tabIndex={0}>{pretty(body.arguments)}</pre>
          {answer && (
            <>
              <h3>{answer.title}</h3>
              <pre tabIndex={0}>{pretty(answer.value)}</pre>
            </>
          )}
          {state === "asked" && <Question call={call} />}
        </div>
      </details>
      {state === "failed" && (
        <div class="error waits">
          <p>
            <strong>{body.name} failed.</strong> The agent was told, and answers without it.
          </p>
          <code>{pretty(answer?.value ?? "").slice(0, MAX_SHOWN)}</code>
        </div>
      )}
    </>
  );
}

function Left({ until }: { until: number }) {
  useTicks(1000);
  return <small>, {Math.max(0, Math.ceil((until - Date.now()) / 1000))} s left</small>;
}

function Question({ call }: { call: ToolCall }) {
  const reason = useRef<HTMLInputElement>(null);
  const { name, consent_message } = call.body;
  const { Asked } = form;
  useEffect(() => () => document.getElementById("message")?.focus(), []);
  return (
    <>
      {consent_message && <p>{consent_message}</p>}
      {Asked ? <Asked call={call} /> : HUB && <Later>{(views) => <views.Asked call={call} />}</Later>}
      <div class="row">
        <input ref={reason} aria-label={`Why ${name} is rejected`} placeholder="Reason (optional)" />
        <button type="button" onClick={() => call.reject(reason.current!.value.trim() || "the user rejected the call")}>
          Reject
        </button>
      </div>
    </>
  );
}
