// The button that chooses the colours of the page.

import { useState } from "preact/hooks";
import { chooseNext, chosen, namesOf } from "../colours";
import { Icon } from "../parts/icons";

const SUN = "M8 5a3 3 0 1 0 0 6a3 3 0 1 0 0-6M8 1v1M8 14v1M1 8h1M14 8h1M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1";
const PATHS: Record<string, string> = {
  "": "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12v12M11 4v8",
  light: SUN,
  dark: "M7 2a6 6 0 1 0 7 7a5 5 0 0 1-7-7",
};

export function ColoursButton() {
  const [choice, setChoice] = useState(chosen);
  const label = `Colours: ${namesOf(choice)}`;
  return (
    <button id="colours" type="button" class="bare" aria-label={label} title={label} onClick={() => setChoice(chooseNext())}>
      <Icon path={PATHS[choice] ?? SUN} />
    </button>
  );
}
