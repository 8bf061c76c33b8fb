// Draws a component again and again, while something of it counts.

import { useEffect, useReducer } from "preact/hooks";

// Every so many milliseconds; 0: not at all.
export function useTicks(pause: number): void {
  const [, again] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (!pause) return;
    const timer = setInterval(() => again(undefined), pause);
    return () => clearInterval(timer);
  }, [pause]);
}
