// The page of several agents at one address.

import { render } from "preact";
import { HubPage } from "./views/hub";

render(<HubPage />, document.body);
