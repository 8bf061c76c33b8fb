// The answer of a turn with its tool calls, and below it where the time went.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Answer } from "../markdown/answer";
import { useChanges } from "../parts/changes";
import { copyButton } from "../parts/copy";
import { afterFrames } from "../parts/frame";
import type { Text, Turn } from "../turn";
import type { Fault } from "../wire/frames";
import { Media } from "./media";
import { Strip } from "./strip";
import { Tool } from "./tool";

// Seconds after which it is said that the answer takes long.
const LONG = 10;

interface Props {
  turn: Turn;
  agent: string;
  // Called when the answer has grown.
  drawn: () => void;
  // Shows the turn in the inspector, with the step of a number counted from 1; 0 for none.
  inspect?: ((step: number) => void) | undefined;
  // The model that is asked, where that is known.
  model?: string | undefined;
  // So many seconds a person may take to answer a tool, where that is known.
  patience?: number | undefined;
  // Has a stopped answer gone on with.
  goOn?: (() => void) | undefined;
  // Sends a message that failed again.
  again?: (() => void) | undefined;
  // Has the message answered again.
  fork?: (() => void) | undefined;
}

// The answer, once there is anything of it.
export function AnswerView({ turn, agent, model, patience, goOn, again, fork, drawn, inspect }: Props) {
  useChanges(turn);
  useLayoutEffect(drawn);
  const { state, parts, media, fault } = turn;
  const isAnswered = state !== "queued" && (state === "running" || parts.length > 0 || fault || turn.facts.length > 0);
  if (!isAnswered) return null;
  return (
    // Screen readers announce the complete answer, not each word.
    <article class="message agent" aria-label={agent} aria-busy={state === "running"}>
      <p class="who">
        <b aria-hidden="true">{agent}</b>
        {turn.version && (
          <span class="chip">
            prompt <b>{turn.version}</b>
          </span>
        )}
      </p>
      {parts.map((part, index) =>
        part.kind === "text" ? <Markdown key={index} part={part} drawn={drawn} /> : <Tool key={index} call={part} patience={patience} />,
      )}
      {turn.waitingSince !== null && <Waiting since={turn.waitingSince} model={model || "the model"} />}
      <Media files={media} />
      {fault && <Failed fault={fault} again={again} />}
      <Strip turn={turn} inspect={inspect} />
      {state === "settled" && <Facts turn={turn} inspect={inspect} goOn={goOn} fork={fault ? undefined : fork} />}
    </article>
  );
}

// Milliseconds above which a growing answer is drawn at every fourth frame only.
const SLOW = 10;

function Markdown({ part, drawn }: { part: Text; drawn: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const [draw] = useState(() => ({ part, answer: null as Answer | null, wanted: false, frames: 1 }));
  useLayoutEffect(() => {
    const root = place.current!;
    draw.part = part;
    draw.answer ??= new Answer(root);
    const now = (): void => {
      draw.wanted = false;
      if (!root.isConnected) return;
      const began = performance.now();
      const goesOn = draw.answer!.draw(draw.part.text, draw.part.settled);
      // Screen readers and tests wait for what is drawn later.
      root.ariaBusy = String(goesOn);
      drawn();
      draw.frames = performance.now() - began > SLOW ? 4 : 1;
      if (goesOn) later();
    };
    const later = (): void => {
      if (draw.wanted) return;
      draw.wanted = true;
      afterFrames(draw.frames, now);
    };
    part.grown = later;
    now();
    return () => (part.grown = () => {});
  }, [part, part.settled]);
  return (
    <div class={part.settled ? "text" : "text growing"} role={part.heldBack ? "deletion" : undefined} ref={place} />
  );
}

// What is still to come, with the seconds since it began.
function Waiting({ since, model }: { since: number; model: string }) {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    setSeconds(0);
    const timer = setInterval(() => setSeconds(Math.round((performance.now() - since) / 1000)), 1000);
    return () => clearInterval(timer);
  }, [since]);
  const still = `Still waiting for ${model}, `;
  // Screen readers are told every ten seconds.
  return (
    <>
      <p class="waiting" aria-hidden="true">
        <i />
        <i />
        <i />
        {seconds >= LONG ? (
          <span>
            <b>
              {still}
              {seconds} s.
            </b>{" "}
            Esc stops it.
          </span>
        ) : (
          <span>{seconds > 0 && `asking ${model}, ${seconds} s`}</span>
        )}
      </p>
      <p class="unseen" role="status">
        {seconds >= LONG && `${still}${seconds - (seconds % LONG)} s.`}
      </p>
    </>
  );
}

function Failed({ fault, again }: { fault: Fault; again: (() => void) | undefined }) {
  const { code, message, details: { title, hint } = {} } = fault;
  return (
    <div class="error" role="alert">
      {title && (
        <p>
          <strong>{title}</strong> {hint}
        </p>
      )}
      <p>
        <code>{code}</code> {message}
      </p>
      {again && (
        <button type="button" onClick={again}>
          Send again
        </button>
      )}
    </div>
  );
}

function Facts({ turn, inspect, goOn, fork }: Pick<Props, "turn" | "inspect" | "goOn" | "fork">) {
  const place = useRef<HTMLParagraphElement>(null);
  const hasSaid = turn.said !== "";
  useLayoutEffect(() => {
    const button = hasSaid ? copyButton("Copy the answer", () => turn.said) : null;
    if (button) place.current!.append(button);
    return () => button?.remove();
  }, [hasSaid]);
  return (
    <p class="facts" ref={place}>
      {turn.facts.map((each) => (
        <span key={each}>{each}</span>
      ))}
      {inspect && (
        <button type="button" class="bare small inspect" onClick={() => inspect(0)}>
          Details
        </button>
      )}
      {turn.stopped && goOn && (
        <button type="button" class="bare small" onClick={goOn}>
          Go on
        </button>
      )}
      {fork && (
        <button type="button" class="bare small again" onClick={fork}>
          Answer again
        </button>
      )}
    </p>
  );
}
