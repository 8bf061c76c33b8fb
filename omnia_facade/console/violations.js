// Parses the server's list of violations: "/maxWords: 5 is less than …; (root): …".

const MISSING = /^"(.+)" is a required property$/;

function violations(detail) {
  return detail.split(/; (?=\/|\(root\): )/).flatMap((text) => {
    const found = /^(\(root\)|\/.*?): (.*)$/s.exec(text);
    if (!found) return [];
    const at = found[1] === "(root)" ? "" : found[1];
    const missing = MISSING.exec(found[2]);
    return [{ at: missing ? pointer(at, missing[1]) : at, message: missing ? "This is required." : found[2] }];
  });
}

// The field of a JSON pointer, or of its nearest ancestor that has a field.
function nearest(fields, at) {
  for (let place = at; ; place = place.slice(0, place.lastIndexOf("/"))) {
    const found = fields.find((field) => field.at === place);
    if (found || !place) return found;
  }
}
