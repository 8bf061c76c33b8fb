// Goes through the protocol with a facade, and prints what it saw as a line of JSON for each step.
// node protocol.mjs URL
import WebSocket from "ws";

const [url] = process.argv.slice(2);
const LIMIT = 10_000;
const IS_LAST = 4;

// A connection: what comes is kept in order until it is asked for.
function open(address) {
  const socket = new WebSocket(address, ["omnia.v1"]);
  const kept = [];
  let waiting;
  const deliver = (entry) => (waiting ? waiting(entry) : kept.push(entry));
  socket.on("message", (data, isBinary) => deliver(isBinary ? unpack(data) : JSON.parse(data)));
  socket.on("close", (code) => deliver({ type: "closed", code }));
  socket.on("error", (error) => fail(error.message));
  const next = () =>
    new Promise((resolve) => {
      if (kept.length) return resolve(kept.shift());
      const timer = setTimeout(() => fail("nothing came"), LIMIT);
      waiting = (entry) => {
        clearTimeout(timer);
        waiting = undefined;
        resolve(entry);
      };
    });
  const until = async (...types) => {
    const frames = [await next()];
    while (!types.includes(frames.at(-1).type)) frames.push(await next());
    return frames;
  };
  const send = (type, fields) => socket.send(JSON.stringify({ type, ...fields }));
  return { socket, next, until, send };
}

function pack(payload, sequence, flags) {
  const header = Buffer.alloc(32);
  header.write("OMNI", 0);
  header.writeUInt8(1, 4);
  header.writeUInt8(flags, 5);
  header.writeUInt16BE(1, 6);
  header.writeUInt32BE(payload.length, 12);
  header.writeUInt32BE(sequence, 16);
  return Buffer.concat([header, payload]);
}

function unpack(data) {
  const about = data.readUInt32BE(8);
  return {
    type: "binary",
    last: Boolean(data.readUInt8(5) & IS_LAST),
    payload: data.subarray(32 + about).toString(),
  };
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

const told = (step, frames) => console.log(JSON.stringify({ step, frames }));

const first = open(`${url}?binary=true`);
const announced = await first.next();
told("connected", [announced]);

first.send("message", { content: "hello" });
told("chat", await first.until("done"));

first.send("message", { content: "ask" });
const [call] = await first.until("tool_call");
first.send("tool_call_ack", { tool_call_ack: { call_id: call.tool_call.id } });
first.send("tool_result", { tool_result: { call_id: call.tool_call.id, result: { city: "Bern" } } });
told("tool", [call, ...(await first.until("done"))]);

first.send("message", { content: "slow" });
await first.until("chunk");
first.send("cancel", {});
told("cancel", await first.until("done"));

first.socket.send(pack(Buffer.from("one"), 0, 0));
first.socket.send(pack(Buffer.from("two"), 1, IS_LAST));
told("binary", await first.until("done"));
first.socket.close(1000);
told("closed", await first.until("closed"));

const second = open(`${url}?session_id=${announced.session_id}`);
await second.next();
told("resumed", [await second.next()]);
second.send("message", { content: "again" });
told("chat again", await second.until("done"));
second.socket.close(1000);
