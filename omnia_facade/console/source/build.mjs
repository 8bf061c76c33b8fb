// Makes the pages beside this folder: of an agent, of a function, and of several at one address. Each is one document
// with its style and its script, the same bytes each time.
import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";

const here = new URL("./", import.meta.url);
const path = (name) => new URL(name, here).pathname;
const shared = { bundle: true, minify: true, target: "es2022", charset: "utf8", legalComments: "none", write: false };

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
  const script = await bundled({
    entryPoints: [path(`${name}.tsx`)],
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { HUB: String(name === "hub") },
    // What the browser has, or the page does not use, is not brought along; the names of characters are those of HTML 4.
    alias: {
      "linkify-it": path("markdown/unused.ts"),
      mdurl: path("markdown/unused.ts"),
      "punycode.js": path("markdown/unused.ts"),
      "uc.micro": path("markdown/unicode.ts"),
      entities: path("markdown/entities.ts"),
    },
  });
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
