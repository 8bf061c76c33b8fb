// Markdown as nodes. The parser's tokens become elements by createElement, so no text is ever read as markup.

import { copyButton } from "../parts/copy";
import type { Token } from "./parser";

const ELEMENTS = new Set(
  "p h1 h2 h3 h4 h5 h6 ul ol li blockquote em strong s table thead tbody tr th td hr br a".split(" "),
);
// The headings of an answer are below those of the page.
const LOWEST_HEADING = 6;
const HEADINGS_BELOW = 2;
// So many items of a list, or rows of a table, are a part of their own, which the browser lays out and paints by itself.
export const PART = 100;

// An address that a click may open; others are shown as text.
function followed(attribute: string | number | null): string {
  const address = String(attribute ?? "");
  if (!/^(https?:|mailto:)/i.test(address)) return "";
  try {
    return new URL(address).href;
  } catch {
    return "";
  }
}

function link(address: string): HTMLAnchorElement {
  const made = document.createElement("a");
  made.href = address;
  made.rel = "noreferrer noopener";
  made.target = "_blank";
  return made;
}

// A picture is a link: an answer must not make the browser fetch anything.
function picture(token: Token): Node {
  const label = spoken(token.children ?? []) || "picture";
  const address = followed(token.attrGet("src"));
  if (!address) return document.createTextNode(label);
  const made = link(address);
  made.append(label);
  return made;
}

function spoken(tokens: Token[]): string {
  return tokens
    .map((each) => {
      if (each.type === "image") return spoken(each.children ?? []);
      return each.type === "softbreak" || each.type === "hardbreak" ? "\n" : each.content;
    })
    .join("");
}

function codeBlock(token: Token): HTMLElement {
  const box = document.createElement("div");
  box.className = "codebox";
  const head = document.createElement("div");
  const language = document.createElement("span");
  language.append(token.info.trim().split(/\s/)[0] || "code");
  head.append(language);
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  const code = document.createElement("code");
  code.append(token.content);
  const copy = copyButton("Copy the code", () => code.textContent.trimEnd());
  if (copy) head.append(copy);
  pre.append(code);
  box.append(head, pre);
  return box;
}

function opened(token: Token): HTMLElement {
  const heading = /^h([1-6])$/.exec(token.tag);
  if (heading) {
    return document.createElement(`h${Math.min(Number(heading[1]) + HEADINGS_BELOW, LOWEST_HEADING)}`);
  }
  if (token.tag === "a") {
    const address = followed(token.attrGet("href"));
    return address ? link(address) : document.createElement("span");
  }
  const made = document.createElement(token.tag);
  if (made instanceof HTMLOListElement && token.attrGet("start") !== null) made.start = Number(token.attrGet("start"));
  if (made instanceof HTMLTableCellElement) {
    const aligned = /text-align:\s*(left|center|right)/.exec(String(token.attrGet("style") ?? ""));
    if (aligned) made.dataset["align"] = aligned[1];
  }
  return made;
}

// Appends the elements of the tokens to a root.
export function build(tokens: Token[], root: Node): void {
  const open: Node[] = [root];
  const place = (): Node => open.at(-1)!;
  for (const token of tokens) {
    if (token.hidden) continue;
    switch (token.type) {
      case "inline":
        build(token.children ?? [], place());
        continue;
      case "softbreak":
        place().appendChild(document.createTextNode("\n"));
        continue;
      case "code_inline": {
        const code = document.createElement("code");
        code.append(token.content);
        place().appendChild(code);
        continue;
      }
      case "fence":
      case "code_block":
        place().appendChild(codeBlock(token));
        continue;
      case "image":
        place().appendChild(picture(token));
        continue;
    }
    if (token.nesting === -1) {
      if (open.length > 1) open.pop();
    } else if (ELEMENTS.has(token.tag)) {
      const made = opened(token);
      place().appendChild(made);
      if (token.nesting === 1) open.push(made);
    } else {
      place().appendChild(document.createTextNode(token.content));
    }
  }
}

// Makes a long list several, and gives a long table several bodies. So many of its items or rows are shown already.
export function divide(block: ChildNode, shown = 0): void {
  const isTable = block instanceof HTMLTableElement;
  let part = isTable ? block.tBodies[0] : (block as HTMLElement);
  if (!part || !/^(TBODY|[OU]L)$/.test(part.tagName)) return;
  if (isTable && shown + part.childElementCount > PART) block.className = "long";
  if (part instanceof HTMLOListElement && shown >= PART) part.start += shown - (shown % PART);
  for (let room = PART - (shown % PART); part.childElementCount >= room; room = PART) {
    const rest = [...part.children].slice(room);
    const next = part.cloneNode() as HTMLElement;
    part.className = "full";
    if (!rest.length) return;
    if (next instanceof HTMLOListElement) next.start += PART;
    next.append(...rest);
    part.after(next);
    part = next;
  }
}
