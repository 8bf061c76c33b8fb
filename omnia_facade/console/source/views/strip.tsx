// Where the time of a turn went, as measured by this page: a bar in proportion, and each step with its time.

import { seconds } from "../parts/figures";
import type { Step, Turn } from "../turn";

export function Strip({ turn, inspect }: { turn: Turn; inspect: (step: number) => void }) {
  const { steps } = turn;
  // A turn of one step needs no bar; a turn of the past was not measured here.
  if (steps.length < 2) return null;
  const total = turn.duration;
  const took = (step: Step): number => (step.ended ?? total) - step.began;
  return (
    <div class="strip" role="group" aria-label="Where the time went">
      <div class="track" aria-hidden="true">
        {steps.map((step, index) => (
          <i
            key={index}
            class={step.failed ? "of-failed" : `of-${step.kind}`}
            style={{ left: `${(100 * step.began) / total}%`, width: `${(100 * took(step)) / total}%` }}
          />
        ))}
      </div>
      <ul class="steps">
        {steps.map((step, index) => (
          <li key={index}>
            <button type="button" onClick={() => inspect(index + 1)}>
              <i class={step.failed ? "of-failed" : `of-${step.kind}`} aria-hidden="true" />
              {step.name} <small>{seconds(took(step))}</small>
              {step.failed && <small> failed</small>}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
