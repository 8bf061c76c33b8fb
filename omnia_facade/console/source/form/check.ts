// What is wrong with the values of a form, as far as its fields can say.

import { Group, List, Unreadable, type Field } from "./fields";

// Tells it to the fields, and returns the first of these; undefined where nothing is wrong.
export function firstWrong(field: Field): Field | undefined {
  const value = read(field);
  const inner = field instanceof Group ? field.fields : field instanceof List ? field.rows : [];
  // An object that is left out lacks nothing.
  const wrong = inner.map((each) => (value === undefined ? clear(each) : firstWrong(each))).find(Boolean);
  field.wrong = field instanceof Group ? "" : field instanceof List ? (wrong?.wrong ?? "") : problem(field, value);
  if (field.required && value === undefined) field.wrong = "This is required.";
  return (field instanceof List ? undefined : wrong) ?? (field.wrong ? field : undefined);
}

function clear(field: Field): undefined {
  for (const each of field.all) each.wrong = "";
}

function read(field: Field): unknown {
  try {
    return field.read();
  } catch (error) {
    if (error instanceof Unreadable) return error;
    throw error;
  }
}

function problem({ required, schema: { type, minimum = -Infinity, maximum = Infinity } }: Field, value: unknown): string {
  if (value instanceof Unreadable) return value.message;
  if (value === "" && required) return "This is required.";
  if (value === undefined || (type !== "number" && type !== "integer")) return "";
  if (typeof value !== "number") return "This is not a number.";
  if (type === "integer" && !Number.isInteger(value)) return "This is not a whole number.";
  return value < minimum || value > maximum ? "This is out of range." : "";
}
