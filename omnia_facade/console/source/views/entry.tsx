// A conversation in the list; where the agent can, it is given another name here, or deleted.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Known, KnownConversations } from "../known";
import { addressOf, routes } from "../routes";

interface Props {
  entry: Known;
  known: KnownConversations;
  chosen: () => void;
  // Called with the name that the conversation has now.
  renamed: (id: string, name: string) => void;
}

export function Entry({ entry: { id, name, at }, known, chosen, renamed }: Props) {
  const { now } = routes;
  const [editing, setEditing] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    setEditing(false);
    // Drawn again first: the button is back then.
    requestAnimationFrame(() => opener.current?.focus());
  };
  if (editing) return <Editor id={id} name={name} known={known} renamed={renamed} close={close} />;
  return (
    <li>
      <a
        href={addressOf({ ...now, view: "try", session: id, turn: 0, step: 0 })}
        aria-current={now.session === id ? "page" : undefined}
        title={name}
        onClick={chosen}
      >
        <span>{name}</span>
        <small>{new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}</small>
      </a>
      {known.can("names") && (
        <button ref={opener} type="button" class="bare small" aria-label={`Change ${name}`} onClick={() => setEditing(true)}>
          ⋯
        </button>
      )}
    </li>
  );
}

interface EditorProps extends Pick<Props, "known" | "renamed"> {
  id: string;
  name: string;
  close: () => void;
}

function Editor({ id, name, known, renamed, close }: EditorProps) {
  const field = useRef<HTMLInputElement>(null);
  const [sure, setSure] = useState(false);
  const [fault, setFault] = useState("");
  useEffect(() => {
    field.current!.focus();
    field.current!.select();
  }, []);
  const attempt = (change: Promise<unknown>): void => {
    change.then(close, (refused: Error) => setFault(refused.message));
  };
  const remove = async (): Promise<void> => {
    await known.remove(id);
    if (routes.now.session === id) routes.go({ session: "", turn: 0, step: 0 }, { replace: true });
  };
  return (
    <li>
      <form
        class="entry"
        onSubmit={(event) => {
          event.preventDefault();
          attempt(known.rename(id, field.current!.value).then((given) => renamed(id, given)));
        }}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          // Neither the running answer nor the list around this ends.
          event.preventDefault();
          event.stopPropagation();
          close();
        }}
      >
        <input ref={field} aria-label="Name" maxLength={200} defaultValue={name} />
        <div class="row">
          <button type="submit" class="small">
            Save
          </button>
          {known.can("delete") && (
            <button type="button" class="small stop" onClick={() => (sure ? attempt(remove()) : setSure(true))}>
              {sure ? "Delete for good" : "Delete"}
            </button>
          )}
          <button type="button" class="bare small" onClick={close}>
            Cancel
          </button>
        </div>
        <p class="hint" role="alert">
          {fault}
        </p>
      </form>
    </li>
  );
}
