// Code in colours, by ranges that the style colours (CSS Custom Highlight API): there are no nodes for them, and no
// markup. Where a browser has no highlights the text is plain.

import { patternOf } from "./languages";

// In the order of the groups of a pattern.
const KINDS = ["comment", "string", "number", "word"];
// Longer code is plain from here on.
const MAX_LENGTH = 30_000;

type Found = [Highlight, StaticRange];

// What was found in each text, and how long the text was then.
const coloured = new Map<Text, { found: Found[]; length: number }>();

const highlights = (CSS.highlights as HighlightRegistry | undefined) ? KINDS.map(highlight) : [];

function highlight(name: string): Highlight {
  const made = new Highlight();
  CSS.highlights.set(name, made);
  return made;
}

const uncolour = ([highlight, range]: Found): boolean => highlight.delete(range);

// Colours the text of a block of code, or what has been added to it since.
export function colour(text: Text, language: string): void {
  const pattern = patternOf(language);
  if (!pattern || !highlights.length) return;
  for (const [each, { found }] of coloured) {
    if (each.isConnected) continue;
    found.forEach(uncolour);
    coloured.delete(each);
  }
  const { found, length } = coloured.get(text) ?? { found: [], length: 0 };
  // What reached the end may go on.
  if (found.at(-1)?.[1].endOffset === length) found.splice(-1).forEach(uncolour);
  pattern.lastIndex = found.at(-1)?.[1].endOffset ?? 0;
  for (const match of text.data.slice(0, MAX_LENGTH).matchAll(pattern)) {
    const { index, 0: part } = match;
    const [startContainer, endContainer] = [text, text];
    const range = new StaticRange({ startContainer, startOffset: index, endContainer, endOffset: index + part.length });
    const highlight = highlights[match.findIndex((group, at) => at && group) - 1]!;
    highlight.add(range);
    found.push([highlight, range]);
  }
  coloured.set(text, { found, length: text.length });
}
