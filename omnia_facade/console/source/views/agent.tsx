// The page of an agent: its conversation.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Conversation, Note } from "../conversation";
import { useChanges } from "../parts/changes";
import { asJson } from "../wire/http";
import { Composer } from "./composer";
import { Header } from "./header";
import { Start, type Description } from "./start";
import { TurnView } from "./turn";

export function Agent({ name }: { name: string }) {
  const [conversation] = useState(() => new Conversation());
  const [described, setDescribed] = useState<Description>({});
  useChanges(conversation);
  const isOpen = conversation.state.kind === "open";
  useEffect(() => conversation.connect(), []);
  useEffect(() => {
    if (!isOpen) return;
    // The page works without it.
    asJson<Description>("api/agent").then(setDescribed, () => {});
  }, [isOpen]);
  useEffect(() => {
    document.title = [conversation.name, name, "Omnia"].filter(Boolean).join(" · ");
  }, [conversation.name]);
  useEffect(() => {
    const stop = (event: KeyboardEvent): void => {
      if (event.key === "Escape") conversation.stop();
    };
    addEventListener("keydown", stop);
    return () => removeEventListener("keydown", stop);
  }, []);
  const toMessage = (): void => document.getElementById("message")?.focus();
  return (
    <div class="page agent">
      <Header
        name={name}
        state={conversation.state}
        changed={() => conversation.connect()}
        skip={{ to: "#message", label: "Skip to the message field" }}
        actions={
          <button
            id="new"
            type="button"
            onClick={() => {
              conversation.begin("");
              toMessage();
            }}
          >
            New conversation
          </button>
        }
      >
        <Sessions conversation={conversation} />
      </Header>
      <main>
        <Log conversation={conversation} agent={name} described={described} />
      </main>
      <Composer conversation={conversation} agent={name} />
    </div>
  );
}

function Sessions({ conversation }: { conversation: Conversation }) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    field.current!.value = conversation.session;
  }, [conversation.session]);
  return (
    <form
      id="sessions"
      onSubmit={(event) => {
        event.preventDefault();
        conversation.begin(field.current!.value.trim());
      }}
    >
      <label for="session">Conversation</label>
      <div class="row">
        <input id="session" ref={field} autocomplete="off" spellcheck={false} aria-describedby="session-hint" />
        <button type="submit">Resume</button>
      </div>
      <p id="session-hint" class="hint">
        The id of this conversation. Enter the id of an earlier one to resume it.
      </p>
    </form>
  );
}

// Within so many pixels of its end the log follows what is written.
const NEAR = 80;

function Log({
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
        {conversation.items.length === 0 && (
          <Start agent={agent} described={described} ask={(question) => conversation.say(question, [])} />
        )}
        {conversation.items.length > 0 && <h2 class="unseen">Conversation</h2>}
        {conversation.items.map((item) =>
          item instanceof Note ? (
            <p class="note" key={item.key}>
              {item.text}
            </p>
          ) : (
            <TurnView
              key={item.key}
              turn={item}
              agent={agent}
              again={() => conversation.again(item)}
              drawn={stick}
            />
          ),
        )}
      </div>
    </div>
  );
}
