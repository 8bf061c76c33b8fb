// The page: the conversation with an agent, or the form of a function.

import { render } from "preact";
import { isFunction, ownAgent } from "./place";
import { useChanges } from "./parts/changes";
import { routes } from "./routes";
import { Agent } from "./views/agent";
import { Compare } from "./views/compare";
import { FunctionPage } from "./views/function";

function Conversations() {
  useChanges(routes);
  return routes.now.view === "compare" ? <Compare agent={ownAgent} /> : <Agent agent={ownAgent} />;
}

render(isFunction ? <FunctionPage name={ownAgent.name} /> : <Conversations />, document.body);
