// Fields of a form. A field reads its value, undefined if it is omitted, and shows its errors.

class Unreadable extends Error {
  constructor(at, message) {
    super(message);
    this.at = at;
  }
}

let ids = 0;
const INPUT_TYPES = { date: "date", time: "text", email: "email", uri: "url" };

function hints(schema) {
  const said = [
    schema.description,
    schema.format && `Format: ${schema.format}.`,
    schema.pattern && `Pattern: ${schema.pattern}`,
    (schema.minimum ?? schema.maximum) !== undefined && range(schema.minimum, schema.maximum),
    (schema.minLength ?? schema.maxLength) !== undefined && `${range(schema.minLength, schema.maxLength)} characters`,
  ];
  return said.filter(Boolean);
}

function range(low, high) {
  if (low === undefined) return `At most ${high}`;
  return high === undefined ? `At least ${low}` : `${low} to ${high}`;
}

function placeholder(schema) {
  const example = schema.examples?.[0];
  return example === undefined ? undefined : pretty(example);
}

// The input of a scalar value, and how it is parsed.
function control(schema, kind, required) {
  const preset = schema.default ?? schema.const;
  if (kind === "enum") return choice(schema.enum, preset, required);
  if (kind === "boolean" && !required) return choice([true, false], preset, false);
  if (kind === "boolean") {
    const box = make("input", { type: "checkbox", checked: preset === true });
    return { input: box, read: () => box.checked };
  }
  const long = kind === "json" || (kind === "string" && !schema.format && !(schema.maxLength <= 120));
  const input = long
    ? make("textarea", { rows: kind === "json" ? "5" : "3", placeholder: placeholder(schema) })
    : make("input", { type: INPUT_TYPES[schema.format] ?? "text", placeholder: placeholder(schema), autocomplete: "off" });
  if (kind === "json") input.className = "code";
  if (kind === "number" || kind === "integer") input.inputMode = kind === "integer" ? "numeric" : "decimal";
  if (preset !== undefined) input.value = kind === "json" ? JSON.stringify(preset, null, 2) : String(preset);
  const read = { string: readText, json: readJson, number: readNumber, integer: readNumber }[kind];
  return { input, read: () => read(input.value, required) };
}

const readText = (text, required) => (text || required ? text : undefined);

const readJson = (text) => (text.trim() ? JSON.parse(text) : undefined);

// An invalid number is sent as typed: the server reports what it expected.
function readNumber(text) {
  const typed = text.trim();
  if (!typed) return undefined;
  return Number.isFinite(Number(typed)) ? Number(typed) : typed;
}

function choice(values, preset, required) {
  const input = make("select", {});
  if (!required || preset === undefined) input.append(make("option", { value: "" }, required ? "Choose…" : "Left out"));
  values.forEach((value, index) => {
    input.append(make("option", { value: String(index), selected: value === preset }, value === null ? "null" : String(value)));
  });
  return { input, read: () => (input.value === "" ? undefined : values[Number(input.value)]) };
}

const mark = (required) => (required ? [" ", make("span", { class: "mark" }, "required")] : []);

function titled(key, schema, kind, required) {
  const type = kind === "json" ? "JSON" : kind;
  return [schema.title ?? key, " ", make("span", { class: "type" }, type), ...mark(required)];
}

class Field {
  constructor(key, schema, kind, at, required) {
    const id = `field-${(ids += 1)}`;
    this.at = at;
    const { input, read } = control(schema, kind, required);
    this.input = input;
    this.reading = read;
    this.hint = make("p", { class: "hint", id: `${id}-hint` }, hints(schema).join(" · "));
    this.wrong = make("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
    input.id = id;
    input.setAttribute("aria-describedby", `${id}-hint ${id}-wrong`);
    if (required) input.setAttribute("aria-required", "true");
    if (input.type === "checkbox") input.removeAttribute("aria-required");
    const label = make("label", { for: id }, ...titled(key, schema, kind, required));
    const check = input.type === "checkbox";
    this.hint.hidden = !this.hint.textContent;
    this.element = make(
      "div",
      { class: check ? "field check" : "field" },
      ...(check ? [input, label, this.hint, this.wrong] : [label, this.hint, input, this.wrong]),
    );
  }

  get all() {
    return [this];
  }

  read() {
    try {
      return this.reading();
    } catch (error) {
      throw new Unreadable(this.at, `This is not JSON: ${error.message}`);
    }
  }

  fail(message) {
    this.wrong.textContent = this.wrong.textContent ? `${this.wrong.textContent}; ${message}` : message;
    this.wrong.hidden = false;
    this.input.setAttribute("aria-invalid", "true");
  }

  clear() {
    this.wrong.textContent = "";
    this.wrong.hidden = true;
    this.input.removeAttribute("aria-invalid");
  }
}
