// What the agent is made of: its prompt as sent and as written, versions, tools, models, and how to use it from code.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { cost } from "../parts/figures";
import { baseOf, type AgentName } from "../place";
import type { Variables } from "../variables";
import { marked, PromptText } from "./prompt";
import type { Description, Inside, AgentTool } from "./start";

interface Props {
  agent: AgentName;
  described: Description;
  variables: Variables;
}

export function About({ agent, described, variables }: Props) {
  const { title, inside, tools = [], doors = [] } = described;
  return (
    <div class="about">
      <h2>{agent.name}</h2>
      {title && <p>{title}</p>}
      {inside ? (
        <Prompt agent={agent} inside={inside} variables={variables} />
      ) : (
        <p class="hint">Prompt and models are shown with facade.consoleShows: inside.</p>
      )}
      <Part name="Tools">
        <Tools tools={inside?.tools ?? tools} />
      </Part>
      {inside && <Models inside={inside} />}
      <Part name="Use it">
        <Use agent={agent} doors={doors} />
      </Part>
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

function Item({ name, chip, children }: { name: string; chip: string; children?: ComponentChildren }) {
  return (
    <li>
      <b>{name}</b> <span class="chip">{chip}</span>
      {children && <p class="hint">{children}</p>}
    </li>
  );
}

function Prompt({ agent, inside: { versions, template }, variables }: Omit<Props, "described"> & { inside: Inside }) {
  const [shows, setShows] = useState("As sent");
  const [version, setVersion] = useState("");
  return (
    <Part name="Prompt">
      <div class="choice" role="group" aria-label="Prompt">
        {["As sent", "Template"].map((each) => (
          <button key={each} type="button" class="bare small" aria-pressed={shows === each} onClick={() => setShows(each)}>
            {each}
          </button>
        ))}
        {versions.length > 1 && (
          <select aria-label="Version" value={version} onChange={(event) => setVersion(event.currentTarget.value)}>
            {versions.map((each, index) => (
              <option key={each.version} value={index ? each.version : ""}>
                {each.version}
              </option>
            ))}
          </select>
        )}
      </div>
      {shows === "Template" ? (
        <pre class="prompt" tabIndex={0}>
          {template.split(/(\{\{.*?\}\})/s).map((text, index) => marked({ text, variable: index % 2 ? text : "" }, index))}
        </pre>
      ) : (
        <PromptText agent={agent} variables={variables} version={version} />
      )}
      <ul>
        {versions.map((each) => (
          <Item key={each.version} name={each.version} chip={`${each.weight} % of new conversations`} />
        ))}
      </ul>
    </Part>
  );
}

function Tools({ tools }: { tools: AgentTool[] }) {
  if (tools.length === 0) return <p class="hint">None is shown.</p>;
  return (
    <ul>
      {tools.map(({ name, description, execution, handler, type, input_schema: { properties = {} } }) => (
        <Item
          key={name}
          name={name}
          chip={execution === "client" ? "you answer" : [type, handler].filter(Boolean).join(", ")}
        >
          {description}{" "}
          <code>
            {Object.entries(properties)
              .map(([field, { type: kind = "any" }]) => `${field}: ${kind}`)
              .join(", ")}
          </code>
        </Item>
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
          <Item key={name} name={model || type} chip={`${name}, ${type}`}>
            A million tokens: {price(input_usd)} in, {price(output_usd)} out
          </Item>
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
