// The modules of markdown-it, for the bundler. The package publishes them joined in one file, of which no part can be
// left out, and one by one in the source map of that file.

import { readFile } from "node:fs/promises";
import { dirname, posix } from "node:path";

// Rules that are off here: a call of one would return at once.
const RULES_OFF = ["rules_block/html_block", "rules_inline/html_inline", "rules_inline/linkify"];
const OFF = "export default () => false;";
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
