// Pictures of buttons; each button has a name as well.

export function Icon({ path }: { path: string }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}

export const Arrow = () => <Icon path="M3 8h10M9 4l4 4-4 4" />;
export const Close = () => <Icon path="M4 4l8 8M12 4l-8 8" />;
