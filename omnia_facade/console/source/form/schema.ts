// Which field a JSON Schema gets. A schema that is no form gets a field for JSON text.

export interface Schema {
  $ref?: string;
  type?: string;
  title?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  required?: string[];
  properties?: Record<string, Schema | boolean>;
  additionalProperties?: unknown;
  items?: Schema | boolean;
}

export type Kind = "string" | "number" | "integer" | "boolean" | "enum" | "json" | "list" | "group";

const MAX_DEPTH = 4;
const MAX_HOPS = 8;
const SCALARS = ["string", "number", "integer", "boolean"];
// A schema with one of these keywords cannot be shown as one field.
const BEYOND = ["oneOf", "anyOf", "allOf", "not", "if", "patternProperties", "prefixItems", "dependentSchemas"];

// Follows references inside the document, up to a limit: they may be circular.
export function resolved(schema: Schema | boolean | undefined, document: object): Schema | boolean {
  let found: unknown = schema;
  for (let hops = 0; hops < MAX_HOPS && isSchema(found) && typeof found.$ref === "string"; hops += 1) {
    const steps = found.$ref.replace(/^#\/?/, "").split("/").filter(Boolean);
    const target = steps.reduce<unknown>(
      (place, step) =>
        (place as Record<string, unknown> | undefined)?.[
          decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~")
        ],
      document,
    );
    const { $ref: _, ...beside } = found;
    found = isSchema(target) ? { ...target, ...beside } : target;
  }
  return (found as Schema | boolean | undefined) ?? true;
}

export function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null;
}

export function kindOf(schema: Schema | boolean, document: object, depth = 0): Kind {
  if (!isSchema(schema) || schema.$ref || BEYOND.some((word) => word in schema)) return "json";
  if (Array.isArray(schema.enum)) {
    return schema.enum.every((value) => value === null || typeof value !== "object") ? "enum" : "json";
  }
  if (SCALARS.includes(schema.type ?? "")) return schema.type as Kind;
  if (schema.type === "array" && schema.items) {
    const items = kindOf(resolved(schema.items, document), document, depth + 1);
    return [...SCALARS, "enum"].includes(items) ? "list" : "json";
  }
  const isClosed = !isSchema(schema.additionalProperties);
  return schema.type === "object" && schema.properties && isClosed && depth < MAX_DEPTH ? "group" : "json";
}

export const pointer = (parent: string, key: string): string =>
  `${parent}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
