// A tool call: its arguments, its result and, for a client tool, the form to answer it.

const WORDS = {
  running: "running",
  done: "done",
  failed: "failed",
  asked: "needs your answer",
  ended: "no answer",
};

class ToolCall {
  // `send` sends the frames that answer a call of a client tool.
  constructor(call, send) {
    this.id = call.id;
    this.name = call.name;
    this.send = send;
    this.how = make("span", { class: "how" });
    this.inside = make("div", { class: "inside" });
    this.inside.append(make("h3", {}, "Arguments"), make("pre", { tabindex: "0" }, pretty(call.arguments)));
    this.element = make(
      "details",
      { class: "tool" },
      make("summary", {}, make("span", { class: "name" }, call.name), " ", this.how),
      this.inside,
    );
    if (call.execution === "client") this.#ask(call);
    else this.#become("running");
  }

  get isOpen() {
    return ["running", "asked"].includes(this.element.dataset.how);
  }

  result(body) {
    const failed = body.error !== undefined;
    this.#show(failed ? "Error" : "Result", failed ? body.error : body.result);
    this.#become(failed ? "failed" : "done");
  }

  // The turn has ended: an answer is no longer accepted.
  end() {
    if (!this.isOpen) return;
    this.form?.remove();
    this.#become("ended");
  }

  #ask(call) {
    this.send({ type: "tool_call_ack", tool_call_ack: { call_id: call.id } });
    const result = make("textarea", { class: "code", rows: "3", spellcheck: "false", "aria-label": `Result of ${call.name}, as JSON` });
    result.value = "{}";
    const wrong = make("p", { class: "wrong", role: "alert", hidden: true });
    const answer = (event) => {
      event.preventDefault();
      let value;
      try {
        value = JSON.parse(result.value);
      } catch (error) {
        wrong.textContent = `This is not JSON: ${error.message}`;
        wrong.hidden = false;
        result.focus();
        return;
      }
      this.#answered({ result: value }, { type: "tool_result", tool_result: { call_id: this.id, result: value } });
    };
    const reason = make("input", { "aria-label": `Why ${call.name} is rejected`, placeholder: "Reason (optional)" });
    const reject = () => {
      const why = reason.value.trim() || "the user rejected the call";
      this.#answered({ error: why }, { type: "tool_call_nack", tool_call_nack: { call_id: this.id, reason: why } });
    };
    this.form = make(
      "form",
      { submit: answer },
      ...(call.consent_message ? [make("p", {}, call.consent_message)] : []),
      result,
      wrong,
      make("div", { class: "row" }, make("button", { type: "submit", class: "primary" }, "Send result")),
      make("div", { class: "row" }, reason, make("button", { type: "button", click: reject }, "Reject")),
    );
    this.inside.append(this.form);
    this.element.open = true;
    this.#become("asked");
  }

  #answered(body, frame) {
    this.form.remove();
    this.send(frame);
    this.result(body);
    byId("message").focus();
  }

  #show(title, value) {
    this.inside.append(make("h3", {}, title), make("pre", { tabindex: "0" }, pretty(value)));
  }

  #become(how) {
    this.element.dataset.how = how;
    this.how.textContent = WORDS[how];
  }
}
