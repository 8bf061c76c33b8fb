// The page of several agents: all of them, or one of them.

import { useEffect } from "preact/hooks";
import { useChanges } from "../parts/changes";
import { routes } from "../routes";
import { hub } from "../wire/hub";
import { Agents } from "./agents";
import { Find } from "./find";
import { FunctionPage } from "./function";
import { HistoryPage } from "./history";
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
  if (view === "history") return <HistoryPage />;
  const known = hub.agent(agent);
  if (view === "agents" || !known) return <Agents missing={view === "agents" ? "" : agent.name} />;
  const key = `${agent.namespace}/${agent.name}`;
  return known.mode === "function" ? <FunctionPage key={key} agent={agent} /> : <Tried key={key} agent={agent} />;
}
