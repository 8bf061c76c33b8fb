// A prompt as the model gets it: composed by the server with the variables of this page.

import { useEffect, useState } from "preact/hooks";
import { useChanges } from "../parts/changes";
import { pretty } from "../parts/figures";
import { baseOf, type AgentName } from "../place";
import type { Step } from "../step";
import type { Turn } from "../turn";
import type { Variables } from "../variables";
import { asJson } from "../wire/http";

interface Composed {
  parts: { text: string; variable?: string }[];
  tokens: number;
  version: string;
  problems: string[];
}

interface Props {
  agent: AgentName;
  // Those of this page.
  variables: Variables;
  // In place of those of this page.
  values?: Record<string, string> | null;
  // Empty: the stable one.
  version: string;
}

export function PromptText({ agent, variables, values, version }: Props) {
  const [composed, setComposed] = useState<Composed | null>(null);
  const [refused, setRefused] = useState("");
  useChanges(variables);
  const body = JSON.stringify({ variables: values ?? variables.metadata, version });
  useEffect(() => {
    const asking = new AbortController();
    const { signal } = asking;
    const headers = { "Content-Type": "application/json" };
    asJson<Composed>(`${baseOf(agent)}api/agent/prompt`, { method: "POST", body, headers, signal }).then(
      (found) => {
        setComposed(found);
        setRefused("");
      },
      (error: Error) => signal.aborted || setRefused(error.message),
    );
    return () => asking.abort();
  }, [body]);
  if (refused) return <p role="alert">{refused}</p>;
  return (
    <>
      <pre class="prompt" tabIndex={0}>
        {composed?.parts.map(marked)}
      </pre>
      {composed && (
        <p class="hint">
          Version {composed.version}, about {composed.tokens} tokens. Marked words come from variables.
        </p>
      )}
      {composed?.problems.map((each) => (
        <p key={each} class="wrong">
          {each}
        </p>
      ))}
    </>
  );
}

export const marked = ({ text, variable }: { text: string; variable?: string }, index: number) =>
  variable ? (
    <mark key={index} title={variable}>
      {text}
    </mark>
  ) : (
    text
  );

// What a model was sent in a step of a turn, as far as it is known: requests are not recorded.
export function Sent({ turn, step, tools, ...of }: Omit<Props, "version"> & { turn: Turn; step: Step; tools: string[] }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>What the model was sent</summary>
      {isOpen && (
        <>
          <p class="hint">
            Put together again, with the variables of this {turn.variables ? "turn and the time of now" : "page"}: requests
            are not recorded.
          </p>
          <h4>Prompt</h4>
          <PromptText {...of} values={turn.variables} version={turn.version} />
          <h4>Tools</h4>
          <p>{tools.join(", ") || "none"}</p>
          <h4>Messages of this turn</h4>
          <pre tabIndex={0}>{messages(turn, step).join("\n\n")}</pre>
        </>
      )}
    </details>
  );
}

// The message of the user, and what was said and called before the step.
function messages(turn: Turn, step: Step): string[] {
  const calls = turn.steps.flatMap((each) => (each.call && each.began < step.began ? [each.call] : []));
  const end = turn.parts.findLastIndex((each) => each.kind === "tool" && calls.includes(each));
  const before = turn.parts.slice(0, end + 1).flatMap((part) => {
    if (part.kind === "text") return [`assistant: ${part.text}`];
    const { body, answer } = part;
    return [`assistant calls ${body.name} ${pretty(body.arguments ?? {})}`, `tool: ${pretty(answer?.value ?? null)}`];
  });
  return [`user: ${turn.text}`, ...before];
}
