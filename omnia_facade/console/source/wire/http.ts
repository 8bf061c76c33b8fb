// HTTP requests, relative to the page's own address: the answer, or the error.

import { credential } from "./credential";

interface ErrorBody {
  error?: string;
  detail?: string;
  raw_output?: unknown;
}

// An error with its code. `status` is 0 when there was no answer of a server.
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly body: ErrorBody = {},
  ) {
    super(detail);
  }
}

// Rejects with Refused for every error, except when `options.signal` stops the request.
export async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(new URL(path, location.href), {
      ...options,
      headers: { ...(options.headers as Record<string, string>), ...credential.headers() },
      cache: "no-store",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(0, "UNREACHABLE", "The server cannot be reached.");
  }
  if (response.ok) return response;
  const body: ErrorBody = await response.json().catch(() => ({}));
  const detail = body.detail ?? `The server answered ${response.status}.`;
  throw new Refused(response.status, body.error ?? String(response.status), detail, body);
}

export async function asJson<T>(path: string, options: RequestInit = {}): Promise<T> {
  return (await ask(path, options)).json();
}
