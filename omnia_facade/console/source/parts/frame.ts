// Work for the next picture of the screen, or soon where no picture is drawn, as in a tab behind others.

const BEHIND = 250;

// After so many pictures: what takes long leaves the others to what else the page does.
export function afterFrames(count: number, work: () => void): void {
  onNextFrame(count > 1 ? () => afterFrames(count - 1, work) : work);
}

function onNextFrame(work: () => void): void {
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
