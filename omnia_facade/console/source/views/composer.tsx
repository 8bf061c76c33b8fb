// The message field, with the files that go with the message.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Conversation } from "../conversation";
import { size } from "../parts/figures";
import { Close } from "../parts/icons";
import type { Variables } from "../variables";
import { VariablesForm } from "./variables";

// Of one conversation, or of several that hear the same.
export type Spoken = Pick<Conversation, "base" | "running" | "stopping" | "say" | "stop"> & Partial<Pick<Conversation, "unsent">>;

interface Props {
  conversation: Spoken;
  agent: string;
  variables: Variables;
}

// Puts words into the message field, unless there are others.
export function write(text: string): void {
  const field = document.getElementById("message") as HTMLTextAreaElement;
  field.value ||= text;
  field.dispatchEvent(new Event("input"));
  field.focus();
}

export function Composer({ conversation, agent, variables }: Props) {
  const [files, setFiles] = useState<File[]>([]);
  const [over, setOver] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const message = useRef<HTMLTextAreaElement>(null);
  const chosen = useRef<HTMLInputElement>(null);
  // What is being written outlives a reload of the page.
  const draft = `omnia.draft ${conversation.base}`;
  useEffect(() => {
    message.current!.value ||= sessionStorage.getItem(draft) ?? "";
    message.current!.focus();
  }, []);
  useEffect(() => {
    // Messages that wait are sent by nobody when the page is left: they are being written again.
    const keep = (): void => {
      const { unsent = [] } = conversation;
      if (unsent.length) sessionStorage.setItem(draft, [...unsent, message.current!.value].filter(Boolean).join("\n\n"));
    };
    addEventListener("pagehide", keep);
    return () => removeEventListener("pagehide", keep);
  }, [conversation]);
  const add = (more: FileList | null | undefined): void => setFiles((before) => [...before, ...(more ?? [])]);
  const send = (): void => {
    const text = message.current!.value.trim();
    if (!text && files.length === 0) return;
    message.current!.value = "";
    sessionStorage.removeItem(draft);
    setFiles([]);
    conversation.say(text, files);
  };
  return (
    <form
      id="composer"
      ref={form}
      class={over ? "composer over" : "composer"}
      aria-label="Message"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        add(event.dataTransfer?.files);
      }}
    >
      <ul id="attached" class="attached" aria-label="Attached files" hidden={files.length === 0}>
        {files.map((file) => (
          <li key={file}>
            {file.name} ({size(file.size)})
            <button
              type="button"
              class="bare small"
              aria-label={`Remove ${file.name}`}
              onClick={() => {
                setFiles(files.filter((each) => each !== file));
                message.current!.focus();
              }}
            >
              <Close />
            </button>
          </li>
        ))}
      </ul>
      <VariablesForm variables={variables} />
      <div class="box">
        <label for="message" class="unseen">
          Message
        </label>
        <textarea
          id="message"
          ref={message}
          rows={1}
          placeholder={`Write to ${agent}`}
          aria-describedby="keys"
          onInput={({ currentTarget: { value } }) => {
            if (value) sessionStorage.setItem(draft, value);
            else sessionStorage.removeItem(draft);
          }}
          onKeyDown={(event) => {
            if (event.key === "ArrowUp" && !event.currentTarget.value) {
              event.preventDefault();
              [...document.querySelectorAll<HTMLElement>(".edit")].at(-1)?.click();
              return;
            }
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            form.current!.requestSubmit();
          }}
          onPaste={(event) => {
            if (!event.clipboardData?.files.length) return;
            event.preventDefault();
            add(event.clipboardData.files);
          }}
        />
        <div class="bar">
          <button id="attach" type="button" class="bare" onClick={() => chosen.current!.click()}>
            Attach
          </button>
          <input
            id="files"
            ref={chosen}
            type="file"
            multiple
            hidden
            onChange={() => {
              add(chosen.current!.files);
              chosen.current!.value = "";
              message.current!.focus();
            }}
          />
          <p id="keys" class="hint">
            Enter sends · Shift+Enter breaks the line · Esc stops the answer
          </p>
          <button
            id="cancel"
            type="button"
            class="stop"
            hidden={!conversation.running}
            disabled={conversation.stopping}
            onClick={() => {
              conversation.stop();
              message.current!.focus();
            }}
          >
            Stop
          </button>
          <button id="send" type="submit" class="primary">
            Send
          </button>
        </div>
      </div>
    </form>
  );
}
