// An answer while it is written. What no further text can change is final: it is neither read nor drawn again. What
// takes long is drawn in several steps, between which the page goes on.

import { build, divide, PART } from "./nodes";
import { blocksOf, withInlines, type References, type Token } from "./parser";
import { patch } from "./patch";

// Milliseconds in which all answers of the page are drawn together, and which the page then has for itself.
const DRAWN = 8;
const PAUSE = 4;
// So many characters are read together at first, and more where nothing of them is final.
const PIECE = 2000;
// The parser ends a table that has so many cells more than its text; what is read in parts must have fewer.
const MOST_CELLS = 0x10000;
// What ends a paragraph, or a definition, without a blank line before it.
const ENDS_OTHERS = /^(fence|blockquote|hr|bullet|ordered|table)|#/;

// An item of a list, or a row of a table, that is in no other block: its token, and how deep it is.
const ITEM = /^(list_item_open1|tr_open2)$/;

let until = 0;

export class Answer {
  #text = "";
  #ended = false;
  #references: References = {};
  // Whether definitions are known that may have come after their use.
  #isSecond = false;
  // Where the text begins that is not final, how many nodes of the answer are before it, and how many items or rows of
  // the list or table that it goes on with.
  #final = 0;
  #nodes = 0;
  #items = 0;
  // What is read in place of the beginning of that list or table, and where that began.
  #head = "";
  #open = 0;
  #hasHeads = true;
  #size: number;

  // `piece`: how many characters are read together at first.
  constructor(
    private readonly root: Element,
    private readonly piece = PIECE,
  ) {
    this.#size = piece;
  }

  // Shows the text so far, or the whole one; returns whether it has to be called again for the rest.
  draw(text: string, isWhole: boolean): boolean {
    if (!text.startsWith(this.#text)) {
      this.#references = {};
      this.#ended = this.#isSecond = false;
      this.#again(0, 0);
    }
    if (this.#ended && text === this.#text) return false;
    this.#text = text;
    const now = performance.now();
    if (now > until + PAUSE) until = now + DRAWN;
    while (performance.now() < until) if (this.#step(isWhole)) return false;
    return true;
  }

  // Goes on with the text from a place at which a block begins, after so many nodes.
  #again(at: number, nodes: number, head = ""): void {
    this.#final = at;
    this.#nodes = nodes;
    this.#head = head;
    this.#items = 0;
    this.#size = this.piece;
  }

  // Returns whether all of the text is shown.
  #step(isWhole: boolean): boolean {
    const rest = this.#text.slice(this.#final);
    if (rest.length > this.#size) {
      this.#advance(rest.slice(0, rest.lastIndexOf("\n", this.#size) + 1));
      return false;
    }
    // What looks like a definition may be a part of one, or of a table.
    const references = isWhole ? this.#references : { ...this.#references };
    const tokens = blocksOf(this.#head + rest, references);
    if ((isWhole || rest.endsWith("\n")) && this.#isOther(tokens)) return false;
    this.#show(withInlines(tokens, references), 0);
    if (!isWhole) return true;
    if (this.#isSecond || !Object.keys(references).length) return (this.#ended = true);
    this.#isSecond = true;
    this.#again(0, 0);
    return false;
  }

  // Whether the open list or table is another than its head says; if so it is read again from its beginning.
  #isOther(tokens: Token[]): boolean {
    if (!this.#head) return false;
    if (tokens[0]!.tag === "table") {
      const rows = this.#items + tokens.length;
      if ((rows * tokens.findIndex((each) => each.type === "tr_close")) / 3 < MOST_CELLS) return false;
      this.#hasHeads = false;
      this.#again(this.#open, this.#nodes);
      return true;
    }
    // A blank line between two items, or in one, changes all items.
    if (this.#head.endsWith("\n\n") || tokens[2]!.hidden) return false;
    this.#again(this.#open, this.#nodes, `${this.#head}\n`);
    return true;
  }

  // Draws what is final of these lines, and counts it as read.
  #advance(lines: string): void {
    const text = this.#head + lines;
    const references = { ...this.#references };
    const tokens = blocksOf(text, references);
    if (this.#isOther(tokens)) return;
    const starts = [0, ...Array.from(text.matchAll(/\r\n?|\n/g), ({ 0: end, index }) => index + end.length)];
    const blocks = tokens.filter((each) => each.level === 0 && each.nesting >= 0);
    const isFree = ({ map, type, markup }: Token): boolean =>
      ENDS_OTHERS.test(type + markup) || !/[^ \t\r\n]/.test(text.slice(starts[map![0] - 1], starts[map![0]]));
    const last = blocks.findLastIndex((each, index) => !index || isFree(each));
    const block = blocks[last];
    const parts = tokens.slice(tokens.indexOf(block!)).filter(({ type, level }) => ITEM.test(type + level));
    const next = last > 0 ? block : this.#head && parts.length > 2 ? parts.at(-1) : undefined;
    if (next) {
      const final = tokens.slice(0, tokens.indexOf(next));
      for (const { meta } of final) {
        const label = meta?.["label"] as string;
        if (meta) this.#references[label] = references[label]!;
      }
      const nodes = this.#show(withInlines(final, this.#references), last > 0 ? 1 : next.level + 1);
      const at = this.#final + starts[next.map![0]]! - this.#head.length;
      if (last > 0) return this.#again(at, this.#nodes + nodes);
      this.#items += parts.length - 2;
      this.#final = at;
      this.#size = this.piece;
    } else if (!this.#head && this.#hasHeads && parts.length > 1) {
      const [line, after] = [block!.map![0], block!.map![0] + 2];
      this.#open = this.#final + starts[line]!;
      if (block!.tag === "table") this.#again(this.#final + starts[after]!, this.#nodes, text.slice(starts[line], starts[after]));
      // Its content begins further right than any item of the list, so that none is within it.
      else this.#again(this.#open, this.#nodes, `${parts[0]!.info}${block!.markup}    x\n`);
    } else this.#size *= 1.25;
  }

  // Draws tokens after what is final, as so many nodes; of the last node on so many levels, more is to come.
  #show(tokens: Token[], levels: number): number {
    const wanted = document.createDocumentFragment();
    build(tokens, wanted);
    const first = wanted.firstChild;
    const isTable = first instanceof HTMLTableElement;
    if (this.#head && !isTable) first!.firstChild!.remove();
    for (const each of [...wanted.childNodes]) divide(each, each === first ? this.#items : 0);
    const parts = Math.floor(this.#items / PART);
    const lists = isTable ? 0 : parts;
    const count = lists + wanted.childNodes.length;
    let from = this.root.childNodes[this.#nodes + lists] ?? null;
    if (isTable && this.#items) {
      const shown = from as HTMLTableElement;
      if (first.className) shown.className = first.className;
      first.tHead!.remove();
      this.#goOn(shown, first, shown.tBodies[parts] ?? null, Math.max(0, levels - 1));
      first.remove();
      patch(this.root, wanted, shown.nextSibling, levels);
    } else this.#goOn(this.root, wanted, from, levels);
    return count;
  }

  // Changes the children from one on, of which so many items stay.
  #goOn(shown: Node, wanted: Node, from: ChildNode | null, levels: number): void {
    const items = this.#items % PART;
    let part = from;
    if (items) {
      const [old, first] = [from as Element, wanted.firstChild as Element];
      patch(old, first, old.childNodes[items] ?? null, levels > 1 ? 1 : 0);
      if (first.className) old.className = first.className;
      first.remove();
      part = old.nextSibling;
    }
    patch(shown, wanted, part, levels);
  }
}
