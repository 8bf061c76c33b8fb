// A view of the second file of the page, which is imported when the first such view is opened.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as shared from "../shared";

type Views = typeof import("../hub-views");

// The import map of the page has its hash.
const FILE = "./hub/views.js";

let read: Views | null = null;

export function Later({ children }: { children: (views: Views) => ComponentChildren }) {
  const [views, setViews] = useState(read);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (read) return;
    Object.assign(globalThis, { omnia: shared });
    import(FILE).then(
      (found: Views) => setViews((read = found)),
      () => setFailed(true),
    );
  }, []);
  if (views) return children(views);
  return failed ? (
    <p class="error" role="alert">
      This view could not be read. Check that the server runs, and load the page again.
    </p>
  ) : null;
}
