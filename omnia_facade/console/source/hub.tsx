// The page of several agents at one address.

// The parser comes first: the views then follow one another, and gzip, which looks back 32 KB, finds what they share.
import "./markdown/parser";
import { render } from "preact";
import { HubPage } from "./views/hub";

render(<HubPage />, document.body);
