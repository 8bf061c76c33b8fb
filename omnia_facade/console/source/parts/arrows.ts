// A row of buttons is one stop of Tab: the arrows go from one to the next.

const WAYS: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export const tabIndexOf = (index: number): number => (index ? -1 : 0);

export function moveByArrows(event: KeyboardEvent): void {
  const way = event.altKey ? 0 : WAYS[event.key];
  if (!way) return;
  const buttons = [...(event.currentTarget as Element).querySelectorAll("button")];
  const at = buttons.indexOf(event.target as HTMLButtonElement);
  event.preventDefault();
  const next = buttons.at((at + way) % buttons.length)!;
  for (const each of buttons) each.tabIndex = each === next ? 0 : -1;
  next.focus();
}
