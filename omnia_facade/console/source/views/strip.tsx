// Where the time of a turn went: a bar in proportion, and each step with its time.

import { moveByArrows, tabIndexOf } from "../parts/arrows";
import { seconds } from "../parts/figures";
import { useTicks } from "../parts/ticks";
import type { Step } from "../step";
import type { Turn } from "../turn";

export function Strip({ turn, inspect }: { turn: Turn; inspect: ((step: number) => void) | undefined }) {
  const { steps } = turn;
  useTicks(turn.state === "running" && steps.length > 1 ? 200 : 0);
  // A turn of one step needs no bar; of a turn of the past nothing may be known.
  if (steps.length < 2) return null;
  return (
    <div class="strip" role="group" aria-label="Where the time went">
      <div class="track" aria-hidden="true">
        {steps.map((step, index) => !step.after && <Piece key={index} step={step} total={turn.duration} />)}
      </div>
      <ul class="steps" onKeyDown={moveByArrows}>
        {steps.map((step, index) => (
          <li key={index}>
            <button type="button" disabled={!inspect} tabIndex={tabIndexOf(index)} onClick={() => inspect?.(index + 1)}>
              <i class={colour(step)} aria-hidden="true" />
              {step.name} <small>{shown(step, turn.duration)}</small>
            </button>
          </li>
        ))}
      </ul>
      {turn.origin === "measured" && <p class="hint">measured here</p>}
    </div>
  );
}

// A piece of the time between the beginning and the end of the turn.
export function Piece({ step, total }: { step: Step; total: number }) {
  const ended = Math.min(step.ended ?? total, total);
  return (
    <i
      class={step.ended === null ? `${colour(step)} runs` : colour(step)}
      style={{ left: `${(100 * step.began) / total}%`, width: `${(100 * (ended - step.began)) / total}%` }}
    >
      {step.first !== undefined && <b style={{ width: `${(100 * step.first) / (ended - step.began)}%` }} />}
    </i>
  );
}

const colour = ({ failed, kind }: Step): string => (failed ? "of-failed" : `of-${kind}`);

// The time of a step, or what became of it.
export function shown(step: Step, total: number): string {
  if (step.kind === "check" || step.kind === "event") return step.note ?? "";
  const time = seconds((step.ended ?? total) - step.began);
  if (step.kind === "tool" && step.ended === null) return `running ${time}`;
  return step.failed ? `${time} ${step.note || "failed"}` : time;
}
