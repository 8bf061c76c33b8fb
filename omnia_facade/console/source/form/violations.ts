// The server's list of violations: "/maxWords: 5 is less than …; (root): …".

import type { Field } from "./fields";
import { pointer } from "./schema";

export interface Violation {
  at: string;
  message: string;
}

const MISSING = /^"(.+)" is a required property$/;

export function violations(detail: string): Violation[] {
  return detail.split(/; (?=\/|\(root\): )/).flatMap((text) => {
    const found = /^(\(root\)|\/.*?): (.*)$/s.exec(text);
    if (!found) return [];
    const [, place, message] = found as unknown as [string, string, string];
    const at = place === "(root)" ? "" : place;
    const missing = MISSING.exec(message);
    return [{ at: missing ? pointer(at, missing[1]!) : at, message: missing ? "This is required." : message }];
  });
}

// The field of a JSON pointer, or of its nearest ancestor that has one.
export function nearest(fields: Field[], at: string): Field | undefined {
  for (let place = at; ; place = place.slice(0, place.lastIndexOf("/"))) {
    const found = fields.find((field) => field.at === place);
    if (found || !place) return found;
  }
}
