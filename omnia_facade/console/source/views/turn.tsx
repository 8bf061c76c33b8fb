// A turn: the message, the answer with its tool calls, and below it where the time went.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Answer } from "../markdown/answer";
import { useChanges } from "../parts/changes";
import { copyButton } from "../parts/copy";
import { onNextFrame } from "../parts/frame";
import { size } from "../parts/figures";
import { explained } from "../parts/words";
import type { Text, Turn } from "../turn";
import type { Fault } from "../wire/frames";
import { Media } from "./media";
import { Strip } from "./strip";
import { Tool } from "./tool";

interface Props {
  turn: Turn;
  agent: string;
  again: () => void;
  // Called when the answer has grown.
  drawn: () => void;
  // Shows the turn in the inspector, with the step of a number counted from 1; 0 for none.
  inspect: (step: number) => void;
}

export function TurnView({ turn, agent, again, drawn, inspect }: Props) {
  useChanges(turn);
  useLayoutEffect(drawn);
  const names = turn.files.length ? turn.files.map((each) => `${each.name} (${size(each.size)})`) : turn.fileNames;
  const { state, parts, media, fault } = turn;
  const isAnswered = state !== "queued" && (state === "running" || parts.length > 0 || fault || turn.facts.length > 0);
  return (
    <>
      <article class="message user" aria-label="You">
        <div class="said">{turn.text}</div>
        {names.length > 0 && (
          <ul class="names">
            {names.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        )}
        {state === "queued" && <p class="facts">waiting for the answer before</p>}
      </article>
      {isAnswered && (
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
            part.kind === "text" ? (
              <Markdown key={index} part={part} drawn={drawn} />
            ) : (
              <Tool key={index} call={part} />
            ),
          )}
          {turn.waitingSince !== null && <Waiting since={turn.waitingSince} />}
          <Media files={media} />
          {fault && <Failed fault={fault} again={again} />}
          {state === "settled" && (
            <>
              <Strip turn={turn} inspect={inspect} />
              <Facts turn={turn} inspect={inspect} />
            </>
          )}
        </article>
      )}
    </>
  );
}

function Markdown({ part, drawn }: { part: Text; drawn: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const [draw] = useState(() => ({ answer: null as Answer | null, wanted: false }));
  useLayoutEffect(() => {
    draw.answer ??= new Answer(place.current!);
    if (part.settled) {
      draw.answer.end(part.text);
      return;
    }
    const now = (): void => {
      draw.wanted = false;
      if (part.settled) return;
      draw.answer!.draw(part.text);
      drawn();
    };
    part.grown = () => {
      if (draw.wanted) return;
      draw.wanted = true;
      onNextFrame(now);
    };
    now();
    return () => (part.grown = () => {});
  }, [part, part.settled]);
  return <div class={part.settled ? "text" : "text growing"} ref={place} />;
}

// What is still to come, with the seconds since it began.
function Waiting({ since }: { since: number }) {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    setSeconds(0);
    const timer = setInterval(() => setSeconds(Math.round((performance.now() - since) / 1000)), 1000);
    return () => clearInterval(timer);
  }, [since]);
  // Screen readers are told that the answer is busy, not each second.
  return (
    <p class="waiting" aria-hidden="true">
      <i />
      <i />
      <i />
      <span>{seconds > 0 && `waiting, ${seconds} s`}</span>
    </p>
  );
}

function Failed({ fault: { code, message }, again }: { fault: Fault; again: () => void }) {
  const { title, hint } = explained(code);
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
      <button type="button" onClick={again}>
        Send again
      </button>
    </div>
  );
}

function Facts({ turn, inspect }: { turn: Turn; inspect: (step: number) => void }) {
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
      <button type="button" class="bare small inspect" onClick={() => inspect(0)}>
        Details
      </button>
    </p>
  );
}
