// What is shown before the first message: what the agent is for, and questions to begin with.

import { Arrow } from "../parts/icons";
import type { Declared } from "../variables";

// The answer of GET /api/agent, as far as this page uses it.
export interface Description {
  title?: string;
  examples?: string[];
  capabilities?: string[];
  doors?: string[];
  // The address of the page of several agents.
  hub?: string;
  // How long a person may take to answer a client tool.
  client_tool_seconds?: number;
  variables?: Declared[];
  // Those that the client executes.
  tools?: AgentTool[];
  inside?: Inside;
}

export interface AgentTool {
  name: string;
  description: string;
  input_schema: { properties?: Record<string, { type?: string }> };
  execution?: string;
  handler?: string;
  type?: string;
  unreachable?: boolean;
}

// What the agent is made of, where the server shows it.
export interface Inside {
  pack: string;
  versions: { version: string; weight: number; template?: string }[];
  template: string;
  tools: AgentTool[];
  // Without prices where they are not known.
  providers: { name: string; type: string; model: string; input_usd?: number; output_usd?: number }[];
  window: { tokens: number; then: string } | null;
  validators: string[];
  evals: string[];
  // What could not be read, of what comes from the objects of a cluster.
  notes?: string[];
}

export function Start({
  agent,
  described: { title, examples = [] },
  ask,
}: {
  agent: string;
  described: Description;
  ask: (question: string) => void;
}) {
  return (
    <section id="empty" class="start" aria-label="Start">
      <h2>{title ?? `Talk to ${agent}`}</h2>
      <p>Answers are streamed, with their tool calls, tokens, cost and times.</p>
      {examples.length > 0 && (
        <ul class="questions" aria-label="Questions to begin with">
          {examples.map((question) => (
            <li key={question}>
              <button type="button" onClick={() => ask(question)}>
                <span>{question}</span>
                <Arrow />
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
