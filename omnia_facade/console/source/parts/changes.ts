// Something that changes, and the components that show it.

import { useEffect, useReducer } from "preact/hooks";

export class Changes {
  readonly #listeners = new Set<() => void>();

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(): void {
    for (const each of this.#listeners) each();
  }
}

// Draws the component again after each change.
export function useChanges(source: Changes): void {
  const [, again] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    // What changed before the component listened is drawn too.
    again(undefined);
    return source.listen(() => again(undefined));
  }, [source]);
}
