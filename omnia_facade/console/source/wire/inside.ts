// What is inside an agent that does not say it itself: from the objects of its cluster, which the hub reads for whoever
// started it.

import type { AgentName } from "../place";
import type { Inside } from "../views/start";
import { asJson } from "./http";

// Undefined where nothing is read; the page works without it.
export function readInside({ namespace, name }: AgentName): Promise<Inside | undefined> {
  const path = `hub/agents/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/inside`;
  return HUB ? asJson<Inside>(path).catch(() => undefined) : Promise.resolve(undefined);
}
