// The lines of two texts, and which of them differ.

export interface Line {
  // Of both, or of one of them only.
  kind: "same" | "gone" | "new";
  text: string;
}

// Beyond so many comparisons every line is shown as replaced.
const MOST = 4_000_000;

// By the longest common subsequence: `common[i][j]` is its length from the lines i and j on.
export function lineChanges(before: string, after: string): Line[] {
  const [one, other] = [before.split("\n"), after.split("\n")];
  const isShort = one.length * other.length <= MOST;
  const common = [...one, ""].map(() => new Uint32Array(isShort ? other.length + 1 : 0));
  const length = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = one.length - 1; isShort && i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      common[i]![j] = one[i] === other[j] ? 1 + length(i + 1, j + 1) : Math.max(length(i + 1, j), length(i, j + 1));
    }
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    const isSame = isShort && i < one.length && one[i] === other[j];
    const isGone = j === other.length || (i < one.length && length(i + 1, j) >= length(i, j + 1));
    const text = isSame || isGone ? one[i]! : other[j]!;
    lines.push({ kind: isSame ? "same" : isGone ? "gone" : "new", text });
    if (isSame || isGone) i += 1;
    if (isSame || !isGone) j += 1;
  }
  return lines;
}
