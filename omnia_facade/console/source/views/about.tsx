// What the agent is made of: its prompt as sent and as written, versions, tools, models, and how to use it from code.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { cost } from "../parts/figures";
import { baseOf, type AgentName } from "../place";
import type { Variables } from "../variables";
import { Difference } from "./difference";
import { marked, PromptText } from "./prompt";
import type { AgentTool, Description, Inside } from "./start";

interface Props {
  agent: AgentName;
  described: Description;
  variables: Variables;
}

export function About({ agent, described: { title, inside, tools = [], doors = [] }, variables }: Props) {
  const base = new URL(baseOf(agent) || ".", location.href.split("#")[0]).href;
  return (
    <div class="about">
      <h2>{agent.name}</h2>
      <p>{title}</p>
      {inside ? (
        <>
          <Prompt agent={agent} inside={inside} variables={variables} />
          <List name="Model">{models(inside)}</List>
        </>
      ) : (
        <p class="hint">Prompt and models are shown with facade.consoleShows: inside.</p>
      )}
      <List name="Tools">{(inside?.tools ?? tools).map(tool)}</List>
      <List name="Use it">
        <pre tabIndex={0}>{`omnia chat ${base}`}</pre>
        {doors.includes("openai") && <pre tabIndex={0}>{curl(base, agent.name)}</pre>}
      </List>
    </div>
  );
}

const List = ({ name, children }: { name: string; children: ComponentChildren }) => (
  <section aria-label={name}>
    <h3>{name}</h3>
    {children}
  </section>
);

const item = (name: string, chip: string, hint?: string) => (
  <div key={name}>
    <b>{name}</b> <span class="chip">{chip}</span>
    <p class="hint">{hint}</p>
  </div>
);

function Prompt({ agent, inside: { versions, template, notes }, variables }: Omit<Props, "described"> & { inside: Inside }) {
  // Objects do not tell how a turn would compose it.
  const [isTemplate, setTemplate] = useState(notes !== undefined);
  const [version, setVersion] = useState("");
  // Another one than that of the template.
  const other = versions.slice(1).find((each) => each.version === version);
  return (
    <List name="Prompt">
      <div class="choice">
        {!notes && (
          <button type="button" class="bare small" aria-pressed={isTemplate} onClick={() => setTemplate(!isTemplate)}>
            Template
          </button>
        )}
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
      {isTemplate && other?.template !== undefined ? (
        <Difference before={template} after={other.template} />
      ) : isTemplate ? (
        <pre class="prompt" tabIndex={0}>
          {template.split(/(\{\{.*?\}\})/s).map((text, index) => marked({ text, variable: index % 2 ? text : "" }, index))}
        </pre>
      ) : (
        <PromptText agent={agent} variables={variables} version={version} />
      )}
      {notes?.map((each) => (
        <p key={each} class="wrong">
          {each}
        </p>
      ))}
      {versions.map((each) => item(each.version, `${each.weight} % of new conversations`))}
    </List>
  );
}

const tool = ({ name, description, execution, handler, type, unreachable, input_schema: { properties = {} } }: AgentTool) => {
  const fields = Object.entries(properties).map(([field, of]) => `${field}: ${of.type ?? "any"}`);
  const where = `${type}, ${handler}${unreachable ? ", does not answer at present" : ""}`;
  return item(name, execution ? "you answer" : where, [description, ...fields].join(" · "));
};

function models({ providers, window, validators, evals }: Inside) {
  const price = (usd: number): string => (usd ? cost(usd) : "free");
  const facts = [
    window ? `${window.tokens.toLocaleString("en")} tokens at most, then ${window.then}` : "",
    ...validators.map((each) => `check ${each}`),
    ...evals.map((each) => `evaluation ${each}`),
  ];
  return [
    ...providers.map(({ name, type, model, input_usd, output_usd }) =>
      item(model || type, `${name}, ${type}`, input_usd === undefined ? "" : `${price(input_usd)} in, ${price(output_usd ?? 0)} out, a million tokens`),
    ),
    <p class="hint">{facts.filter(Boolean).join(" · ")}</p>,
  ];
}

function curl(base: string, model: string): string {
  const message = JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] });
  return `curl ${base}v1/chat/completions \\
  -H "Authorization: Bearer TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '${message}'`;
}
