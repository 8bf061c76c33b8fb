// The parser, made of markdown-it's modules: without its presets, plugins, HTML and the rules that are off here.

import type { MarkdownIt, StateCore, Token } from "markdown-it";
import { parseLinkDestination, parseLinkLabel, parseLinkTitle } from "markdown-it/src/helpers/index";
import ParserBlock from "markdown-it/src/parser_block";
import ParserInline from "markdown-it/src/parser_inline";
import block from "markdown-it/src/rules_core/block";
import inline from "markdown-it/src/rules_core/inline";
import normalize from "markdown-it/src/rules_core/normalize";
import State from "markdown-it/src/rules_core/state_core";
import stripReferences from "markdown-it/src/rules_core/strip_references";
import joinTexts from "markdown-it/src/rules_core/text_join";

export type { Token };

const RULES: ((state: StateCore) => void)[] = [normalize, block, stripReferences, inline, joinTexts];
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

export function parsed(text: string): Token[] {
  const state = new State(text, parser as unknown as MarkdownIt, {});
  for (const rule of RULES) rule(state);
  return state.tokens;
}
