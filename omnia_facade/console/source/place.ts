// Where the page is: at the address of one agent, or at one address for several agents.

const { name = "" } = document.body.dataset;

export interface AgentName {
  namespace: string;
  name: string;
}

export const isSame = (one: AgentName, other: AgentName): boolean =>
  one.namespace === other.namespace && one.name === other.name;

// The agent of this address; its namespace is not known here, and not needed.
export const ownAgent: AgentName = { namespace: "", name };

const LOOPBACK = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
export const isLoopback = LOOPBACK.test(location.hostname);

// What the paths of an agent's requests begin with, relative to the page.
export const baseOf = (agent: AgentName): string =>
  HUB ? `agents/${encodeURIComponent(agent.namespace)}/${encodeURIComponent(agent.name)}/` : "";
