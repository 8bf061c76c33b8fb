// One turn: the message of the user, and the answer.

const REASONS = {
  cancelled: "stopped",
  max_output_tokens: "cut at the output limit",
  safety: "held back",
  refusal: "refused",
  tool_use: "ended with a tool call",
};

class Turn {
  #said = document.createTextNode("");
  #calls = new Map();
  #streams = new MediaStreams();
  #heard = false;
  #began = 0;
  #first = 0;

  constructor(text, files, agent) {
    this.text = text;
    this.files = files;
    this.begun = false;
    this.body = make("div", { class: "text" });
    this.media = make("div", { class: "media" });
    this.facts = make("p", { class: "facts" }, "waiting");
    this.mine = make("article", { class: "message user", "aria-label": "You" }, make("div", { class: "text" }, text));
    if (files.length) {
      this.mine.append(make("ul", { class: "names" }, ...files.map((file) => make("li", {}, `${file.name} (${size(file.size)})`))));
    }
    this.answer = make("article", { class: "message agent", "aria-label": agent }, this.body, this.media, this.facts);
    this.answer.hidden = true;
    this.mine.append(this.facts);
  }

  start() {
    this.#began = performance.now();
    this.facts.textContent = "";
    this.answer.append(this.facts);
    this.answer.hidden = false;
    // Screen readers announce the complete answer, not each word.
    this.answer.setAttribute("aria-busy", "true");
    this.body.append(this.#said);
  }

  chunk(text) {
    this.#arrived();
    this.#heard = true;
    this.#said.appendData(text);
  }

  call(body, send) {
    this.#arrived();
    const call = new ToolCall(body, send);
    this.#calls.set(body.id, call);
    // Text after a tool call is placed below it.
    this.#settle();
    this.#said = document.createTextNode("");
    this.body = make("div", { class: "text" }, this.#said);
    this.media.before(call.element, this.body);
    if (call.form) call.form.querySelector("textarea").focus();
  }

  result(body) {
    this.#arrived();
    this.#calls.get(body.id)?.result(body);
  }

  piece(chunk) {
    this.#arrived();
    const element = this.#streams.take(chunk);
    if (element) this.media.append(element);
  }

  async done(frame) {
    if (frame.content && (!this.#heard || this.#calls.size === 0)) this.#said.data = frame.content;
    this.#end([...usageFacts(frame.usage), ...this.#times(), REASONS[frame.finish_reason] ?? ""]);
    for (const part of frame.parts ?? []) {
      if (part.media) this.media.append(await shownMedia(part.media));
    }
  }

  // `again` sends the message again.
  fail(code, message, again) {
    this.#end(this.#times());
    this.facts.before(
      make(
        "div",
        { class: "error", role: "alert" },
        make("strong", {}, code),
        ` ${message}`,
        make("button", { type: "button", click: again }, "Send again"),
      ),
    );
  }

  #arrived() {
    this.begun = true;
    this.#first ||= performance.now();
  }

  #settle() {
    if (this.#said.data) this.body.replaceChildren(...rendered(this.#said.data));
    else this.body.remove();
  }

  #end(facts) {
    for (const call of this.#calls.values()) call.end();
    this.#settle();
    this.facts.replaceChildren(...facts.filter(Boolean).map((fact) => make("span", {}, fact)));
    this.answer.setAttribute("aria-busy", "false");
  }

  #times() {
    const first = this.#first ? [`first after ${seconds(this.#first - this.#began)}`] : [];
    return [...first, `${seconds(performance.now() - this.#began)} in all`];
  }
}
