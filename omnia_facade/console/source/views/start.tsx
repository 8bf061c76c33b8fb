// What is shown before the first message: what the agent is for, and questions to begin with.

import { Arrow } from "../parts/icons";

// The answer of GET /api/agent, as far as this page uses it.
export interface Description {
  title?: string;
  examples?: string[];
  capabilities?: string[];
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
