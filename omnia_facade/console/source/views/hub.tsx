// The page of several agents: all of them, or one of them.

import { useEffect } from "preact/hooks";
import { useChanges } from "../parts/changes";
import { routes } from "../routes";
import { hub } from "../wire/hub";
import { Agents } from "./agents";
import { Find } from "./find";
import { Later } from "./later";
import { Tried } from "./tried";

// By the key that goes to them with Alt.
const VIEWS: Record<string, "agents" | "history" | undefined> = { Digit1: "agents", Digit4: "history" };

export function HubPage() {
  useChanges(hub);
  useChanges(routes);
  useEffect(() => {
    hub.follow();
    const keys = (event: KeyboardEvent): void => {
      const view = VIEWS[event.code];
      if (!event.altKey || !view || (view === "history" && !hub.overview?.has_history)) return;
      event.preventDefault();
      routes.go({ view, query: "" });
    };
    addEventListener("keydown", keys);
  }, []);
  return (
    <>
      <View />
      <Find />
    </>
  );
}

function View() {
  const { view, agent } = routes.now;
  if (view === "history") return <Later key="history">{({ HistoryPage }) => <HistoryPage />}</Later>;
  const known = hub.agent(agent);
  if (view === "agents" || !known) return <Agents missing={view === "agents" ? "" : agent.name} />;
  const key = `${agent.namespace}/${agent.name}`;
  if (known.mode !== "function") return <Tried key={key} agent={agent} />;
  return <Later key={key}>{({ FunctionPage }) => <FunctionPage agent={agent} />}</Later>;
}
