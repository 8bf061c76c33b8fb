// Maps a JSON Schema to a kind of field. Other schemas get a field for JSON text.

const MAX_DEPTH = 4;
const SCALARS = ["string", "number", "integer", "boolean"];
// A schema with one of these keywords cannot be shown as one field.
const BEYOND = ["oneOf", "anyOf", "allOf", "not", "if", "patternProperties", "prefixItems", "dependentSchemas"];

// Resolves references inside the document, up to a limit: they may be circular.
function resolved(schema, document) {
  let found = schema;
  for (let hops = 0; hops < 8 && typeof found?.$ref === "string"; hops += 1) {
    const steps = found.$ref.replace(/^#\/?/, "").split("/").filter(Boolean);
    const target = steps.reduce(
      (place, step) => place?.[decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~")],
      document,
    );
    const { $ref, ...beside } = found;
    found = typeof target === "object" ? { ...target, ...beside } : target;
  }
  return found ?? true;
}

function kindOf(schema, document, depth = 0) {
  if (typeof schema !== "object" || schema.$ref || BEYOND.some((word) => word in schema)) return "json";
  if (Array.isArray(schema.enum)) {
    return schema.enum.every((value) => value === null || typeof value !== "object") ? "enum" : "json";
  }
  if (SCALARS.includes(schema.type)) return schema.type;
  if (schema.type === "array" && schema.items) {
    const items = kindOf(resolved(schema.items, document), document, depth + 1);
    return [...SCALARS, "enum"].includes(items) ? "list" : "json";
  }
  const closed = typeof schema.additionalProperties !== "object";
  if (schema.type === "object" && schema.properties && closed && depth < MAX_DEPTH) return "group";
  return "json";
}

const pointer = (parent, key) => `${parent}/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;
