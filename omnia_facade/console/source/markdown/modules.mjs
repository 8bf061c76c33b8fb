// The modules of markdown-it, for the bundler. The package publishes them joined in one file, of which no part can be
// left out, and one by one in the source map of that file.

import { readFile } from "node:fs/promises";
import { dirname, posix } from "node:path";

// Rules that are off here: a call of one would return at once.
const RULES_OFF = ["rules_block/html_block", "rules_inline/html_inline", "rules_inline/linkify"];
const OFF = "export default () => false;";
// Rules in their order. Those of the package can be switched on and off, moved and replaced, which nothing here does.
const RULER = `export default class {
  rules = [];
  chains = {};
  push(name, rule, { alt = [] } = {}) {
    this.rules.push({ rule, chains: ["", ...alt] });
  }
  getRules(chain) {
    return (this.chains[chain] ??= this.rules.filter((each) => each.chains.includes(chain)).map((each) => each.rule));
  }
}`;
// A token, without what plugins do with its attributes.
const TOKEN = `export default class {
  attrs = null;
  map = null;
  level = 0;
  children = null;
  content = "";
  markup = "";
  info = "";
  meta = null;
  hidden = false;
  constructor(type, tag, nesting) {
    this.type = type;
    this.tag = tag;
    this.nesting = nesting;
  }
  attrGet(name) {
    return this.attrs?.find(([each]) => each === name)?.[1] ?? null;
  }
}`;
// A library for addresses, which only plugins reach.
const UNUSED = "mdurl";

// Makes "markdown-it/src/NAME" importable, from the source map at this path.
export async function parserModules(map) {
  const { sources, sourcesContent } = JSON.parse(await readFile(map, "utf8"));
  const modules = new Map(
    sources.map((source, at) => [source.replace(/^\.\.\/src\/|\.ts$/g, ""), sourcesContent[at]]),
  );
  for (const name of RULES_OFF) {
    if (!modules.has(name)) throw new Error(`markdown-it has no ${name}.ts: change RULES_OFF to the rules that it has`);
    modules.set(name, OFF);
  }
  modules.set("ruler", RULER);
  modules.set("token", TOKEN);
  modules.set(UNUSED, "");
  return {
    name: "parser-modules",
    setup({ onResolve, onLoad }) {
      const namespace = "parser";
      onResolve({ filter: /^markdown-it\/src\// }, ({ path }) => ({ path: path.replace("markdown-it/src/", ""), namespace }));
      onResolve({ filter: /^\./, namespace }, ({ path, importer }) => ({
        path: posix.join(posix.dirname(importer), path.replace(/\.ts$/, "")),
        namespace,
      }));
      onResolve({ filter: new RegExp(`^${UNUSED}$`), namespace }, ({ path }) => ({ path, namespace }));
      onLoad({ filter: /.*/, namespace }, ({ path }) => {
        const contents = modules.get(path);
        if (contents === undefined) throw new Error(`markdown-it has no ${path}.ts: import what it has in its place`);
        return { contents, loader: "ts", resolveDir: dirname(map) };
      });
    },
  };
}
