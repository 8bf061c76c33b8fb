// Changes shown nodes into others: what is equal stays as it is, with its layout, its selection and its colours.

import { colour } from "./colours";

// Makes the children of `shown` those of `wanted`, from one of them on. On so many `levels` more than the last of
// `wanted` is to come: what is shown after it stays.
export function patch(shown: Node, wanted: Node, from: ChildNode | null = shown.firstChild, levels = 0): void {
  let old = from;
  for (let next = wanted.firstChild; next; ) {
    const after: ChildNode | null = next.nextSibling;
    if (old) {
      const following: ChildNode | null = old.nextSibling;
      if (!old.isEqualNode(next)) change(old, next, after ? 0 : Math.max(0, levels - 1));
      old = following;
    } else {
      shown.appendChild(next);
      colourAll(next);
    }
    next = after;
  }
  while (old && !levels) {
    const following: ChildNode | null = old.nextSibling;
    old.remove();
    old = following;
  }
}

function change(old: ChildNode, next: ChildNode, levels: number): void {
  if (old instanceof Text && next instanceof Text && next.data.startsWith(old.data)) {
    old.appendData(next.data.slice(old.length));
    colourAll(old);
  } else if (old instanceof Element && old.cloneNode().isEqualNode(next.cloneNode())) {
    patch(old, next, undefined, levels);
  } else {
    old.replaceWith(next);
    colourAll(next);
  }
}

// Highlights are of what is in the document.
function colourAll(node: Node): void {
  const boxes = node instanceof Element ? [node, ...node.querySelectorAll("*")] : [node.parentElement?.closest(".codebox")];
  for (const box of boxes) {
    if (!box?.matches(".codebox")) continue;
    const text = box.querySelector("code")!.firstChild;
    if (text instanceof Text) colour(text, box.querySelector("span")!.textContent);
  }
}
