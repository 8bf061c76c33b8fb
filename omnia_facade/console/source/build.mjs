// Makes the pages beside this folder: of an agent, of a function, and of several at one address. Each is one document
// with its style and its script, the same bytes each time.
import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { minify } from "terser";
import { parserModules } from "./markdown/modules.mjs";

const here = new URL("./", import.meta.url);
const path = (name) => new URL(name, here).pathname;
const shared = { bundle: true, minify: true, target: "es2022", charset: "utf8", legalComments: "none", write: false };

const modules = await parserModules(path("node_modules/markdown-it/dist/markdown-it.mjs.map"));

async function bundled(options) {
  const { outputFiles } = await build({ ...shared, ...options });
  return outputFiles[0].text.trim();
}

const packages = ["preact", "markdown-it"];
const licences = await Promise.all(
  packages.map(async (name) => {
    const { version, license } = JSON.parse(await readFile(path(`node_modules/${name}/package.json`), "utf8"));
    return `${name} ${version} (${license})`;
  }),
);
const document = (await readFile(path("page.html"), "utf8")).replace("{{licences}}", () => licences.join(", "));

async function make(name) {
  const bundle = await bundled({
    entryPoints: [path(`${name}.tsx`)],
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { HUB: String(name === "hub") },
    plugins: [modules],
    // The browser has these tables of characters; the names of characters are those of HTML 4.
    alias: { "uc.micro": path("markdown/unicode.ts"), entities: path("markdown/entities.ts") },
  });
  // The names that terser gives compress better: 1.4 KB of the largest page.
  const { code: script } = await minify(bundle, { module: true, ecma: 2022 });
  const style = await bundled({ entryPoints: [path(`style/${name}.css`)] });
  // "<!--" alone ends nothing; before "<script" it would.
  for (const end of ["</script", "</style", "<script"]) {
    if (`${script}${style}`.includes(end)) throw new Error(`the script or the style contains ${end}`);
  }
  const page = document.replace("{{style}}", () => style).replace("{{script}}", () => script);
  await writeFile(path(`../${name}.html`), page);
  console.log(`${name}.html: ${Buffer.byteLength(page)} bytes`);
}

await make("agent");
await make("function");
await make("hub");
