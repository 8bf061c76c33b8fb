// What runs and what does not, and the sums of today.

import { useEffect, useState } from "preact/hooks";
import { useChanges } from "../parts/changes";
import { cost } from "../parts/figures";
import type { AgentName } from "../place";
import { addressOf, NOWHERE, routes } from "../routes";
import { hub, type HubAgent } from "../wire/hub";
import { asJson } from "../wire/http";
import type { State } from "../wire/socket";
import { Header } from "./header";
import { RailFrame } from "./rail";

// The sums of one agent, as the history has them; `namespace` is "" where there is only one.
interface Sums {
  namespace: string;
  group: string;
  turns: { count: number; errors: number } | null;
  provider_calls: { input_tokens: number; output_tokens: number; cost_usd: number };
}

const STATES = { ready: "ready", starting: "starting", failed: "not running" };
const ORDER = { failed: 0, starting: 1, ready: 2 };

const tryAddress = ({ namespace, name }: AgentName): string =>
  addressOf({ ...NOWHERE, agent: { namespace, name }, view: "try" });

// `missing` is an agent that the address names, and that is not there.
export function Agents({ missing }: { missing: string }) {
  useChanges(hub);
  const { overview, isOpen } = hub;
  const spaces = new Set(overview?.agents.map(({ namespace }) => namespace));
  const today = useToday(overview?.has_history ? (spaces.size > 1 ? [...spaces] : [""]) : []);
  const title = overview ? `What runs in ${overview.title}` : "Agents";
  useEffect(() => {
    document.title = `${title} · Omnia`;
  }, [title]);
  const state: State = isOpen
    ? { kind: "open", text: `${counted(overview!.agents.length, "agent")}, since ${clock(overview!.since)}` }
    : { kind: "connecting", text: overview ? "Connection lost; trying again" : "Connecting" };
  const agents = [...(overview?.agents ?? [])].sort(
    (one, other) => ORDER[one.state] - ORDER[other.state] || one.name.localeCompare(other.name),
  );
  return (
    <div class="page agent">
      <Header
        name={title}
        state={state}
        changed={() => location.reload()}
        skip={{ to: "agents", label: "Skip to the agents" }}
        actions={<RailButton label="Agents" />}
      />
      <RailFrame label="Agents">
        <AgentList />
      </RailFrame>
      <main id="agents" tabIndex={-1}>
        <div class="overview">
          {missing && overview && <p class="error">There is no agent {missing} here.</p>}
          {today.length > 0 && <Today sums={today} />}
          {overview?.notes?.map((note) => (
            <p key={note} class="hint">
              {note}
            </p>
          ))}
          <ul class="cards" aria-label="Agents">
            {agents.map((each) => (
              <Card key={`${each.namespace}/${each.name}`} agent={each} sums={today.find((sums) => isOf(sums, each))} />
            ))}
          </ul>
        </div>
      </main>
    </div>
  );
}

export const RailButton = ({ label }: { label: string }) => (
  <button type="button" class="bare open-rail" popovertarget="rail">
    {label}
  </button>
);

// The agents, for the side of the page.
export function AgentList() {
  useChanges(hub);
  const { now } = routes;
  const agents = hub.overview?.agents ?? [];
  const spaces = new Set(agents.map((each) => each.namespace));
  return (
    <section aria-label="Agents">
      <h2>Agents</h2>
      <ul>
        {agents.map(({ namespace, name, mode, state }) => (
          <li key={`${namespace}/${name}`}>
            <a
              href={tryAddress({ namespace, name })}
              aria-current={
                now.view === "try" && now.agent.namespace === namespace && now.agent.name === name ? "page" : undefined
              }
              onClick={() => document.getElementById("rail")!.hidePopover()}
            >
              <i class={`dot ${state}`} role="img" aria-label={STATES[state]} />
              <span>{name}</span>
              <small>{spaces.size > 1 ? namespace : mode === "function" ? mode : ""}</small>
            </a>
          </li>
        ))}
      </ul>
      {hub.overview?.has_history && (
        <a
          href="#/history"
          aria-current={now.view === "history" ? "page" : undefined}
          aria-keyshortcuts="Alt+4"
          onClick={() => document.getElementById("rail")!.hidePopover()}
        >
          <span>History</span>
        </a>
      )}
    </section>
  );
}

function Card({ agent, sums }: { agent: HubAgent; sums: Sums | undefined }) {
  const { name, mode, state, message, description, model, version } = agent;
  const answers = sums?.turns?.count ?? 0;
  const paid = sums?.provider_calls.cost_usd ?? 0;
  const facts = [
    mode === "function" ? "function" : "",
    model,
    version && `prompt ${version}`,
    answers > 0 && `${counted(answers, mode === "function" ? "call" : "answer")} today`,
    paid > 0 && cost(paid),
  ];
  return (
    <li class="card">
      <h2>
        <a href={tryAddress(agent)}>{name}</a>
        <span class={`chip ${state}`}>{STATES[state]}</span>
      </h2>
      {description && <p>{description}</p>}
      <p class="hint">{facts.filter(Boolean).join(" · ")}</p>
      {message && <p class="error">{message}</p>}
    </li>
  );
}

function Today({ sums }: { sums: Sums[] }) {
  const total = (figure: (each: Sums) => number): number => sums.reduce((sum, each) => sum + figure(each), 0);
  const failed = total(({ turns }) => turns?.errors ?? 0);
  const tokens = total(({ provider_calls: { input_tokens, output_tokens } }) => input_tokens + output_tokens);
  const paid = total(({ provider_calls }) => provider_calls.cost_usd);
  const figures = [
    ["Answers today", total(({ turns }) => turns?.count ?? 0).toLocaleString("en"), failed ? `${failed} failed` : ""],
    ["Tokens today", tokens.toLocaleString("en"), ""],
    ["Cost today", paid > 0 ? cost(paid) : "$0", ""],
  ];
  return (
    <dl class="sums">
      {figures.map(([label, figure, more]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            {figure} <small>{more}</small>
          </dd>
        </div>
      ))}
    </dl>
  );
}

const isOf = ({ namespace, group }: Sums, agent: AgentName): boolean =>
  group === agent.name && ["", agent.namespace].includes(namespace);

// The sums of the day (UTC) of each agent; "" for the only namespace. None without a history.
function useToday(namespaces: string[]): Sums[] {
  const [sums, setSums] = useState<Sums[]>([]);
  useEffect(() => {
    const day = new Date().toISOString().slice(0, 10);
    const query = `group_by=agent&from=${day}&to=${day}`;
    const asked = namespaces.map(async (namespace) => {
      const of = namespace && `&namespace=${encodeURIComponent(namespace)}`;
      const { groups } = await asJson<{ groups: Sums[] }>(`history/api/v1/aggregates?${query}${of}`);
      return groups.map((each) => ({ ...each, namespace }));
    });
    // The page works without it.
    Promise.all(asked).then((found) => setSums(found.flat()), () => {});
  }, [namespaces.join(" ")]);
  return sums;
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

const clock = (time: string): string =>
  new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
