// The list of all keys, in a dialog.

import { useEffect, useRef, useState } from "preact/hooks";
import { isLetter, letters, press, shortcuts } from "../shortcuts";

export function Keys() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [list, setList] = useState(shortcuts);
  const open = (): void => {
    setList(shortcuts());
    dialog.current!.showModal();
  };
  useEffect(() => {
    const keys = (event: KeyboardEvent): void => {
      if (document.querySelector("dialog[open]")) return;
      if (!isLetter(event)) press(event);
      else if (event.key === "?") open();
      else if (event.key === "/") document.getElementById("message")?.focus();
      else return;
      if (isLetter(event)) event.preventDefault();
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);
  return (
    <>
      <button id="keys-open" type="button" class="bare" aria-label="All keys" aria-keyshortcuts="?" onClick={open}>
        ?
      </button>
      <dialog
        id="all-keys"
        ref={dialog}
        aria-label="All keys"
        closedby="any"
        // The page behind stops no answer when this is closed.
        onKeyDown={(event) => event.key === "Escape" && event.stopPropagation()}
      >
        <h2>Keys</h2>
        <dl class="pairs">
          {list.map(({ keys, does }) => (
            <>
              <dt>
                <kbd>{keys}</kbd>
              </dt>
              <dd>{does}</dd>
            </>
          ))}
        </dl>
        <label>
          <input
            type="checkbox"
            defaultChecked={letters.areOn}
            onChange={({ currentTarget }) => (letters.areOn = currentTarget.checked)}
          />
          Keys without Ctrl or Alt, outside fields
        </label>
        <button type="button" onClick={() => dialog.current!.close()}>
          Close
        </button>
      </dialog>
    </>
  );
}
