// Input of the user: keys, buttons, and the first connection.

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = message.value.trim();
  const files = attachments.take();
  if (!text && files.length === 0) return;
  message.value = "";
  say(text, files);
});
message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") stop();
});
byId("cancel").addEventListener("click", () => {
  stop();
  message.focus();
});
byId("new").addEventListener("click", () => begin(""));
byId("sessions").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = byId("session").value.trim();
  if (SESSION_FORM.test(id)) begin(id);
  else note("The id of a conversation has 1 to 128 letters, digits, dots, colons, dashes and underscores.");
});

beginCredential(() => connection.open());
connection.open();
message.focus();
