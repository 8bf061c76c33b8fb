// The history: the conversations and calls of all agents here, found by what was said, with what they cost.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Filters, History, type Session } from "../history";
import { useChanges } from "../parts/changes";
import { cost } from "../parts/figures";
import { addressOf, NOWHERE, routes } from "../routes";
import { hub } from "../wire/hub";
import type { State } from "../wire/socket";
import { AgentList, RailButton } from "./agents";
import { Header } from "./header";
import { RailFrame } from "./rail";

const ENDS = { "": "every end", completed: "done", cancelled: "stopped", error: "failed", active: "running" };
const SPANS = { "1": "last day", "7": "last 7 days", "30": "last 30 days", all: "everything" };

const count = (number: number): string => number.toLocaleString("en");
const plural = (number: number, noun: string): string => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

const WORDS: Record<History["state"], State> = {
  loading: { kind: "connecting", text: "Reading the history" },
  found: { kind: "open", text: "What was said, what it took and what it cost" },
  failed: { kind: "connecting", text: "The history does not answer" },
};

export function HistoryPage() {
  const [history] = useState(() => new History());
  useChanges(history);
  useChanges(routes);
  useChanges(hub);
  const { query } = routes.now;
  const filters = new Filters(query);
  useEffect(() => {
    document.title = "History · Omnia";
  }, []);
  useEffect(() => void history.find(filters), [query]);
  const field = useRef<HTMLInputElement>(null);
  const change = (name: string, value: string): void => routes.go({ query: filters.with(name, value) }, { replace: true });
  const known = (hub.overview?.agents ?? []).map(({ namespace, name }) => shownName(namespace, name));
  const names = { "": "every agent", ...Object.fromEntries(known.map((name) => [name, name])) };
  return (
    <div class="page agent">
      <Header
        name="History"
        state={WORDS[history.state]}
        changed={() => location.reload()}
        skip={{ to: "words", label: "Skip to the search" }}
        actions={<RailButton label="Agents" />}
      />
      <RailFrame label="Agents">
        <AgentList />
      </RailFrame>
      <main id="history" tabIndex={-1}>
        <form
          class="row"
          role="search"
          onSubmit={(event) => {
            event.preventDefault();
            change("q", field.current!.value.trim());
          }}
        >
          <input
            key={filters.q}
            id="words"
            ref={field}
            type="search"
            aria-label="Words that were said"
            placeholder="Words that were said"
            maxLength={200}
            defaultValue={filters.q}
          />
          <Choice label="Agent" value={filters.agent} options={names} change={(value) => change("agent", value)} />
          <Choice label="State" value={filters.status} options={ENDS} change={(value) => change("status", value)} />
          <Choice label="When" value={filters.from} options={SPANS} change={(value) => change("from", value)} />
          <button type="submit">Search</button>
        </form>
        {history.sessions.length > 0 && <Table sessions={history.sessions} />}
        {history.state === "failed" ? (
          <p class="error" role="alert">
            {history.fault}
          </p>
        ) : (
          <Found history={history} filters={filters} all={() => change("from", "all")} />
        )}
      </main>
    </div>
  );
}

// The name of an agent, with its namespace where agents of several have this name.
function shownName(namespace: string, name: string): string {
  const spaces = new Set(hub.overview?.agents.filter((each) => each.name === name).map((each) => each.namespace));
  return spaces.add(namespace).size > 1 ? `${namespace}/${name}` : name;
}

interface ChoiceProps {
  label: string;
  value: string;
  options: Record<string, string>;
  change: (value: string) => void;
}

const Choice = ({ label, value, options, change }: ChoiceProps) => (
  <select aria-label={label} value={value} onChange={({ currentTarget }) => change(currentTarget.value)}>
    {Object.entries(options).map(([key, text]) => (
      <option key={key} value={key}>
        {text}
      </option>
    ))}
  </select>
);

interface FoundProps {
  history: History;
  filters: Filters;
  // Called to search everything.
  all: () => void;
}

// What was found in all, or what was searched; and more of it.
function Found({ history: { state, sessions, sums, next, more }, filters: { q, from }, all }: FoundProps) {
  const span = from === "all" ? "" : ` of the ${SPANS[from as keyof typeof SPANS]}`;
  const facts = sums && [
    `${count(sessions.length)} of ${count(sums.sessions)}${span}, newest first`,
    plural(sums.turns, "turn"),
    plural(sums.input_tokens + sums.output_tokens, "token"),
    ...(sums.cost_usd > 0 ? [cost(sums.cost_usd)] : []),
  ];
  const none = q ? `No conversation${span} has "${q}" in it` : `No conversation${span}. Try an agent, it appears here`;
  const words = sessions.length ? facts?.join(" · ") : `${none}${next ? ", as far as was searched" : ""}.`;
  return (
    <div class="row">
      <p class="hint" role="status">
        {state === "loading" ? "" : words}
      </p>
      {next && (
        <button type="button" onClick={more}>
          {sessions.length ? "Show more" : "Search on"}
        </button>
      )}
      {state === "found" && !next && !sessions.length && span && (
        <button type="button" onClick={all}>
          Search everything
        </button>
      )}
    </div>
  );
}

// Each column: its heading, its class, and what it shows.
const COLUMNS: [string, string, (session: Session) => ComponentChildren][] = [
  ["Conversation", "", (session) => <Name session={session} />],
  ["Agent", "", ({ namespace, agent }) => shownName(namespace, agent)],
  ["Turns", "figure wide", ({ turns }) => count(turns)],
  ["Tokens", "figure wide", ({ input_tokens, output_tokens }) => count(input_tokens + output_tokens)],
  ["Cost", "figure", ({ cost_usd }) => cost_usd > 0 && cost(cost_usd)],
  ["Last answer", "", ({ status }) => <span class={`of-${status}`}>{ENDS[status]}</span>],
  [
    "When",
    "figure wide",
    ({ active_at }) => new Date(active_at).toLocaleString([], { dateStyle: "short", timeStyle: "short" }),
  ],
];

const Table = ({ sessions }: { sessions: Session[] }) => (
  <table>
    <thead>
      <tr>
        {COLUMNS.map(([heading, kind]) => (
          <th key={heading} scope="col" class={kind}>
            {heading}
          </th>
        ))}
      </tr>
    </thead>
    <tbody>
      {sessions.map((each) => (
        <tr key={`${each.namespace} ${each.agent} ${each.id} ${each.begun_at}`}>
          {COLUMNS.map(([heading, kind, shown]) => (
            <td key={heading} class={kind}>
              {shown(each)}
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  </table>
);

// A conversation that has not ended is gone on with at its agent.
function Name({ session: { id, namespace, name, first_message, agent, tag, ended } }: { session: Session }) {
  const served = hub.agent({ namespace, name: agent });
  // Calls of one function begin with the same words.
  const text = name || (tag === "function" ? `call ${id}` : first_message || `Unnamed, ${id}`);
  if (!served || ended || tag === "function") {
    return (
      <>
        {text}
        {ended && <small> ended</small>}
      </>
    );
  }
  return <a href={addressOf({ ...NOWHERE, agent: served, session: id, view: "try" })}>{text}</a>;
}
