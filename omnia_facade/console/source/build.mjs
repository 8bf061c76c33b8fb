// Makes the pages beside this folder: of an agent, of a function, and of several at one address. Each is one document
// with its style and its script, the same bytes each time; the last has a second script, which it imports.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { minify } from "terser";
import { parserModules } from "./markdown/modules.mjs";

const here = new URL("./", import.meta.url);
const path = (name) => new URL(name, here).pathname;
const shared = { bundle: true, minify: true, target: "es2022", charset: "utf8", legalComments: "none", write: false };

const modules = await parserModules(path("node_modules/markdown-it/dist/markdown-it.mjs.map"));

async function bundled(options) {
  const { outputFiles, metafile } = await build({ ...shared, metafile: true, ...options });
  return { text: outputFiles[0].text.trim(), modules: Object.keys(metafile.inputs) };
}

const packages = ["preact", "markdown-it"];
const licences = await Promise.all(
  packages.map(async (name) => {
    const { version, license } = JSON.parse(await readFile(path(`node_modules/${name}/package.json`), "utf8"));
    return `${name} ${version} (${license})`;
  }),
);
const document = (await readFile(path("page.html"), "utf8")).replace("{{licences}}", () => licences.join(", "));

// The second script takes the modules of shared.ts from the page.
const exported = /^export \{ (.+) \} from "(.+)";$/gm;
const given = [...(await readFile(path("shared.ts"), "utf8")).matchAll(exported)];
const fromPage = {
  name: "from the page",
  setup({ onResolve, onLoad, resolve }) {
    const resolved = (file, from) => resolve(file, { ...from, kind: "import-statement", pluginData: "resolved" });
    const paths = () => Promise.all(given.map(async ([, , file]) => (await resolved(file, { resolveDir: path("") })).path));
    let files;
    onResolve({ filter: /./ }, async ({ path: file, resolveDir, importer, kind, pluginData }) => {
      if (pluginData === "resolved" || kind !== "import-statement") return undefined;
      const found = await resolved(file, { resolveDir, importer });
      files ??= paths();
      return (await files).includes(found.path) ? { path: "page", namespace: "shared" } : undefined;
    });
    const names = given.map(([, each]) => each).join(", ");
    onLoad({ filter: /./, namespace: "shared" }, () => ({ contents: `export const { ${names} } = globalThis.omnia;` }));
  },
};

async function script(entry, isOfHub, plugins) {
  const { text, modules: found } = await bundled({
    entryPoints: [path(entry)],
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { HUB: String(isOfHub) },
    plugins,
    // The browser has these tables of characters; the names of characters are those of HTML 4.
    alias: { "uc.micro": path("markdown/unicode.ts"), entities: path("markdown/entities.ts") },
  });
  // The names that terser gives compress better: 1.4 KB of the largest page.
  const { code } = await minify(text, { module: true, ecma: 2022 });
  return { code, found };
}

async function make(name, imports = "") {
  const { code, found } = await script(`${name}.tsx`, name === "hub", [modules]);
  const { text: style } = await bundled({ entryPoints: [path(`style/${name}.css`)] });
  // "<!--" alone ends nothing; before "<script" it would.
  for (const end of ["</script", "</style", "<script"]) {
    if (`${code}${style}`.includes(end)) throw new Error(`the script or the style contains ${end}`);
  }
  const page = document
    .replace("{{imports}}", () => imports)
    .replace("{{style}}", () => style)
    .replace("{{script}}", () => code);
  await writeFile(path(`../${name}.html`), page);
  console.log(`${name}.html: ${Buffer.byteLength(page)} bytes`);
  return found;
}

async function makeHub() {
  const { code, found } = await script("hub-views.ts", true, [fromPage]);
  await writeFile(path("../hub-views.js"), code);
  console.log(`hub-views.js: ${Buffer.byteLength(code)} bytes`);
  const integrity = { "./hub/views.js": `sha256-${createHash("sha256").update(code).digest("base64")}` };
  const ofPage = await make("hub", `<script type="importmap">${JSON.stringify({ integrity })}</script>`);
  const twice = found.filter((each) => ofPage.includes(each));
  if (twice.length) throw new Error(`in both scripts of the hub, and not in shared.ts: ${twice.join(", ")}`);
}

await make("agent");
await make("function");
await makeHub();
