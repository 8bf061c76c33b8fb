// The types of the modules of markdown-it that `modules.mjs` makes importable.

declare module "markdown-it/src/parser_block" {
  import type { ParserBlock } from "markdown-it";
  const it: typeof ParserBlock;
  export default it;
}
declare module "markdown-it/src/parser_inline" {
  import type { ParserInline } from "markdown-it";
  const it: typeof ParserInline;
  export default it;
}
declare module "markdown-it/src/helpers/index" {
  import type { MarkdownIt } from "markdown-it";
  export const parseLinkLabel: MarkdownIt["helpers"]["parseLinkLabel"];
  export const parseLinkDestination: MarkdownIt["helpers"]["parseLinkDestination"];
  export const parseLinkTitle: MarkdownIt["helpers"]["parseLinkTitle"];
}
