// Images, audio and files of an answer. Media of other hosts is shown as a link, and not fetched.

function decoded(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function shownBlob(blob, name) {
  const address = URL.createObjectURL(blob);
  const kind = blob.type.split("/")[0];
  if (kind === "image") {
    return make("img", { src: address, alt: name || "Picture of the answer" });
  }
  if (kind === "audio" || kind === "video") {
    return make(kind, { src: address, controls: true, "aria-label": name || `The answer's ${kind}` });
  }
  return make("a", { href: address, download: name || "file" }, name || "File of the answer");
}

async function stored(media) {
  const found = /^omnia:\/\/sessions\/([^/]+)\/media\/([^/]+)$/.exec(media.storage_ref);
  if (!found) throw new Error("the address of this file is invalid");
  const path = `media/download/${encodeURIComponent(found[1])}/${encodeURIComponent(found[2])}`;
  return (await ask(path)).blob();
}

async function shownMedia(media) {
  const name = media.filename ?? "";
  try {
    if (media.data) return shownBlob(new Blob([decoded(media.data)], { type: media.mime_type }), name);
    if (media.storage_ref) return shownBlob(await stored(media), name);
  } catch (error) {
    return make("p", { class: "hint" }, `A file of the answer cannot be shown: ${error.message}`);
  }
  if (!/^https?:\/\//i.test(media.url ?? "")) {
    return make("p", { class: "hint" }, "A file of the answer has no web address.");
  }
  return make("a", { href: media.url, target: "_blank", rel: "noopener noreferrer" }, media.url);
}

// Collects media that arrives in chunks.
class MediaStreams {
  #pieces = new Map();

  // Returns an element with the last chunk.
  take(chunk) {
    const pieces = this.#pieces.get(chunk.media_id) ?? [];
    this.#pieces.set(chunk.media_id, pieces);
    pieces.push(decoded(chunk.data));
    if (!chunk.is_last) return null;
    this.#pieces.delete(chunk.media_id);
    return shownBlob(new Blob(pieces, { type: chunk.mime_type }), "");
  }
}
