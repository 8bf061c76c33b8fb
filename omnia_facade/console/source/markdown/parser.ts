// The parser, made of markdown-it's modules: without its presets, plugins, HTML and the rules that are off here.

import type { MarkdownIt, Token } from "markdown-it";
import { parseLinkDestination, parseLinkLabel, parseLinkTitle } from "markdown-it/src/helpers/index";
import ParserBlock from "markdown-it/src/parser_block";
import ParserInline from "markdown-it/src/parser_inline";

export type { Token };

// Where the defined links lead, by their names.
export type References = Record<string, { title: string; href: string }>;

const unchanged = (address: string): string => address;

// What the rules use of a parser. Which addresses may be opened is decided where links are made.
const parser = {
  block: new ParserBlock(),
  inline: new ParserInline(),
  helpers: { parseLinkDestination, parseLinkLabel, parseLinkTitle },
  // 40: quotes and lists within each other; what is nested deeper is shown as text.
  options: { maxNesting: 40 },
  normalizeLink: unchanged,
  normalizeLinkText: unchanged,
  // Links with these schemes stay the text that they are written as.
  validateLink: (address: string): boolean =>
    !/^(vbscript|javascript|file|data(?!:image\/(gif|png|jpeg|webp);)):/i.test(address.trim()),
};

const all = parser as unknown as MarkdownIt;

// The blocks of a text; what it defines is added to the references.
export function blocksOf(text: string, references: References): Token[] {
  const tokens: Token[] = [];
  parser.block.parse(text.replace(/\r\n?/g, "\n").replaceAll("\0", "\uFFFD"), all, { references }, tokens);
  return tokens;
}

// Blocks with what is in their lines, of which nothing is read before.
export function withInlines(tokens: Token[], references: References): Token[] {
  for (const each of tokens) {
    if (each.type !== "inline") continue;
    parser.inline.parse(each.content, all, { references }, each.children!);
    each.children = joined(each.children!);
  }
  return tokens;
}

// Texts that follow each other are one.
function joined(tokens: Token[]): Token[] {
  const found: Token[] = [];
  for (const each of tokens) {
    if (each.type === "text_special") each.type = "text";
    if (each.children) each.children = joined(each.children);
    const before = found.at(-1);
    if (each.type === "text" && before?.type === "text") before.content += each.content;
    else found.push(each);
  }
  return found;
}
