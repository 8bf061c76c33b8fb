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
declare module "markdown-it/src/rules_core/state_core" {
  import type { StateCore } from "markdown-it";
  const it: typeof StateCore;
  export default it;
}
declare module "markdown-it/src/helpers/index" {
  import type { MarkdownIt } from "markdown-it";
  export const parseLinkLabel: MarkdownIt["helpers"]["parseLinkLabel"];
  export const parseLinkDestination: MarkdownIt["helpers"]["parseLinkDestination"];
  export const parseLinkTitle: MarkdownIt["helpers"]["parseLinkTitle"];
}
declare module "markdown-it/src/rules_core/*" {
  import type { StateCore } from "markdown-it";
  const rule: (state: StateCore) => void;
  export default rule;
}
