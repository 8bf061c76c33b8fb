// The MCP client of the older era: node mcp.mjs URL. Prints one JSON object.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const client = new Client({ name: "test", version: "1.0.0" });
await client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2])));
const { tools } = await client.listTools();
const name = tools[0].name;
const progress = [];
const first = await client.callTool({ name, arguments: { message: "slowly please" } }, undefined, {
  onprogress: (seen) => progress.push(seen.progress),
});
const { session_id } = first.structuredContent;
const second = await client.callTool({ name, arguments: { message: "hello", session_id } });
const failed = await client.callTool({ name, arguments: { message: 7 } });
const unknown = await client.callTool({ name: "other", arguments: {} }).catch((error) => ({ code: error.code }));
console.log(JSON.stringify({
  server: client.getServerVersion().name, tools: tools.length, progress: progress.length,
  first: first.structuredContent, second: second.structuredContent, failed: failed.isError, unknown: unknown.code,
}));
await client.close();
