// The function: the form of its input, the call, and its result.

const form = byId("input");
let root = null;
let path = "";
let call = null;

async function load() {
  showState("connecting", "Loading");
  try {
    const openapi = await (await ask("openapi.json")).json();
    if (!root) show(openapi);
    admitted();
    showState("open", "Ready");
  } catch (refused) {
    if (refused.status === 401) askForCredential(`Needs a token: ${refused.message}`);
    else showState("refused", `The function's OpenAPI document cannot be read: ${refused.message}`);
  }
}

function show(openapi) {
  const [address, { post }] = Object.entries(openapi.paths)[0];
  path = address.replace(/^\//, "");
  const schema = resolved(post.requestBody.content["application/json"].schema, openapi);
  root = fieldFor("input", schema, openapi, "", true, 0);
  byId("fields").replaceChildren(root.element);
  byId("call").disabled = false;
  root.input?.focus();
}

async function send() {
  for (const field of root.all) field.clear();
  byId("summary").hidden = true;
  let body;
  try {
    body = JSON.stringify(root.read() ?? null);
  } catch (unreadable) {
    mistakes([{ at: unreadable.at, message: unreadable.message }]);
    return;
  }
  call = new AbortController();
  showRunning(true);
  const began = performance.now();
  try {
    const options = { method: "POST", headers: { "Content-Type": "application/json" }, body, signal: call.signal };
    const response = await ask(path, options);
    showAnswer(await response.json(), performance.now() - began);
  } catch (error) {
    if (error.name === "AbortError") showError({ code: "STOPPED", message: "The call was stopped." });
    else if (error.status === 401) askForCredential(`Needs a token: ${error.message}`);
    else showError(error);
  } finally {
    call = null;
    showRunning(false);
  }
}

function mistakes(found) {
  const summary = byId("summary");
  summary.replaceChildren(make("code", {}, "input_invalid"), " The input does not fit the function's schema.");
  summary.hidden = false;
  let first = null;
  for (const { at, message } of found) {
    const field = nearest(root.all, at);
    if (field) field.fail(field.at === at ? message : `${at}: ${message}`);
    else summary.append(` ${at || "(root)"}: ${message}`);
    first ??= field?.input;
  }
  first?.focus();
}

function showAnswer({ output, invocation_id, duration_ms, usage }, milliseconds) {
  const facts = {
    Usage: usageFacts(usage).join(" · "),
    Duration: `${seconds(duration_ms)} in the facade, ${seconds(milliseconds)} in all`,
    Invocation: invocation_id,
  };
  const shown = Object.entries(facts).filter(([, fact]) => fact);
  showResult(
    make("pre", { tabindex: "0", "aria-label": "Output" }, JSON.stringify(output, null, 2)),
    make("dl", {}, ...shown.flatMap(([title, fact]) => [make("dt", {}, title), make("dd", {}, fact)])),
  );
}

function showError(error) {
  const found = error.code === "input_invalid" ? violations(error.message) : [];
  if (found.length) {
    mistakes(found);
    return;
  }
  const raw = error.body?.raw_output;
  showResult(
    make("div", { class: "error", role: "alert" }, make("strong", {}, error.code), ` ${error.message}`),
    ...(raw === undefined ? [] : [make("h3", {}, "Output of the model"), make("pre", { tabindex: "0" }, pretty(raw))]),
  );
}

function showResult(...elements) {
  byId("empty").hidden = true;
  byId("result").hidden = false;
  byId("result").replaceChildren(...elements);
}

function showRunning(running) {
  byId("cancel").hidden = !running;
  byId("call").disabled = running;
  if (running) showState("open", "Calling");
  else if (byId("state").dataset.state === "open") showState("open", "Ready");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (root && !call) send();
});
byId("cancel").addEventListener("click", () => call?.abort());
addEventListener("keydown", (event) => {
  if (event.key === "Escape") call?.abort();
});
beginCredential(load);
load();
