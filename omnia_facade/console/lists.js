// Fields that contain others: objects and arrays.

class Group {
  constructor(key, schema, document, at, required, depth) {
    this.at = at;
    this.required = required;
    const must = schema.required ?? [];
    this.fields = Object.entries(schema.properties).map(([name, property]) => [
      name,
      fieldFor(name, resolved(property, document), document, pointer(at, name), must.includes(name), depth + 1),
    ]);
    this.wrong = make("p", { class: "wrong", hidden: true });
    const inside = [this.wrong, ...this.fields.map(([, field]) => field.element)];
    this.element = at
      ? make("fieldset", {}, make("legend", {}, ...titled(key, schema, "object", required)), ...description(schema), ...inside)
      : make("div", {}, ...inside);
  }

  get all() {
    return [this, ...this.fields.flatMap(([, field]) => field.all)];
  }

  get input() {
    return this.fields[0]?.[1].input;
  }

  read() {
    const entries = this.fields.map(([name, field]) => [name, field.read()]);
    const given = entries.filter(([, value]) => value !== undefined);
    // A required text is present even if it is empty; it does not make an optional object present.
    const filled = given.some(([, value]) => value !== "" && value !== false);
    return filled || this.required || !this.at ? Object.fromEntries(given) : undefined;
  }

  fail(message) {
    this.wrong.textContent = this.wrong.textContent ? `${this.wrong.textContent}; ${message}` : message;
    this.wrong.hidden = false;
  }

  clear() {
    this.wrong.textContent = "";
    this.wrong.hidden = true;
  }
}

class List {
  #rows = [];

  constructor(key, schema, document, at, required) {
    this.at = at;
    this.key = schema.title ?? key;
    this.items = resolved(schema.items, document);
    this.kind = kindOf(this.items, document);
    this.required = required;
    this.list = make("ul", { class: "list" });
    this.wrong = make("p", { class: "wrong", hidden: true });
    this.input = make("button", { type: "button", class: "quiet", click: () => this.#add().focus() }, `Add to ${this.key}`);
    this.element = make(
      "fieldset",
      {},
      make("legend", {}, ...titled(key, schema, `list of ${this.kind}`, required)),
      ...description(schema),
      this.list,
      make("div", { class: "field" }, this.input, this.wrong),
    );
    for (const value of schema.default ?? []) this.#add(value);
  }

  get all() {
    return [this];
  }

  read() {
    const values = this.#rows.map((row) => row.read()).filter((value) => value !== undefined);
    return values.length || this.required ? values : undefined;
  }

  fail(message) {
    this.wrong.textContent = this.wrong.textContent ? `${this.wrong.textContent}; ${message}` : message;
    this.wrong.hidden = false;
  }

  clear() {
    this.wrong.textContent = "";
    this.wrong.hidden = true;
  }

  #add(value) {
    const schema = { ...this.items, maxLength: this.items.maxLength ?? 120, ...(value === undefined ? {} : { default: value }) };
    const row = control(schema, this.kind, this.kind === "string" || this.kind === "boolean");
    row.input.setAttribute("aria-label", `Item of ${this.key}`);
    const remove = () => {
      this.#rows = this.#rows.filter((each) => each !== row);
      item.remove();
      this.input.focus();
    };
    const item = make("li", {}, row.input, make("button", { type: "button", class: "quiet", "aria-label": `Remove this item of ${this.key}`, click: remove }, "×"));
    this.#rows.push(row);
    this.list.append(item);
    return row.input;
  }
}

const description = (schema) => (schema.description ? [make("p", { class: "hint" }, schema.description)] : []);

function fieldFor(key, schema, document, at, required, depth) {
  const kind = kindOf(schema, document, depth);
  if (kind === "group") return new Group(key, schema, document, at, required, depth);
  if (kind === "list") return new List(key, schema, document, at, required);
  return new Field(key, schema === true || schema === false ? {} : schema, kind, at, required);
}
