// What is done with an agent that converses: one conversation, or two compared.

import { useChanges } from "../parts/changes";
import type { AgentName } from "../place";
import { routes } from "../routes";
import { Agent } from "./agent";
import { Compare } from "./compare";

export function Tried({ agent }: { agent: AgentName }) {
  useChanges(routes);
  return routes.now.view === "compare" ? <Compare agent={agent} /> : <Agent agent={agent} />;
}
