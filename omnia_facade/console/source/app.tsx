// The page: the conversation with an agent, or the form of a function.

import { render } from "preact";
import { Agent } from "./views/agent";
import { FunctionPage } from "./views/function";

const { mode, name = "" } = document.body.dataset;

render(mode === "function" ? <FunctionPage name={name} /> : <Agent name={name} />, document.body);
