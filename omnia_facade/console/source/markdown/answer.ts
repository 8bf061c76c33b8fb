// An answer while it is written: of its blocks only the last one is read anew, and of that one what differs is drawn.

import { colour } from "./colours";
import { build } from "./nodes";
import { parsed, type Token } from "./parser";
import { patch } from "./patch";

export class Answer {
  // Where the last block begins, and how many nodes are before it.
  #begins = 0;
  #kept = 0;

  constructor(private readonly root: Element) {}

  // Shows the text so far; it begins with the text of the call before.
  draw(text: string): void {
    const rest = text.slice(this.#begins);
    const tokens = parsed(rest);
    this.#show(tokens, this.#kept);
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
    this.#show(parsed(text), 0);
  }

  #show(tokens: Token[], kept: number): void {
    const wanted = document.createDocumentFragment();
    build(tokens, wanted);
    patch(this.root, wanted, this.root.childNodes[kept] ?? null);
    // Highlights are of what is in the document.
    for (let block = this.root.childNodes[kept]; block; block = block.nextSibling!) colourAll(block);
  }
}

function colourAll(block: Node): void {
  if (!(block instanceof Element)) return;
  for (const box of block.matches(".codebox") ? [block] : block.querySelectorAll(".codebox")) {
    const text = box.querySelector("code")!.firstChild;
    if (text instanceof Text) colour(text, box.querySelector("span")!.textContent);
  }
}
