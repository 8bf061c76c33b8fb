// What happened in a turn, and in a step of it.

import { Fragment, type ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { moveByArrows, tabIndexOf } from "../parts/arrows";
import { useChanges } from "../parts/changes";
import { pretty, seconds } from "../parts/figures";
import { Close } from "../parts/icons";
import { routes, type Route } from "../routes";
import type { Step } from "../step";
import type { Turn } from "../turn";
import { Piece, shown } from "./strip";

interface Props {
  // What is chosen; null: none.
  turn: Turn | null;
  number: number;
  count: number;
  // The chosen step, counted from 1; 0: none.
  step: number;
  // Asks what is recorded of the turn by now.
  trace: (turn: Turn) => void;
  // What a model was sent in a step, where that can be known.
  sent: (turn: Turn, step: Step) => ComponentChildren;
  // The agent, or the files of the conversation, if they are shown in place of the turn.
  about: ComponentChildren;
  files: ComponentChildren;
}

export function Inspector({ turn, about, files, ...of }: Props) {
  return (
    <aside id="inspector" class="inspector" aria-label="Inspector">
      <header>
        <div class="choice" role="group" aria-label="Inspector">
          {turn && <Tab label="Turn" isShown={!about && !files} shows={{ about: false, files: false }} />}
          <Tab label="Agent" isShown={Boolean(about)} shows={{ about: true, files: false }} />
          <Tab label="Files" isShown={Boolean(files)} shows={{ about: false, files: true }} />
        </div>
        <button id="close-inspector" type="button" class="bare" aria-label="Close the inspector" onClick={close}>
          <Close />
        </button>
      </header>
      {about || files || (turn && <TurnPanel turn={turn} {...of} />)}
    </aside>
  );
}

const Tab = ({ label, isShown, shows }: { label: string; isShown: boolean; shows: Partial<Route> }) => (
  <button type="button" class="bare" aria-pressed={isShown} onClick={() => routes.go(shows)}>
    {label}
  </button>
);

function TurnPanel({ turn, number, count, step, trace, sent }: Omit<Props, "about" | "files" | "turn"> & { turn: Turn }) {
  useChanges(turn);
  useEffect(() => trace(turn), [turn]);
  const chosen = turn.steps[step - 1];
  return (
    <>
      <h2>
        Turn {number} of {count}
      </h2>
      <p class="facts">
        {turn.facts.map((each) => (
          <span key={each}>{each}</span>
        ))}
      </p>
      {turn.variant && <p class="hint">Answered by the {turn.variant}.</p>}
      {turn.steps.length > 0 && <Timeline turn={turn} step={step} />}
      {chosen && <Detail step={chosen} total={turn.duration} />}
      {chosen?.kind === "model" && !chosen.after && <Fragment key={step}>{sent(turn, chosen)}</Fragment>}
    </>
  );
}

export const close = (): void => routes.go({ turn: 0, step: 0, about: false, files: false });

function Timeline({ turn, step }: { turn: Turn; step: number }) {
  const total = turn.duration;
  return (
    <ol class="timeline" aria-label="Steps of the turn" onKeyDown={moveByArrows}>
      {turn.steps.map((each, index) => (
        <li key={index}>
          <button
            type="button"
            class="bare"
            tabIndex={tabIndexOf(index)}
            aria-pressed={step === index + 1}
            onClick={() => routes.go({ step: index + 1 }, { replace: true })}
          >
            <span class="step-name">{each.name}</span>
            <span class="step-track" aria-hidden="true">
              {!each.after && <Piece step={each} total={total} />}
            </span>
            <small>{shown(each, total)}</small>
          </button>
        </li>
      ))}
    </ol>
  );
}

function Detail({ step, total }: { step: Step; total: number }) {
  const { call, kind, facts = [] } = step;
  const times: [string, string][] = [["began", `${seconds(step.began)} into the turn`]];
  if (kind === "model" || kind === "tool") times.push(["took", seconds((step.ended ?? total) - step.began)]);
  return (
    <section class="detail" aria-label={step.name}>
      <h3>{step.name}</h3>
      <dl>
        {[...facts, ...times].map(([name, value]) => (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </Fragment>
        ))}
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
