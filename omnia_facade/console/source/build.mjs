// Makes ../page.html: one document with its style and its script, the same bytes each time.
import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";

const here = new URL("./", import.meta.url);
const path = (name) => new URL(name, here).pathname;
const shared = { bundle: true, minify: true, target: "es2022", charset: "utf8", legalComments: "none", write: false };

async function bundled(options) {
  const { outputFiles } = await build({ ...shared, ...options });
  return outputFiles[0].text.trim();
}

const script = await bundled({
  entryPoints: [path("app.tsx")],
  format: "esm",
  jsx: "automatic",
  jsxImportSource: "preact",
  // What the browser has, or the page does not use, is not brought along; the names of characters are those of HTML 4.
  alias: {
    "linkify-it": path("markdown/unused.ts"),
    mdurl: path("markdown/unused.ts"),
    "punycode.js": path("markdown/unused.ts"),
    "uc.micro": path("markdown/unicode.ts"),
    entities: path("markdown/entities.ts"),
  },
});
const style = await bundled({ entryPoints: [path("style/page.css")] });
// "<!--" alone ends nothing; before "<script" it would.
for (const end of ["</script", "</style", "<script"]) {
  if (`${script}${style}`.includes(end)) throw new Error(`the script or the style contains ${end}`);
}

const packages = ["preact", "markdown-it"];
const licences = await Promise.all(
  packages.map(async (name) => {
    const { version, license } = JSON.parse(await readFile(path(`node_modules/${name}/package.json`), "utf8"));
    return `${name} ${version} (${license})`;
  }),
);
const page = (await readFile(path("page.html"), "utf8"))
  .replace("{{licences}}", () => licences.join(", "))
  .replace("{{style}}", () => style)
  .replace("{{script}}", () => script);
await writeFile(path("../page.html"), page);
console.log(`page.html: ${Buffer.byteLength(page)} bytes`);
