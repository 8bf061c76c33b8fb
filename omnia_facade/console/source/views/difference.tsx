// What differs between the templates of two versions, line by line.

import { lineChanges, type Line } from "../parts/lines";

const SIGNS = { same: "  ", gone: "- ", new: "+ " };

export function Difference({ before, after }: { before: string; after: string }) {
  if (before === after) return <p class="hint">Both versions have the same template.</p>;
  return (
    <pre class="prompt" tabIndex={0}>
      {lineChanges(before, after).map((line, index) => (
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
