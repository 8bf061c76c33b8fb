// The page of an agent.

import { render } from "preact";
import { ownAgent } from "./place";
import { Tried } from "./views/tried";

render(<Tried agent={ownAgent} />, document.body);
