// Shown while what was said before is still to come; the style shows it after a moment only.

export const Reading = () => (
  <div class="reading" role="status">
    <i />
    <i />
    <i />
    <p class="hint">Reading the conversation</p>
  </div>
);
