// Says each message of the command line after the other's answer, and prints every frame as a line of JSON.
// node talk.mjs URL MESSAGE...
import WebSocket from "ws";

const [url, ...messages] = process.argv.slice(2);
const socket = new WebSocket(url);

const next = () => {
  const content = messages.shift();
  if (content === undefined) socket.close();
  else socket.send(JSON.stringify({ type: "message", content }));
};

socket.on("open", next);
socket.on("message", (data) => {
  const frame = JSON.parse(data.toString());
  console.log(JSON.stringify(frame));
  if (frame.type === "done" || frame.type === "error") next();
});
socket.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
