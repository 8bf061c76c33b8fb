// What the agent is made of: its prompt as sent and as written, versions, tools, models, and how to use it from code.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useChanges } from "../parts/changes";
import { cost } from "../parts/figures";
import { baseOf, type AgentName } from "../place";
import type { Variables } from "../variables";
import { asJson } from "../wire/http";
import type { Description, Inside, OfferedTool } from "./start";

interface Composed {
  parts: { text: string; variable?: string }[];
  tokens: number;
  version: string;
  problems: string[];
}

interface Props {
  agent: AgentName;
  described: Description;
  variables: Variables;
}

export function About({ agent, described, variables }: Props) {
  const { title, inside, tools = [] } = described;
  return (
    <div class="about">
      <h2>{agent.name}</h2>
      {title && <p>{title}</p>}
      {inside && <Prompt agent={agent} inside={inside} variables={variables} />}
      {inside && (
        <Part name="Versions of the prompt">
          <ul>
            {inside.versions.map(({ version, weight }) => (
              <li key={version}>
                <b>{version}</b> <span class="chip">{weight} % of new conversations</span>
              </li>
            ))}
          </ul>
        </Part>
      )}
      <Part name="Tools">
        <Tools tools={inside?.tools ?? tools} />
      </Part>
      {inside && <Models inside={inside} />}
      <Part name="Use it">
        <Use agent={agent} doors={described.doors ?? []} />
      </Part>
      {!inside && <p class="hint">Prompt and models are shown with facade.consoleShows: inside.</p>}
    </div>
  );
}

function Part({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <section aria-label={name}>
      <h3>{name}</h3>
      {children}
    </section>
  );
}

function Prompt({ agent, inside, variables }: { agent: AgentName; inside: Inside; variables: Variables }) {
  const [isTemplate, setTemplate] = useState(false);
  const [version, setVersion] = useState(inside.versions[0]!.version);
  const [composed, setComposed] = useState<Composed | null>(null);
  const [refused, setRefused] = useState("");
  useChanges(variables);
  const body = JSON.stringify({ variables: variables.metadata, version });
  useEffect(() => {
    const abort = new AbortController();
    const headers = { "Content-Type": "application/json" };
    const options = { method: "POST", body, headers, signal: abort.signal };
    asJson<Composed>(`${baseOf(agent)}api/agent/prompt`, options).then(
      (found) => {
        setComposed(found);
        setRefused("");
      },
      (error: Error) => {
        if (!abort.signal.aborted) setRefused(error.message);
      },
    );
    return () => abort.abort();
  }, [body, inside]);
  return (
    <Part name="Prompt">
      <div class="choice" role="group" aria-label="Prompt">
        <button type="button" class="bare small" aria-pressed={!isTemplate} onClick={() => setTemplate(false)}>
          As sent
        </button>
        <button type="button" class="bare small" aria-pressed={isTemplate} onClick={() => setTemplate(true)}>
          Template
        </button>
        {inside.versions.length > 1 && (
          <select aria-label="Version" value={version} onChange={(event) => setVersion(event.currentTarget.value)}>
            {inside.versions.map((each) => (
              <option key={each.version}>{each.version}</option>
            ))}
          </select>
        )}
      </div>
      <pre id="prompt" tabIndex={0}>
        {isTemplate ? <Template text={inside.template} /> : composed?.parts.map(marked)}
      </pre>
      {refused && <p role="alert">{refused}</p>}
      {!isTemplate && composed && (
        <p class="hint">
          {inside.pack} <b>{composed.version}</b>, about {composed.tokens} tokens. Marked words come from variables.
        </p>
      )}
      {!isTemplate &&
        composed?.problems.map((each) => (
          <p key={each} class="wrong">
            {each}
          </p>
        ))}
    </Part>
  );
}

const marked = ({ text, variable }: { text: string; variable?: string }, index: number) =>
  variable ? (
    <mark key={index} title={variable}>
      {text}
    </mark>
  ) : (
    text
  );

const Template = ({ text }: { text: string }) => (
  <>{text.split(/(\{\{.*?\}\})/s).map((each, index) => (index % 2 ? marked({ text: each, variable: each }, index) : each))}</>
);

function Tools({ tools }: { tools: OfferedTool[] }) {
  if (tools.length === 0) return <p class="hint">None is shown.</p>;
  return (
    <ul>
      {tools.map(({ name, description, execution, handler, type, input_schema: { properties = {} } }) => (
        <li key={name}>
          <code>{name}</code>{" "}
          <span class="chip">{execution === "client" ? "you answer" : [type, handler].filter(Boolean).join(", ")}</span>
          <p class="hint">
            {description}{" "}
            <code>
              {Object.entries(properties)
                .map(([field, { type: kind = "any" }]) => `${field}: ${kind}`)
                .join(", ")}
            </code>
          </p>
        </li>
      ))}
    </ul>
  );
}

function Models({ inside: { providers, window, validators, evals } }: { inside: Inside }) {
  const price = (usd: number): string => (usd ? cost(usd) : "free");
  return (
    <Part name="Model">
      <ul>
        {providers.map(({ name, type, model, input_usd, output_usd }) => (
          <li key={name}>
            <b>{model || type}</b>{" "}
            <span class="chip">
              {name}, {type}
            </span>
            <p class="hint">
              A million tokens: {price(input_usd)} in, {price(output_usd)} out
            </p>
          </li>
        ))}
      </ul>
      {window && (
        <p class="hint">
          {window.tokens.toLocaleString("en")} tokens at most, then {window.then}
        </p>
      )}
      {validators.length > 0 && <p class="hint">Checks: {validators.join(", ")}</p>}
      {evals.length > 0 && <p class="hint">Evaluations: {evals.join(", ")}</p>}
    </Part>
  );
}

function Use({ agent, doors }: { agent: AgentName; doors: string[] }) {
  const base = new URL(baseOf(agent) || ".", location.href.split("#")[0]).href;
  const message = JSON.stringify({ model: agent.name, messages: [{ role: "user", content: "Hello" }] });
  const curl = `curl ${base}v1/chat/completions \\
  -H "Authorization: Bearer TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '${message}'`;
  return (
    <>
      <pre tabIndex={0}>{`omnia chat ${base}`}</pre>
      {doors.includes("openai") && <pre tabIndex={0}>{curl}</pre>}
    </>
  );
}
