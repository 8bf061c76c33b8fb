// The lines of two texts, and which of them differ.

export interface Line {
  // Of both, or of one of them only.
  kind: "same" | "gone" | "new";
  text: string;
}

// Beyond so many comparisons the lines in the middle are shown as replaced.
const MOST = 1_000_000;

export function lineChanges(before: string, after: string): Line[] {
  const [one, other] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < Math.min(one.length, other.length) && one[head] === other[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(one.length, other.length) - head && one.at(-1 - tail) === other.at(-1 - tail)) tail += 1;
  const as = (kind: Line["kind"], lines: string[]): Line[] => lines.map((text) => ({ kind, text }));
  return [
    ...as("same", one.slice(0, head)),
    ...middle(one.slice(head, one.length - tail), other.slice(head, other.length - tail)),
    ...as("same", one.slice(one.length - tail)),
  ];
}

// By the longest common subsequence: `common[i][j]` is its length from the lines i and j on.
function middle(one: string[], other: string[]): Line[] {
  const common = one.length * other.length > MOST ? [] : one.map(() => new Uint32Array(other.length + 1));
  for (let i = common.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      const [here, below] = [common[i]!, common[i + 1]];
      here[j] = one[i] === other[j] ? 1 + (below?.[j + 1] ?? 0) : Math.max(below?.[j] ?? 0, here[j + 1]!);
    }
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    if (common.length && i < one.length && one[i] === other[j]) {
      lines.push({ kind: "same", text: one[i]! });
      i += 1;
      j += 1;
    } else if (i < one.length && (j === other.length || (common[i + 1]?.[j] ?? 0) >= (common[i]?.[j + 1] ?? 0))) {
      lines.push({ kind: "gone", text: one[i]! });
      i += 1;
    } else {
      lines.push({ kind: "new", text: other[j]! });
      j += 1;
    }
  }
  return lines;
}
