// The conversation: its session, its running turn, and the messages in the queue.

const SESSION = "omnia.session";
const SESSION_FORM = /^[A-Za-z0-9._:-]{1,128}$/;
// Errors of one frame: the turn continues.
const BESIDE = ["TOOL_FAILED", "MEDIA_NOT_ENABLED", "UPLOAD_FAILED"];

const name = byId("name").textContent;
const log = byId("log");
const message = byId("message");
const attachments = new Attachments();
const queue = [];
let running = null;
let session = "";
const agentTitle = document.title;
let announced = "";
let resuming = sessionStorage.getItem(SESSION) ?? "";
let said = resuming !== "";
let upload = null;

const connection = new Connection({
  state(kind, text) {
    showState(kind, text);
    if (kind === "open") admitted();
  },
  frame: receive,
  lost() {
    announced = "";
    upload?.reject(new Refused(0, "CONNECTION_LOST", "The connection was lost during the upload."));
    if (running) fail("CONNECTION_LOST", "The connection was lost before the answer was complete.");
  },
  wanted() {
    resuming ||= said ? session : "";
    return resuming;
  },
});

function receive(frame) {
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  handle(frame);
  if (follows) log.scrollTop = log.scrollHeight;
}

function handle(frame) {
  switch (frame.type) {
    case "connected":
      if (frame.connected?.resumed) {
        entitle(frame.connected.session_name);
        const isFirst = !session;
        adopt(frame.session_id, "");
        if (isFirst) showPast(frame.session_id);
      } else {
        announced = frame.session_id;
        if (!resuming) {
          entitle("");
          adopt(announced, "");
        }
      }
      break;
    case "chunk":
      if (!frame.role || frame.role === "assistant") running?.chunk(frame.content);
      break;
    case "tool_call":
      running?.call(frame.tool_call, (answer) => connection.send({ ...answer, session_id: session }));
      break;
    case "tool_result":
      running?.result(frame.tool_result);
      break;
    case "media_chunk":
      running?.piece(frame.media_chunk);
      break;
    case "upload_ready":
      upload?.resolve(frame.upload_ready);
      break;
    case "done":
      running?.done(frame);
      if (frame.session_name) entitle(frame.session_name);
      next();
      break;
    case "error":
      refuse(frame.error);
  }
}

function refuse({ code, message: why }) {
  if (resuming && !running) {
    const lost = code === "SESSION_EXPIRED" || code === "SESSION_NOT_FOUND";
    adopt(lost ? announced : resuming, lost ? "That conversation no longer exists. A new one was started." : `${code}: ${why}`);
    return;
  }
  if (upload && [...BESIDE, "RATE_LIMITED"].includes(code)) {
    if (code === "MEDIA_NOT_ENABLED") upload.resolve(null);
    else upload.reject(new Refused(0, code, why));
  } else if (!running || BESIDE.includes(code) || (code === "INVALID_MESSAGE" && running.begun)) {
    note(`${code}: ${why}`);
  } else {
    if (code === "SESSION_EXPIRED") forgetSession();
    fail(code, why);
  }
}

// Show what the session is about.
function entitle(name) {
  document.title = name ? `${name} · ${agentTitle}` : agentTitle;
}

// Resume a session.
function adopt(id, news) {
  said = id !== announced;
  session = id;
  resuming = "";
  byId("session").value = id;
  if (said) sessionStorage.setItem(SESSION, id);
  if (news) note(news);
  pump();
}

function forgetSession() {
  entitle("");
  said = false;
  session = announced;
  byId("session").value = session;
  sessionStorage.removeItem(SESSION);
}

function note(text) {
  byId("empty")?.remove();
  log.append(make("p", { class: "note" }, text));
  log.scrollTop = log.scrollHeight;
}

function say(text, files) {
  byId("empty")?.remove();
  const turn = new Turn(text, files, name);
  log.append(turn.mine, turn.answer);
  log.scrollTop = log.scrollHeight;
  queue.push(turn);
  pump();
}

function pump() {
  if (running || resuming || !session || !connection.isOpen || queue.length === 0) return;
  running = queue.shift();
  running.start();
  showRunning();
  log.scrollTop = log.scrollHeight;
  deliver(running);
}

async function deliver(turn) {
  const frame = { type: "message", session_id: session };
  if (turn.files.length === 0) {
    frame.content = turn.text;
  } else {
    try {
      const text = turn.text ? [{ type: "text", text: turn.text }] : [];
      frame.parts = [...text, ...(await mediaParts(turn.files, requestUpload))];
    } catch (error) {
      if (turn === running) fail(error.code ?? "UPLOAD_FAILED", error.message);
      return;
    }
  }
  // The turn may have been stopped meanwhile, or the connection lost.
  if (turn !== running) return;
  said = true;
  sessionStorage.setItem(SESSION, session);
  connection.send(frame);
}

function requestUpload(file, mime_type) {
  const asked = Promise.withResolvers();
  upload = asked;
  connection.send({
    type: "upload_request",
    session_id: session,
    upload_request: { filename: file.name, mime_type, size_bytes: file.size },
  });
  return asked.promise.finally(() => (upload = null));
}

function fail(code, why) {
  const turn = running;
  turn.fail(code, why, (event) => {
    event.target.remove();
    say(turn.text, turn.files);
  });
  next();
}

function next() {
  running = null;
  showRunning();
  pump();
}

function stop() {
  if (!running) return;
  byId("cancel").disabled = true;
  if (upload) upload.reject(new Refused(0, "STOPPED", "The upload was stopped."));
  else connection.send({ type: "cancel" });
}

function showRunning() {
  byId("cancel").hidden = !running;
  byId("cancel").disabled = false;
}

function begin(id) {
  queue.length = 0;
  session = "";
  said = id !== "";
  resuming = id;
  if (!id) sessionStorage.removeItem(SESSION);
  connection.open();
  log.replaceChildren();
  message.focus();
}
