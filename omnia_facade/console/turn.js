// One turn: the message of the user, and the answer.

const REASONS = {
  cancelled: "stopped",
  max_output_tokens: "cut at the output limit",
  safety: "held back",
  refusal: "refused",
  tool_use: "ended with a tool call",
};

// A sign that something is still to come, with the seconds since then.
class Waiting {
  #began = 0;
  #timer = 0;
  #seconds = make("span", {});
  // Screen readers are told that the answer is busy, not each second.
  #sign = make("p", { class: "waiting", "aria-hidden": "true" }, make("i"), make("i"), make("i"), this.#seconds);

  begin(place) {
    this.end();
    this.#began = performance.now();
    this.#seconds.textContent = "";
    this.#timer = setInterval(() => {
      this.#seconds.textContent = `waiting, ${Math.round((performance.now() - this.#began) / 1000)} s`;
    }, 1000);
    place.before(this.#sign);
  }

  end() {
    clearInterval(this.#timer);
    this.#sign.remove();
  }
}

class Turn {
  #said = document.createTextNode("");
  #calls = new Map();
  #streams = new MediaStreams();
  #heard = false;
  #text = "";
  #waiting = new Waiting();
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
    this.#waiting.begin(this.facts);
  }

  // Shows what was said earlier: the messages that follow the one of the user.
  async recall(messages, said) {
    this.facts.textContent = "";
    this.answer.append(this.facts);
    this.answer.hidden = messages.length === 0;
    this.body.append(this.#said);
    const media = [];
    let reason = "";
    for (const message of messages) {
      if (message.role === "tool") {
        this.#calls.get(message.tool_call_id)?.result(message);
        continue;
      }
      if (message.content) this.#say(this.#said.data ? `\n\n${message.content}` : message.content);
      for (const call of message.tool_calls ?? []) this.call(call);
      media.push(...(message.media ?? []));
      reason = REASONS[message.finish_reason] ?? "";
    }
    this.#end([said ? new Date(said).toLocaleString() : "", reason]);
    for (const each of media) this.media.append(await shownMedia(each));
  }

  chunk(text) {
    this.#arrived();
    this.#waiting.end();
    this.#heard = true;
    this.#say(text);
  }

  call(body, send) {
    this.#arrived();
    this.#waiting.end();
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
    // The model is asked again.
    this.#waiting.begin(this.facts);
  }

  piece(chunk) {
    this.#arrived();
    const element = this.#streams.take(chunk);
    if (element) this.media.append(element);
  }

  async done(frame) {
    if (frame.content && (!this.#heard || this.#calls.size === 0)) this.#said.data = this.#text = frame.content;
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

  #say(text) {
    this.#text += text;
    this.#said.appendData(text);
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
    this.#waiting.end();
    for (const call of this.#calls.values()) call.end();
    this.#settle();
    this.facts.replaceChildren(...facts.filter(Boolean).map((fact) => make("span", {}, fact)));
    if (this.#text) this.facts.append(...copyButton("Copy the answer", () => this.#text));
    this.answer.setAttribute("aria-busy", "false");
  }

  #times() {
    const first = this.#first ? [`first after ${seconds(this.#first - this.#began)}`] : [];
    return [...first, `${seconds(performance.now() - this.#began)} in all`];
  }
}
