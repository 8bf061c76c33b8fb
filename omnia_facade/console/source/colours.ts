// The colours of the page: those of the system, or what was chosen on this device. page.html applies the choice before
// anything is drawn.

const KEY = "omnia.colours";
const NEXT: Record<string, string> = { light: "dark", dark: "" };

// Empty: as the system.
export const chosen = (): string => localStorage.getItem(KEY) ?? "";

export const namesOf = (choice: string): string => choice || "as the system";

// Goes on from the system's colours to light, to dark, and back.
export function chooseNext(): string {
  const choice = NEXT[chosen()] ?? "light";
  if (choice) localStorage.setItem(KEY, choice);
  else localStorage.removeItem(KEY);
  document.documentElement.style.colorScheme = choice;
  return choice;
}
