// The page: the conversation with an agent, the form of a function, or several of them at one address.

import { render } from "preact";
import { isFunction, isHub, ownAgent } from "./place";
import { FunctionPage } from "./views/function";
import { HubPage } from "./views/hub";
import { Tried } from "./views/tried";

const own = isFunction ? <FunctionPage agent={ownAgent} /> : <Tried agent={ownAgent} />;
render(isHub ? <HubPage /> : own, document.body);
