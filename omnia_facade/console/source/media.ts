// Files of messages and answers.

import type { ContentPart, MediaChunk, MediaContent, UploadTicket } from "./wire/frames";
import { ask, Refused } from "./wire/http";
import { size } from "./parts/figures";

const INLINE_BYTES = 256 * 1024;
// A message is limited to 16 MiB; base64 encodes three bytes as four.
const MAX_INLINE_BYTES = 11 * 1024 * 1024;
const KINDS = ["image", "audio", "video"];

async function base64(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

type Request = (file: File, mimeType: string) => Promise<UploadTicket | null>;

// Returns the reference of the stored file; empty where uploads are not kept.
async function uploaded(file: File, type: string, request: Request): Promise<string> {
  try {
    const ticket = await request(file, type);
    if (!ticket) return "";
    const path = `media/upload/${encodeURIComponent(ticket.upload_id)}`;
    await ask(path, { method: "PUT", headers: { "Content-Type": type }, body: file });
    return ticket.storage_ref;
  } catch (error) {
    if (!(error instanceof Refused) || error.code === "STOPPED") throw error;
    throw new Refused(error.status, error.code, `${file.name} was not taken: ${error.message}`);
  }
}

// Small files are sent inside the message, large ones are uploaded if the server keeps uploads.
// `request` asks for an upload; it resolves to null where uploads are not kept.
export async function mediaParts(
  files: File[],
  request: Request,
): Promise<ContentPart[]> {
  const parts: ContentPart[] = [];
  let inside = 0;
  for (const file of files) {
    const mime_type = file.type || "application/octet-stream";
    const kind = mime_type.split("/")[0]!;
    const media: MediaContent = { mime_type, filename: file.name, size_bytes: file.size };
    const stored = file.size < INLINE_BYTES ? "" : await uploaded(file, mime_type, request);
    if (stored) {
      media.storage_ref = stored;
    } else {
      inside += file.size;
      if (inside > MAX_INLINE_BYTES) {
        const most = size(MAX_INLINE_BYTES);
        throw new Refused(
          0,
          "TOO_LARGE",
          `${file.name} is too large: this server accepts files inside messages only, ${most} together.`,
        );
      }
      media.data = await base64(file);
    }
    parts.push({ type: KINDS.includes(kind) ? kind : "file", media });
  }
  return parts;
}

// What is shown of a file of an answer. Files of other hosts are links: they are not fetched.
export type Shown = { blob: Blob; name: string } | { address: string } | { problem: string };

const decoded = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));

async function stored(reference: string): Promise<Blob> {
  const found = /^omnia:\/\/sessions\/([^/]+)\/media\/([^/]+)$/.exec(reference);
  if (!found) throw new Error("the address of this file is invalid");
  const [, session, file] = found as unknown as [string, string, string];
  return (await ask(`media/download/${encodeURIComponent(session)}/${encodeURIComponent(file)}`)).blob();
}

export async function shown(media: MediaContent): Promise<Shown> {
  const name = media.filename ?? "";
  try {
    if (media.data) return { blob: new Blob([decoded(media.data)], { type: media.mime_type ?? "" }), name };
    if (media.storage_ref) return { blob: await stored(media.storage_ref), name };
  } catch (error) {
    return { problem: `A file of the answer cannot be shown: ${(error as Error).message}` };
  }
  if (/^https?:\/\//i.test(media.url ?? "")) return { address: media.url! };
  return { problem: "A file of the answer has no web address." };
}

// Collects media that arrives in pieces.
export class MediaStreams {
  readonly #pieces = new Map<string, Uint8Array<ArrayBuffer>[]>();

  // Returns the file with its last piece.
  take(chunk: MediaChunk): Shown | null {
    const pieces = this.#pieces.get(chunk.media_id) ?? [];
    this.#pieces.set(chunk.media_id, pieces);
    pieces.push(decoded(chunk.data));
    if (!chunk.is_last) return null;
    this.#pieces.delete(chunk.media_id);
    return { blob: new Blob(pieces, { type: chunk.mime_type }), name: "" };
  }
}
