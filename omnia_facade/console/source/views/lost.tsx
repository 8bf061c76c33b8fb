// Said while the connection is lost, with the seconds until it is tried again.

import { useTicks } from "../parts/ticks";
import type { State } from "../wire/socket";

export function Lost({ state, connect }: { state: State; connect: () => void }) {
  const lost = state.kind === "connecting" ? state.lost : undefined;
  useTicks(lost ? 500 : 0);
  if (!lost) return null;
  const left = Math.ceil((lost.again - Date.now()) / 1000);
  return (
    <div class="error waits">
      <p>
        <span role="alert">
          <strong>{lost.why}.</strong> What you write is kept.
        </span>{" "}
        {left > 0 ? `Trying again in ${left} s.` : "Trying again."}
      </p>
      <button type="button" onClick={connect}>
        Try now
      </button>
    </div>
  );
}
