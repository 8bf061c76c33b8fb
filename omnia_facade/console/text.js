// A subset of Markdown, as nodes: fenced code, `code` and **strong**. The rest is shown as plain text.

const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*/g;

function inline(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    nodes.push(text.slice(end, found.index));
    nodes.push(found[1] ? make("code", {}, found[1]) : make("strong", {}, found[2]));
    end = found.index + found[0].length;
  }
  return [...nodes, text.slice(end)];
}

// Pieces with odd indices are inside a fence; the word after the fence is the language.
function rendered(text) {
  const pieces = text.split(/^```/m);
  return pieces.flatMap((piece, index) => {
    if (index % 2 === 0) return inline(index ? piece.replace(/^\n/, "") : piece);
    const code = piece.replace(/^[^\n]*\n/, "").trimEnd();
    return [make("pre", { tabindex: "0" }, make("code", {}, code)), ...copyButton("Copy the code", () => code)];
  });
}
