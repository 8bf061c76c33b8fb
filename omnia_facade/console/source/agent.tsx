// The page of an agent.

// The parser comes first: the views then follow one another, and gzip, which looks back 32 KB, finds what they share.
import "./markdown/parser";
import { render } from "preact";
import { ownAgent } from "./place";
import { Asked } from "./views/asked";
import { form } from "./views/tool";
import { Tried } from "./views/tried";

form.Asked = Asked;
render(<Tried agent={ownAgent} />, document.body);
