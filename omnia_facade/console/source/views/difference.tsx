// What differs between the templates of two versions, line by line.

import { lineChanges, type Line } from "../parts/lines";

const SIGNS = { same: "  ", gone: "- ", new: "+ " };

export function Difference({ before, after }: { before: string; after: string }) {
  const lines = lineChanges(before, after);
  if (lines.every(({ kind }) => kind === "same")) return <p class="hint">Both versions have this template.</p>;
  return (
    <pre class="prompt difference-of-templates" tabIndex={0}>
      {lines.map((line, index) => (
        <Shown key={index} {...line} />
      ))}
    </pre>
  );
}

// The sign says it too, for those who see no colour.
function Shown({ kind, text }: Line) {
  const line = `${SIGNS[kind]}${text}\n`;
  if (kind === "gone") return <del>{line}</del>;
  return kind === "new" ? <ins>{line}</ins> : <span>{line}</span>;
}
