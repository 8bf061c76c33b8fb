// The history: the conversations and calls of all agents here, found by what was said, with what they cost.

import { useEffect, useRef, useState } from "preact/hooks";
import { Filters, History, type Agents, type Session } from "../history";
import { useChanges } from "../parts/changes";
import { cost } from "../parts/figures";
import { addressOf, NOWHERE, routes } from "../routes";

const ENDS = { "": "every end", completed: "done", cancelled: "stopped", error: "failed", active: "running" };
const SPANS = { "1": "last day", "7": "last 7 days", "30": "last 30 days", all: "everything" };

const count = (number: number): string => number.toLocaleString("en");
const plural = (number: number, noun: string): string => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

export function HistoryView({ agents }: { agents: Agents }) {
  const [history] = useState(() => new History());
  useChanges(history);
  useChanges(routes);
  const filters = new Filters(routes.now.query);
  useEffect(() => {
    document.title = "History · Omnia";
  }, []);
  useEffect(() => void history.find(filters), [routes.now.query]);
  const field = useRef<HTMLInputElement>(null);
  const change = (name: string, value: string): void => routes.go({ query: filters.with(name, value) }, { replace: true });
  const names = Object.fromEntries([["", "every agent"], ...agents.map(({ name }) => [name, name])]);
  return (
    <div class="history">
      <h2>History</h2>
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
      {history.sessions.length > 0 && <Table sessions={history.sessions} agents={agents} />}
      <Words history={history} filters={filters} all={() => change("from", "all")} />
    </div>
  );
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

// What was found in all, what was searched, or why there is nothing; and more of it.
function Words({ history: { state, fault, sessions, sums, next, more }, filters, all }: { history: History; filters: Filters; all: () => void }) {
  if (state === "loading") return <p role="status">Reading the history</p>;
  if (state === "failed") return <p role="alert">{fault}</p>;
  const span = filters.from === "all" ? "" : ` of the ${SPANS[filters.from as keyof typeof SPANS]}`;
  const facts = sums && [
    `${count(sessions.length)} of ${count(sums.sessions)}${span}, newest first`,
    plural(sums.turns, "turn"),
    plural(sums.input_tokens + sums.output_tokens, "token"),
    ...(sums.cost_usd > 0 ? [cost(sums.cost_usd)] : []),
  ];
  const none = filters.q
    ? `No conversation${span} has "${filters.q}" in it${next ? ", as far as was searched" : ""}.`
    : `No conversation${span}. Try an agent, it appears here.`;
  return (
    <div class="row" role="status">
      <span class="hint">{sessions.length ? facts?.join(" · ") : none}</span>
      {next && (
        <button type="button" onClick={more}>
          {sessions.length ? "Show more" : "Search on"}
        </button>
      )}
      {!next && !sessions.length && span && (
        <button type="button" onClick={all}>
          Search everything
        </button>
      )}
    </div>
  );
}

const Table = ({ sessions, agents }: { sessions: Session[]; agents: Agents }) => (
  <table>
    <thead>
      <tr>
        <th scope="col">Conversation</th>
        <th scope="col">Agent</th>
        <th scope="col" class="figure wide">
          Turns
        </th>
        <th scope="col" class="figure wide">
          Tokens
        </th>
        <th scope="col" class="figure">
          Cost
        </th>
        <th scope="col">Last answer</th>
        <th scope="col" class="figure wide">
          When
        </th>
      </tr>
    </thead>
    <tbody>
      {sessions.map((each) => (
        <tr key={`${each.agent} ${each.id} ${each.begun_at}`}>
          <td>
            <Name session={each} agents={agents} />
          </td>
          <td>{each.agent}</td>
          <td class="figure wide">{count(each.turns)}</td>
          <td class="figure wide">{count(each.input_tokens + each.output_tokens)}</td>
          <td class="figure">{each.cost_usd > 0 && cost(each.cost_usd)}</td>
          <td>
            <span class={`end of-${each.status}`}>{ENDS[each.status]}</span>
          </td>
          <td class="figure wide">{new Date(each.active_at).toLocaleString([], { dateStyle: "short", timeStyle: "short" })}</td>
        </tr>
      ))}
    </tbody>
  </table>
);

// A conversation that has not ended is gone on with at its agent.
function Name({ session: { id, name, agent, tag, ended }, agents }: { session: Session; agents: Agents }) {
  const served = agents.find((each) => each.name === agent);
  const text = name || (tag === "function" ? `call ${id}` : `Unnamed, ${id}`);
  if (!served || ended || tag === "function") {
    return (
      <>
        {text}
        {ended && <small> ended</small>}
      </>
    );
  }
  return <a href={addressOf({ ...NOWHERE, agent: served, session: id })}>{text}</a>;
}
