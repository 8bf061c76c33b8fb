// What happened in a turn, and in a step of it.

import { useChanges } from "../parts/changes";
import { pretty, seconds } from "../parts/figures";
import { Close } from "../parts/icons";
import { routes } from "../routes";
import type { Step, Turn } from "../turn";

interface Props {
  turn: Turn;
  number: number;
  count: number;
  // The chosen step, counted from 1; 0: none.
  step: number;
}

export function Inspector({ turn, number, count, step }: Props) {
  useChanges(turn);
  const chosen = turn.steps[step - 1];
  return (
    <aside id="inspector" class="inspector" aria-label="Inspector">
      <header>
        <h2>
          Turn {number} of {count}
        </h2>
        <button id="close-inspector" type="button" class="bare" aria-label="Close the inspector" onClick={close}>
          <Close />
        </button>
      </header>
      <p class="facts">
        {turn.facts.map((each) => (
          <span key={each}>{each}</span>
        ))}
      </p>
      {turn.steps.length > 0 && <Timeline turn={turn} step={step} />}
      {chosen ? <Detail step={chosen} total={turn.duration} /> : null}
    </aside>
  );
}

export const close = (): void => routes.go({ turn: 0, step: 0 });

function Timeline({ turn, step }: { turn: Turn; step: number }) {
  const total = turn.duration;
  return (
    <ol class="timeline" aria-label="Steps of the turn">
      {turn.steps.map((each, index) => {
        const ended = each.ended ?? total;
        return (
          <li key={index}>
            <button
              type="button"
              class="bare"
              aria-pressed={step === index + 1}
              onClick={() => routes.go({ step: index + 1 }, { replace: true })}
            >
              <span class="step-name">{each.name}</span>
              <span class="step-track" aria-hidden="true">
                <i
                  class={each.failed ? "of-failed" : `of-${each.kind}`}
                  style={{ left: `${(100 * each.began) / total}%`, width: `${(100 * (ended - each.began)) / total}%` }}
                />
              </span>
              <small>{each.failed ? "failed" : seconds(ended - each.began)}</small>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function Detail({ step, total }: { step: Step; total: number }) {
  const { call } = step;
  return (
    <section class="detail" aria-label={step.name}>
      <h3>{step.name}</h3>
      <dl>
        <dt>Began</dt>
        <dd>{seconds(step.began)} into the turn</dd>
        <dt>Took</dt>
        <dd>{seconds((step.ended ?? total) - step.began)}</dd>
      </dl>
      {call && (
        <>
          <h4>Arguments</h4>
          <pre tabIndex={0}>{pretty(call.body.arguments ?? {})}</pre>
        </>
      )}
      {call?.answer && (
        <>
          <h4>{call.answer.title}</h4>
          <pre tabIndex={0}>{pretty(call.answer.value)}</pre>
        </>
      )}
    </section>
  );
}
