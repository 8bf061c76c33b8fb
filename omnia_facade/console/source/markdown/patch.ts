// Changes shown nodes into others: what is equal stays as it is, with its layout, its selection and its colours.

// Makes the children of `shown` those of `wanted`, from one of them on.
export function patch(shown: Node, wanted: Node, from: ChildNode | null = shown.firstChild): void {
  let old = from;
  for (let next = wanted.firstChild; next; ) {
    const after: ChildNode | null = next.nextSibling;
    if (old) {
      const following: ChildNode | null = old.nextSibling;
      if (!old.isEqualNode(next)) change(old, next);
      old = following;
    } else shown.appendChild(next);
    next = after;
  }
  while (old) {
    const following: ChildNode | null = old.nextSibling;
    old.remove();
    old = following;
  }
}

function change(old: ChildNode, next: ChildNode): void {
  if (old instanceof Text && next instanceof Text && next.data.startsWith(old.data)) {
    old.appendData(next.data.slice(old.length));
  } else if (old instanceof Element && old.cloneNode().isEqualNode(next.cloneNode())) {
    patch(old, next);
  } else old.replaceWith(next);
}
