// Creates elements. Text always becomes a text node, never markup.

const byId = (id) => document.getElementById(id);

// Attributes come from this page only, never from a model, a tool or a schema.
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;

// A button that copies a text; none where the browser has no clipboard for this page.
function copyButton(label, text) {
  if (!navigator.clipboard) return [];
  const copy = async ({ currentTarget: button }) => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  };
  return [make("button", { type: "button", class: "quiet copy", "aria-label": label, click: copy }, "Copy")];
}

function showState(kind, text) {
  byId("state").dataset.state = kind;
  if (byId("state").textContent !== text) byId("state").textContent = text;
}

function toggleSettings(open) {
  byId("settings").hidden = !open;
  byId("settings-toggle").setAttribute("aria-expanded", String(open));
}

function usageFacts(usage) {
  if (!usage) return [];
  const count = (number) => Number(number).toLocaleString("en");
  const facts = [`${count(usage.input_tokens)} tokens in`, `${count(usage.output_tokens)} tokens out`];
  const cost = Number(usage.cost_usd ?? 0);
  return cost > 0 ? [...facts, `$${cost.toFixed(cost < 0.01 ? 6 : 4)}`] : facts;
}
