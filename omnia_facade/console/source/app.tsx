// The page: the conversation with an agent, or the form of a function.

import { render } from "preact";
import { isFunction, ownAgent } from "./place";
import { Agent } from "./views/agent";
import { FunctionPage } from "./views/function";

render(isFunction ? <FunctionPage name={ownAgent.name} /> : <Agent agent={ownAgent} />, document.body);
