// The fields of a form, apart from how they are drawn. A field reads its value; undefined is left out.

import { isSchema, kindOf, pointer, resolved, type Kind, type Schema } from "./schema";

// What was typed is not JSON.
export class Unreadable extends Error {
  constructor(
    readonly at: string,
    message: string,
  ) {
    super(message);
  }
}

interface Parts {
  key: string;
  schema: Schema;
  at: string;
  required: boolean;
}

let ids = 0;

export abstract class Field {
  readonly id = `field-${(ids += 1)}`;
  readonly key: string;
  readonly schema: Schema;
  readonly at: string;
  readonly required: boolean;
  // What the server, or the field itself, found wrong.
  wrong = "";
  // The first element that can be focused.
  input: HTMLElement | null = null;

  constructor({ key, schema, at, required }: Parts) {
    this.key = key;
    this.schema = schema;
    this.at = at;
    this.required = required;
  }

  get title(): string {
    return this.schema.title ?? this.key;
  }

  get all(): Field[] {
    return [this];
  }

  fail(message: string): void {
    this.wrong = this.wrong ? `${this.wrong}; ${message}` : message;
  }

  abstract read(): unknown;
}

export type ScalarKind = Exclude<Kind, "list" | "group">;

export class Scalar extends Field {
  // What is typed: text, the index of a choice, or whether a box is checked.
  value: string | boolean;

  constructor(
    parts: Parts,
    readonly kind: ScalarKind,
  ) {
    super(parts);
    this.value = this.#preset();
  }

  // A boolean that may be left out is a choice of three.
  get isBox(): boolean {
    return this.kind === "boolean" && this.required;
  }

  // The choices of a select; null for other inputs.
  get choices(): unknown[] | null {
    if (this.kind === "enum") return this.schema.enum!;
    return this.kind === "boolean" && !this.required ? [true, false] : null;
  }

  get isLong(): boolean {
    const { format, maxLength = Infinity } = this.schema;
    return this.kind === "json" || (this.kind === "string" && !format && maxLength > 120);
  }

  get hasPreset(): boolean {
    return (this.schema.default ?? this.schema.const) !== undefined;
  }

  read(): unknown {
    if (this.isBox) return this.value;
    const typed = String(this.value);
    if (this.choices) return typed === "" ? undefined : this.choices[Number(typed)];
    if (this.kind === "string") return typed || this.required ? typed : undefined;
    if (!typed.trim()) return undefined;
    if (this.kind === "json") {
      try {
        return JSON.parse(typed);
      } catch (error) {
        throw new Unreadable(this.at, `This is not JSON: ${(error as Error).message}`);
      }
    }
    // An invalid number is sent as typed: the server says what it expected.
    return Number.isFinite(Number(typed)) ? Number(typed) : typed.trim();
  }

  #preset(): string | boolean {
    const preset = this.schema.default ?? this.schema.const;
    if (this.isBox) return preset === true;
    if (preset === undefined) return "";
    if (this.choices) {
      const index = this.choices.indexOf(preset);
      return index < 0 ? "" : String(index);
    }
    return this.kind === "json" ? JSON.stringify(preset, null, 2) : String(preset);
  }
}

export class Group extends Field {
  readonly fields: Field[];

  constructor(parts: Parts, document: object, depth: number) {
    super(parts);
    const must = this.schema.required ?? [];
    this.fields = Object.entries(this.schema.properties!).map(([name, property]) =>
      fieldFor(name, resolved(property, document), document, pointer(this.at, name), must.includes(name), depth + 1),
    );
  }

  override get all(): Field[] {
    return [this, ...this.fields.flatMap((field) => field.all)];
  }

  read(): unknown {
    const given = this.fields.map((field) => [field.key, field.read()] as const).filter(([, value]) => value !== undefined);
    // A required text is present even if it is empty; it does not make an optional object present.
    const isFilled = given.some(([, value]) => value !== "" && value !== false);
    return isFilled || this.required || !this.at ? Object.fromEntries(given) : undefined;
  }
}

export class List extends Field {
  rows: Scalar[] = [];
  readonly kind: ScalarKind;
  readonly #items: Schema;

  constructor(parts: Parts, document: object) {
    super(parts);
    const items = resolved(this.schema.items, document);
    this.kind = kindOf(items, document) as ScalarKind;
    // Items are one line each.
    this.#items = isSchema(items) ? { ...items, maxLength: items.maxLength ?? 120 } : {};
    const preset = Array.isArray(this.schema.default) ? this.schema.default : [];
    for (const value of preset) this.add(value);
  }

  add(value?: unknown): Scalar {
    const schema = value === undefined ? this.#items : { ...this.#items, default: value };
    const required = this.kind === "string" || this.kind === "boolean";
    const row = new Scalar({ key: this.title, schema, at: this.at, required }, this.kind);
    this.rows = [...this.rows, row];
    return row;
  }

  remove(row: Scalar): void {
    this.rows = this.rows.filter((each) => each !== row);
  }

  read(): unknown {
    const values = this.rows.map((row) => row.read()).filter((value) => value !== undefined);
    return values.length || this.required ? values : undefined;
  }
}

export function fieldFor(
  key: string,
  schema: Schema | boolean,
  document: object,
  at: string,
  required: boolean,
  depth = 0,
): Field {
  const kind = kindOf(schema, document, depth);
  const parts = { key, schema: isSchema(schema) ? schema : {}, at, required };
  if (kind === "group") return new Group(parts, document, depth);
  if (kind === "list") return new List(parts, document);
  return new Scalar(parts, kind);
}
