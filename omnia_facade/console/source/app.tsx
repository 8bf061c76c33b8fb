// The page: the conversation with an agent, the form of a function, or several of them at one address.

import { render } from "preact";
import { useChanges } from "./parts/changes";
import { isFunction, isHub, ownAgent } from "./place";
import { routes } from "./routes";
import { Agent } from "./views/agent";
import { Compare } from "./views/compare";
import { FunctionPage } from "./views/function";
import { HubPage } from "./views/hub";

function Conversations() {
  useChanges(routes);
  return routes.now.view === "compare" ? <Compare agent={ownAgent} /> : <Agent agent={ownAgent} />;
}

const own = isFunction ? <FunctionPage agent={ownAgent} /> : <Conversations />;
render(isHub ? <HubPage /> : own, document.body);
