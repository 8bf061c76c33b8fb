// Files of a message: small ones are sent inline, large ones are uploaded if the server supports it.

const INLINE_BYTES = 256 * 1024;
// A message is limited to 16 MiB; base64 encodes three bytes as four.
const MAX_INLINE_BYTES = 11 * 1024 * 1024;
const KINDS = ["image", "audio", "video"];

const size = (bytes) =>
  bytes < 1024 ? `${bytes} B` : bytes < 1 << 20 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / (1 << 20)).toFixed(1)} MB`;

class Attachments {
  #files = [];

  constructor() {
    byId("attach").addEventListener("click", () => byId("files").click());
    byId("files").addEventListener("change", () => {
      this.add(byId("files").files);
      byId("files").value = "";
      byId("message").focus();
    });
    byId("message").addEventListener("paste", (event) => {
      if (event.clipboardData.files.length === 0) return;
      event.preventDefault();
      this.add(event.clipboardData.files);
    });
    const composer = byId("composer");
    for (const name of ["dragover", "drop", "dragleave"]) {
      composer.addEventListener(name, (event) => {
        event.preventDefault();
        composer.classList.toggle("over", name === "dragover");
        if (name === "drop") this.add(event.dataTransfer.files);
      });
    }
  }

  add(files) {
    this.#files.push(...files);
    this.#show();
  }

  take() {
    const files = this.#files;
    this.#files = [];
    this.#show();
    return files;
  }

  #show() {
    const items = this.#files.map((file) =>
      make(
        "li",
        {},
        `${file.name} (${size(file.size)})`,
        make("button", {
          type: "button",
          class: "quiet",
          "aria-label": `Remove ${file.name}`,
          click: () => {
            this.#files = this.#files.filter((each) => each !== file);
            this.#show();
            byId("message").focus();
          },
        }, "×"),
      ),
    );
    byId("attached").replaceChildren(...items);
    byId("attached").hidden = items.length === 0;
  }
}

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

// `request` requests an upload; it resolves to the ticket, or to null if the server has no uploads.
async function mediaParts(files, request) {
  const parts = [];
  let inside = 0;
  for (const file of files) {
    const mime_type = file.type || "application/octet-stream";
    const kind = mime_type.split("/")[0];
    const media = { mime_type, filename: file.name, size_bytes: file.size };
    const ticket = file.size < INLINE_BYTES ? null : await request(file, mime_type);
    if (ticket) {
      await ask(`media/upload/${encodeURIComponent(ticket.upload_id)}`, {
        method: "PUT",
        headers: { "Content-Type": mime_type },
        body: file,
      });
      media.storage_ref = ticket.storage_ref;
    } else {
      inside += file.size;
      if (inside > MAX_INLINE_BYTES) {
        throw new Refused(0, "TOO_LARGE", `${file.name} is too large: this server accepts inline files only, ${size(MAX_INLINE_BYTES)} together.`);
      }
      media.data = await base64(file);
    }
    parts.push({ type: KINDS.includes(kind) ? kind : "file", media });
  }
  return parts;
}
