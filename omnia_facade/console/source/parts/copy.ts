// A button that copies a text; null where the browser has no clipboard for this page.

const SHOWN_FOR = 2000;

export function copyButton(label: string, text: () => string): HTMLButtonElement | null {
  if (!navigator.clipboard) return null;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "bare small copy";
  button.setAttribute("aria-label", label);
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), SHOWN_FOR);
  });
  return button;
}
