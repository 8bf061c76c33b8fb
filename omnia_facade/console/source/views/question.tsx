// The message of the user, which may be edited, and the variants of what follows.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Variants } from "../forks";
import { useChanges } from "../parts/changes";
import { size } from "../parts/figures";
import { routes } from "../routes";
import type { Turn } from "../turn";

// Messages that wait, from which on one more is said to be too fast.
const MANY = 8;

interface Props {
  turn: Turn;
  // How many messages are sent before it; -1 when it does not wait.
  waitsAfter?: number;
  waitsFor?: string;
  // Takes the message back while it waits.
  takeBack?: () => void;
  // Says the message in other words; absent where that cannot be done.
  edit?: ((text: string) => void) | undefined;
  variants?: Variants | undefined;
}

export function Question({ turn, waitsAfter = -1, waitsFor, takeBack, edit, variants }: Props) {
  const [editing, setEditing] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const was = useRef(false);
  useChanges(turn);
  useLayoutEffect(() => {
    if (was.current && !editing) button.current?.focus();
    was.current = editing;
  }, [editing]);
  const names = turn.files.length ? turn.files.map((each) => `${each.name} (${size(each.size)})`) : turn.fileNames;
  return (
    <article class="message user" aria-label="You">
      {editing && edit ? (
        <Editor
          text={turn.text}
          end={(text) => {
            setEditing(false);
            if (text) edit(text);
          }}
        />
      ) : (
        <div class="said">{turn.text}</div>
      )}
      {names.length > 0 && (
        <ul class="names">
          {names.map((each) => (
            <li key={each}>{each}</li>
          ))}
        </ul>
      )}
      {turn.state === "queued" && waitsAfter >= 0 && (
        <div class="facts">
          {waitsAfter < MANY ? (
            <span>waits for {waitsFor}</span>
          ) : (
            <span>
              <b>Eight messages wait already.</b> This one is sent when there is room.
            </span>
          )}
          {takeBack && (
            <button type="button" class="bare small" onClick={takeBack}>
              Take back
            </button>
          )}
        </div>
      )}
      {!editing && (variants || edit) && (
        <div class="facts">
          {variants && <Switch variants={variants} />}
          {edit && (
            <button ref={button} type="button" class="bare small edit" onClick={() => setEditing(true)}>
              Edit
            </button>
          )}
        </div>
      )}
    </article>
  );
}

// `end` is called with the new text; with an empty one when nothing is to be sent.
function Editor({ text, end }: { text: string; end: (text: string) => void }) {
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    field.current!.focus();
    field.current!.select();
  }, []);
  const send = (): void => end(field.current!.value.trim());
  return (
    <form
      class="editor"
      aria-label="Edit the message"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") {
          event.stopPropagation();
          end("");
        } else if (event.key === "Enter" && event.target === field.current && !event.shiftKey && !event.isComposing) {
          event.preventDefault();
          send();
        }
      }}
    >
      <textarea ref={field} aria-label="Message" defaultValue={text} rows={2} />
      <div class="facts">
        <button type="button" class="bare small" onClick={() => end("")}>
          Cancel
        </button>
        <button type="submit" class="small">
          Send
        </button>
      </div>
    </form>
  );
}

function Switch({ variants: { sessions, at } }: { variants: Variants }) {
  const step = (by: number, label: string, sign: string) => (
    <button
      type="button"
      class="bare small"
      aria-label={label}
      disabled={!sessions[at + by]}
      onClick={() => routes.go({ session: sessions[at + by]!, turn: 0, step: 0 })}
    >
      {sign}
    </button>
  );
  return (
    <span class="variants" role="group" aria-label="Variants">
      {step(-1, "Variant before", "‹")}
      <span>
        {at + 1} of {sessions.length}
      </span>
      {step(1, "Next variant", "›")}
    </span>
  );
}
