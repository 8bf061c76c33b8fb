// The page of a function.

import { render } from "preact";
import { ownAgent } from "./place";
import { FunctionPage } from "./views/function";

render(<FunctionPage agent={ownAgent} />, document.body);
