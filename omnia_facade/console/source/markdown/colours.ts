// Code in colours, by ranges that the style colours (CSS Custom Highlight API): there are no nodes for them, and no
// markup. Where a browser has no highlights the text is plain.

import { patternOf } from "./languages";

// In the order of the groups of a pattern.
const KINDS = ["comment", "string", "number", "word"];
// Longer code is plain from here on.
const MAX_LENGTH = 30_000;

type Found = [Highlight, StaticRange];

// What was found in each text.
const coloured = new Map<Text, Found[]>();

const highlights = (CSS.highlights as HighlightRegistry | undefined) ? KINDS.map(highlight) : [];

function highlight(name: string): Highlight {
  const made = new Highlight();
  CSS.highlights.set(name, made);
  return made;
}

const uncolour = ([highlight, range]: Found): boolean => highlight.delete(range);

// Colours the text of a block of code. It is read from its beginning each time: what ends a string or a number may come
// long after what began it. What is found again keeps its range.
export function colour(text: Text, language: string): void {
  const pattern = patternOf(language);
  if (!pattern || !highlights.length) return;
  for (const [each, found] of coloured) {
    if (each.isConnected) continue;
    found.forEach(uncolour);
    coloured.delete(each);
  }
  const found = coloured.get(text) ?? [];
  let kept = 0;
  for (const match of text.data.slice(0, MAX_LENGTH).matchAll(pattern)) {
    const { index, 0: part } = match;
    const highlight = highlights[match.findIndex((group, at) => at && group) - 1]!;
    const endOffset = index + part.length;
    const [known, range] = found[kept] ?? [];
    if (known !== highlight || range!.startOffset !== index || range!.endOffset !== endOffset) {
      found.splice(kept).forEach(uncolour);
      const made = new StaticRange({ startContainer: text, startOffset: index, endContainer: text, endOffset });
      highlight.add(made);
      found.push([highlight, made]);
    }
    kept += 1;
  }
  found.splice(kept).forEach(uncolour);
  coloured.set(text, found);
}
