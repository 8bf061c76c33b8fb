// HTTP requests: the answer, or the error.

class Refused extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

// Rejects with Refused for every error.
async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(new URL(path, location.href), {
      ...options,
      headers: credential.headers(options.headers),
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "UNREACHABLE", "The server cannot be reached.");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const detail = body.detail ?? `The server answered ${response.status}.`;
  const refused = new Refused(response.status, body.error ?? String(response.status), detail);
  refused.body = body;
  throw refused;
}
