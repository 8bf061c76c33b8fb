// The head of the page, and the section below it where the credential is entered.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { credential } from "../wire/credential";
import type { State } from "../wire/socket";
import { ColoursButton } from "./colours";
import { FindButton } from "./find";
import { Keys } from "./keys";

interface Props {
  name: string;
  state: State;
  // Called when the user enters another credential.
  changed: () => void;
  actions?: ComponentChildren;
  // More forms of the section.
  children?: ComponentChildren;
  // The id of the element to skip to.
  skip: { to: string; label: string };
}

export function Header({ name, state, changed, actions, children, skip }: Props) {
  const [open, setOpen] = useState(false);
  const asked = useRef(false);
  const token = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    if (state.kind === "refused") {
      asked.current = true;
      setOpen(true);
    } else if (state.kind === "open" && asked.current) {
      asked.current = false;
      setOpen(false);
    }
  }, [state]);
  useLayoutEffect(() => {
    if (open && asked.current) token.current!.focus();
  }, [open, state]);
  return (
    <>
      <a
        class="skip"
        href={`#${skip.to}`}
        onClick={(event) => {
          // What is after "#" is the state of the page.
          event.preventDefault();
          document.getElementById(skip.to)?.focus();
        }}
      >
        {skip.label}
      </a>
      <header>
        {HUB ? (
          <a class="home" href="#/" aria-label="All agents" aria-keyshortcuts="Alt+1">
            <Logo />
          </a>
        ) : (
          <Logo />
        )}
        <div class="title">
          <h1 id="name">{name}</h1>
          <p id="state" class="state" role="status" data-state={state.kind}>
            {state.text}
          </p>
        </div>
        <div class="actions">
          {HUB && <FindButton />}
          {actions}
          <button
            id="settings-toggle"
            type="button"
            class="bare"
            aria-expanded={open}
            aria-controls="settings"
            onClick={() => setOpen(!open)}
          >
            Connection
          </button>
          <ColoursButton />
          <Keys />
        </div>
      </header>
      <section id="settings" aria-label="Connection" hidden={!open}>
        {state.kind === "refused" && state.asks && <Asks name={name} />}
        <form
          id="credential"
          onSubmit={(event) => {
            event.preventDefault();
            credential.token = token.current!.value.trim();
            changed();
          }}
        >
          <label for="token">Token</label>
          <div class="row">
            <input
              id="token"
              ref={token}
              type="password"
              autocomplete="off"
              spellcheck={false}
              aria-describedby="token-hint"
              defaultValue={credential.token}
            />
            <button type="submit">Use</button>
            <button
              id="forget"
              type="button"
              class="bare"
              onClick={() => {
                token.current!.value = credential.token = "";
                changed();
              }}
            >
              Forget
            </button>
          </div>
          <p id="token-hint" class="hint">
            Kept in this tab until you close it.
          </p>
        </form>
        {children}
      </section>
    </>
  );
}

const Asks = ({ name }: { name: string }) => (
  <p class="asks">
    <strong>{name} asks who you are.</strong> Give a client key, or make a token:{" "}
    <code>kubectl create token SERVICE-ACCOUNT --audience omnia://NAMESPACE/{name}</code>
  </p>
);

function Logo() {
  return (
    <svg class="logo" viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="10" cy="10" r="7.3" />
    </svg>
  );
}
