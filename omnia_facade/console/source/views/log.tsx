// What was said in a conversation, and before that the start page.

import { Fragment } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Conversation } from "../conversation";
import { Note } from "../note";
import { write } from "./composer";
import { routes } from "../routes";
import type { Turn } from "../turn";
import { Lost } from "./lost";
import { Reading } from "./reading";
import { Start, type Description } from "./start";
import { Question } from "./question";
import { AnswerView } from "./turn";

// Within so many pixels of its end the log follows what is written.
const NEAR = 80;

export function Log({
  conversation,
  agent,
  described,
}: {
  conversation: Conversation;
  agent: string;
  described: Description;
}) {
  const log = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const count = useRef(0);
  const stick = (): void => {
    if (follows.current && log.current) log.current.scrollTop = log.current.scrollHeight;
  };
  // Files of an earlier visit cannot be sent again.
  const mayFork = (turn: Turn): boolean =>
    !!described.capabilities?.includes("fork") && !conversation.running && turn.fileNames.length === turn.files.length;
  useLayoutEffect(() => {
    // A new message of the user is always shown.
    if (conversation.items.length > count.current) follows.current = true;
    count.current = conversation.items.length;
    stick();
  });
  return (
    <div
      id="log"
      ref={log}
      role="log"
      aria-label="Conversation"
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        follows.current = scrollHeight - scrollTop - clientHeight < NEAR;
      }}
    >
      <div class="column">
        {conversation.items.length === 0 &&
          (conversation.isReading ? (
            <Reading />
          ) : (
            <Start agent={agent} described={described} ask={(question) => conversation.say(question, [])} />
          ))}
        {conversation.items.length > 0 && <h2 class="unseen">Conversation</h2>}
        {conversation.items.map((item) =>
          item instanceof Note ? (
            <p class="note" key={item.key}>
              {item.text}
            </p>
          ) : (
            <Fragment key={item.key}>
              <Question
                turn={item}
                waitsAfter={conversation.waitsAfter(item)}
                waitsFor={conversation.state.kind === "open" ? "the answer before" : "the connection"}
                takeBack={() => {
                  conversation.takeBack(item);
                  write(item.text);
                }}
                variants={conversation.variantsOf(item)}
                edit={mayFork(item) ? (text) => void conversation.fork(item, text) : undefined}
              />
              <AnswerView
                turn={item}
                agent={agent}
                model={described.inside?.providers[0]?.model}
                patience={described.client_tool_seconds}
                goOn={conversation.count === conversation.numberOf(item) ? () => conversation.say("Go on", []) : undefined}
                again={conversation.running ? undefined : () => void conversation.fork(item)}
                fork={mayFork(item) ? () => void conversation.fork(item) : undefined}
                drawn={stick}
                inspect={(step) => routes.go({ turn: conversation.numberOf(item), step, about: false, files: false })}
              />
            </Fragment>
          ),
        )}
        <Lost state={conversation.state} connect={() => conversation.connect()} />
      </div>
    </div>
  );
}
