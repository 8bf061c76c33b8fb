// Work for the next picture of the screen, or soon where no picture is drawn, as in a tab behind others.

const BEHIND = 250;

export function onNextFrame(work: () => void): void {
  let isDone = false;
  const once = (): void => {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    cancelAnimationFrame(frame);
    work();
  };
  const timer = setTimeout(once, BEHIND);
  const frame = requestAnimationFrame(once);
}
