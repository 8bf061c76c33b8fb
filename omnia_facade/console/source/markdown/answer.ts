// An answer while it is written: blocks that have ended stay as they are, only the last one is drawn anew.

import { build, grow } from "./nodes";
import { parsed } from "./parser";

export class Answer {
  // Where the last block begins, and how many nodes are before it.
  #begins = 0;
  #kept = 0;

  constructor(private readonly root: Element) {}

  // Shows the text so far; it begins with the text of the call before.
  draw(text: string): void {
    const rest = text.slice(this.#begins);
    const tokens = parsed(rest);
    if (this.root.childNodes.length === this.#kept + 1 && grow(this.root.lastChild, tokens)) return;
    while (this.root.childNodes.length > this.#kept) this.root.lastChild!.remove();
    build(tokens, this.root);
    const blocks = tokens.filter((each) => each.level === 0 && each.nesting >= 0 && each.map);
    const last = blocks.at(-1);
    if (blocks.length < 2 || !last?.map) return;
    let at = 0;
    for (let line = 0; line < last.map[0]; line += 1) at = rest.indexOf("\n", at) + 1;
    this.#begins += at;
    this.#kept = this.root.childNodes.length - 1;
  }

  // Shows the whole text: definitions at its end count for what is before them.
  end(text: string): void {
    this.root.replaceChildren();
    build(parsed(text), this.root);
  }
}
