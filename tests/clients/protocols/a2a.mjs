// The official A2A client for JavaScript against an agent: node a2a.mjs URL BINDING. Prints one JSON object.
import { randomUUID } from "node:crypto";
import { verifyAgentCardSignature, TaskState } from "@a2a-js/sdk";
import { ClientFactory, ClientFactoryOptions } from "@a2a-js/sdk/client";

const [url, binding] = process.argv.slice(2);
const said = (text) => ({
  tenant: "",
  message: {
    messageId: randomUUID(), contextId: "", taskId: "", role: 1,
    parts: [{ content: { $case: "text", value: text }, metadata: undefined, filename: "", mediaType: "" }],
    metadata: undefined, extensions: [], referenceTaskIds: [],
  },
  configuration: undefined, metadata: undefined,
});
const textOf = (parts) => parts.map((part) => part.content.value).join("");
const answerOf = (task) => task.artifacts.map((artifact) => textOf(artifact.parts)).join("");

/** Put a stream together; stop after so many events. */
async function read(stream, stopAfter = Infinity) {
  const found = { text: "", states: [], events: 0 };
  for await (const { payload } of stream) {
    found.events += 1;
    if (payload.$case === "task") {
      found.id = payload.value.id;
      found.text = answerOf(payload.value);
    } else if (payload.$case === "statusUpdate") {
      found.states.push(TaskState[payload.value.status.state]);
    } else if (payload.$case === "artifactUpdate") {
      const piece = textOf(payload.value.artifact.parts);
      found.text = payload.value.append ? found.text + piece : piece;
    }
    if (found.events === stopAfter) break;
  }
  return found;
}

const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, { preferredTransports: [binding] });
const client = await new ClientFactory(options).createFromUrl(url);
const result = {};
result.streamed = await read(client.sendMessageStream(said("slowly please")));
const cut = await read(client.sendMessageStream(said("slowly please")), 5);
result.resubscribed = await read(client.resubscribeTask({ tenant: "", id: cut.id }));
const task = await client.getTask({ tenant: "", id: cut.id, historyLength: undefined });
result.got = answerOf(task);
const running = await read(client.sendMessageStream(said("slowly please")), 4);
const canceled = await client.cancelTask({ tenant: "", id: running.id, metadata: undefined });
result.canceled = TaskState[canceled.status.state];
const listed = await client.listTasks({
  tenant: "", contextId: "", status: 0, pageSize: undefined, pageToken: "",
  historyLength: undefined, statusTimestampAfter: undefined, includeArtifacts: undefined,
});
result.listed = listed.totalSize;
const card = await client.getAgentCard();
if (card.signatures?.length) {
  const { keys } = await (await fetch(`${url}/.well-known/jwks.json`)).json();
  await verifyAgentCardSignature(async (kid) => keys.find((key) => key.kid === kid))(card);
  result.verified = true;
}
console.log(JSON.stringify(result));
